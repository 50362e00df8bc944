"""Starlette answers every error as the kit does: `APIError`, its own (404, 405 …), and what nobody caught.

Needs starlette (it comes with `identry-kit[fastapi]`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

try:
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.responses import Response
except ImportError as missing:
    raise ImportError("starlette is missing: pip install starlette, or 'identry-kit[fastapi]'") from missing

from identry_kit.apierror import ErrorResponse, Renderer, new, to_asgi
from identry_kit.apierror import exception_handlers as common_handlers
from identry_kit.apierror.answer import log_server_error

__all__ = ["exception_handlers", "install"]


def exception_handlers(render: Renderer = to_asgi) -> dict[Any, Callable[[Any, Any], Awaitable[Any]]]:
    """For `Starlette(exception_handlers=…)`. `render=to_problem` answers RFC 9457 always, not on request only."""

    async def http_error(request: Any, error: HTTPException) -> Any:  # noqa: ARG001 - Starlette's signature
        headers = dict(error.headers or {})
        if error.status_code < 200 or error.status_code in {204, 205, 304}:
            return Response(status_code=error.status_code, headers=headers)
        detail: object = error.detail  # FastAPI's may be any JSON
        text = isinstance(detail, str)
        own = new(error.status_code, str(detail) if text else "", headers=headers)
        if not text:
            own.message = type(own).message
            own.details = {"detail": detail}
        log_server_error(own)
        return ErrorResponse(own, render)

    return {**common_handlers(render), HTTPException: http_error}


def install(app: Starlette, render: Renderer = to_asgi) -> None:
    """Give `app` these handlers; handlers of its own for other exceptions stay."""
    for kind, handler in exception_handlers(render).items():
        app.add_exception_handler(kind, handler)
