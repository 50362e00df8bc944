"""What every surface that keeps sessions going shares: a refresh token becomes its successor, once.

`service.py` is the whole story of a presented token (rotate, hand the same successor to an honest retry, or end the
family), `statements.py` the compare-and-swap, `batches.py` sends rotations of one moment to PostgreSQL together. What
differs by surface is a `Reading`. Never: signs anything, extends a session's horizon.
"""

from identry.rotation.batches import Rotations
from identry.rotation.service import InvalidRefreshToken, Misfit, Refreshed, Rotation, SessionRevoked
from identry.rotation.statements import NO_HOLDER, PLATFORM, SEATED, Asked, Holder, Reading

__all__ = [
    "NO_HOLDER",
    "PLATFORM",
    "SEATED",
    "Asked",
    "Holder",
    "InvalidRefreshToken",
    "Misfit",
    "Reading",
    "Refreshed",
    "Rotation",
    "Rotations",
    "SessionRevoked",
]
