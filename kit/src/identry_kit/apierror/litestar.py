"""Litestar answers every error as the kit does; a request that does not validate is 422 with details.

Needs `pip install 'identry-kit[litestar]'`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, cast

try:
    from litestar import Request, Response
    from litestar.exceptions import HTTPException, ValidationException
except ImportError as missing:
    raise ImportError("litestar is missing: pip install 'identry-kit[litestar]'") from missing

from identry_kit import context
from identry_kit.apierror import APIError, Internal, Scope, ValidationFailed, new
from identry_kit.apierror.answer import Renderer, log_server_error, to_asgi

__all__ = ["exception_handlers"]

MAX_FIELDS = 50
"""Details name at most so many faulty fields: an answer must not grow with a hostile request."""

_log = logging.getLogger("identry_kit.apierror")


def exception_handlers(
    render: Renderer = to_asgi,
) -> dict[int | type[Exception], Callable[[Request[Any, Any, Any], Any], Response[Any]]]:
    """For `Litestar(exception_handlers=…)`: `APIError`, Litestar's own errors, and what nobody caught (a 500, logged).

    The details of a 422 are `{"fields": [{"field": "body.email", "message": …}, …]}`, never the value that was sent.
    Litestar lets no exception out to the layers outside, so this is where unknown ones are logged.
    """

    def handle(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
        own = _api_error(error)
        if own is None:
            _log.error("panic recovered: %r", error, exc_info=error, extra={"request_id": context.request_id()})
            own = Internal()
        else:
            log_server_error(own)
        status, lines, body = render(own, cast("Scope", request.scope))
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in lines}
        media_type = headers.pop("content-type", "application/json")
        headers.pop("content-length", None)
        return Response(body, status_code=status, headers=headers, media_type=media_type)

    return {Exception: handle, HTTPException: handle, APIError: handle}


def _api_error(error: Exception) -> APIError | None:
    if isinstance(error, APIError):
        return error
    if isinstance(error, ValidationException):
        return ValidationFailed(details={"fields": _fields(error)})
    if isinstance(error, HTTPException):
        return new(error.status_code, error.detail, headers=error.headers)
    return None


def _fields(error: ValidationException) -> list[dict[str, str]]:
    """Where and why, from what Litestar knows of a failed validation: `{"key", "source", "message"}` per fault."""
    faults = error.extra if isinstance(error.extra, list) else [error.extra]
    fields = []
    for fault in faults[:MAX_FIELDS]:
        if isinstance(fault, Mapping) and "message" in fault:
            source = getattr(fault.get("source"), "value", fault.get("source"))
            place = [str(part) for part in (source, fault.get("key")) if part]
            fields.append({"field": ".".join(place), "message": str(fault["message"])})
    return fields
