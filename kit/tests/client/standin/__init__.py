"""A stand-in for the identity server's provider surface: real HTTP on two loopback ports, and any fault on request.

`provider` behaves as contracts/provider-api.md says and keeps everything in memory; `faults` makes it misbehave and
remembers what it was sent; `server` runs both ports in a thread of their own, so blocking clients can be tested too.
"""

from standin.faults import Seen
from standin.provider import Provider
from standin.server import running

__all__ = ["Provider", "Seen", "running"]
