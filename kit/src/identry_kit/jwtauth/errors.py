"""How verification can end badly: the token is not acceptable (401), or nobody can tell right now (503)."""

from __future__ import annotations

import traceback
from pathlib import Path

from identry_kit.apierror import ServiceUnavailable, Unauthorized

CHALLENGE = {"WWW-Authenticate": 'Bearer error="invalid_token"'}


class InvalidToken(Unauthorized):
    """401: the token is not acceptable. `reason` is a fixed word for logs and metrics, never a part of the token."""

    message = "invalid or expired token"

    def __init__(self, reason: str = "malformed", message: str | None = None) -> None:
        super().__init__(message, headers=CHALLENGE)
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.message} ({self.reason})"


class MissingToken(Unauthorized):
    """401: no usable `Authorization: Bearer` header.

    Its challenge has no error code, as RFC 6750 §3.1 wants it.
    """

    message = "missing or invalid authorization header"

    def __init__(self) -> None:
        super().__init__(headers={"WWW-Authenticate": "Bearer"})


class KeysUnavailable(ServiceUnavailable):
    """503: the issuer's keys cannot be had, so the token can be called neither good nor bad."""

    message = "verification keys are not available"

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message, headers={"Retry-After": "15"})


def place_of(error: Exception) -> str:
    """Kind and place of what a check ran into, for the log; its own text may hold a piece of the token."""
    *_, (frame, line) = traceback.walk_tb(error.__traceback__)
    return f"{type(error).__name__} at {Path(frame.f_code.co_filename).name}:{line}"
