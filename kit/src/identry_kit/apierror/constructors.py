"""The errors as the third seed spells them: a function per kind (contracts/kit.md §1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from identry_kit.apierror.kinds import (
    APIError,
    BadGateway,
    BadRequest,
    Conflict,
    Forbidden,
    Internal,
    NotFound,
    OtherError,
    ServiceUnavailable,
    TooManyRequests,
    Unauthorized,
    ValidationFailed,
)


def not_found(entity: str, id: object) -> NotFound:  # noqa: A002 - the seed's parameter name
    """`NotFound("<entity> not found: <id>")`."""
    return NotFound(f"{entity} not found: {id}")


def bad_request(message: str) -> BadRequest:
    """400 with `message`."""
    return BadRequest(message)


def unauthorized(message: str) -> Unauthorized:
    """401 with `message`."""
    return Unauthorized(message)


def forbidden(message: str) -> Forbidden:
    """403 with `message`."""
    return Forbidden(message)


def conflict(message: str) -> Conflict:
    """409 with `message`."""
    return Conflict(message)


def validation_error(message: str, details: Mapping[str, Any] | None = None) -> ValidationFailed:
    """422 with `message` and the faulty fields in `details`."""
    return ValidationFailed(message, details=details)


def too_many_requests(message: str, retry_after: int | None = None) -> TooManyRequests:
    """429; `retry_after` in whole seconds becomes the `Retry-After` header."""
    return TooManyRequests(message, headers={} if retry_after is None else {"Retry-After": str(retry_after)})


def internal(message: str) -> Internal:
    """500; `message` goes to the log only."""
    return Internal(message)


def bad_gateway(message: str) -> BadGateway:
    """502; `message` goes to the log only."""
    return BadGateway(message)


def service_unavailable(message: str, retry_after: int | None = None) -> ServiceUnavailable:
    """503; `message` goes to the log only, `retry_after` in whole seconds to the `Retry-After` header."""
    return ServiceUnavailable(message, headers={} if retry_after is None else {"Retry-After": str(retry_after)})


_BY_STATUS = {kind.status: kind for kind in APIError.__subclasses__() if kind is not OtherError}


def new(status: int, message: str, *, headers: Mapping[str, str] | None = None) -> APIError:
    """An error of any status, sent with `headers`; one that has no kind of its own gets the code `error`."""
    kind = _BY_STATUS.get(status)
    error = OtherError(status, message) if kind is None else kind(message)
    error.headers = headers or {}
    return error
