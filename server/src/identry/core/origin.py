"""Where a request came from, as far as the audit log and the limits care. No HTTP below this point."""

from __future__ import annotations

import msgspec


class Origin(msgspec.Struct, frozen=True, gc=False):
    """The caller's address and trace.

    Attributes:
        ip: the client's address (the right-most untrusted hop), or None when unknown.
        user_agent: at most 512 characters, control characters removed.
        request_id: the id echoed as `X-Request-ID`.
    """

    ip: str | None = None
    user_agent: str | None = None
    request_id: str | None = None


SYSTEM = Origin()
"""No request at all: a command, a background task."""
