"""FastAPI answers every error as the kit does; a request that does not validate is 422 `validation_error` with details.

Needs `pip install 'identry-kit[fastapi]'`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

try:
    from fastapi import FastAPI
    from fastapi.exceptions import RequestValidationError, WebSocketRequestValidationError
except ImportError as missing:
    raise ImportError("fastapi is missing: pip install 'identry-kit[fastapi]'") from missing

from identry_kit.apierror import ErrorResponse, Renderer, ValidationFailed, starlette, to_asgi

__all__ = ["exception_handlers", "install"]

MAX_FIELDS = 50
"""Details name at most so many faulty fields: an answer must not grow with a hostile request."""


def exception_handlers(render: Renderer = to_asgi) -> dict[Any, Callable[[Any, Any], Awaitable[Any]]]:
    """For `FastAPI(exception_handlers=…)`.

    The details of a 422 are `{"fields": [{"field": "body.email", "message": …, "type": "missing"}, …]}`: where and why,
    never the value that was sent (it may be a password).
    """

    async def invalid(
        request: Any,  # noqa: ARG001 - FastAPI's signature
        error: RequestValidationError | WebSocketRequestValidationError,
    ) -> ErrorResponse:
        fields = [
            {"field": ".".join(map(str, fault["loc"])), "message": fault["msg"], "type": fault["type"]}
            for fault in list(error.errors())[:MAX_FIELDS]
        ]
        return ErrorResponse(ValidationFailed(details={"fields": fields}), render)

    handlers = starlette.exception_handlers(render)
    return {**handlers, RequestValidationError: invalid, WebSocketRequestValidationError: invalid}


def install(app: FastAPI, render: Renderer = to_asgi) -> None:
    """Give `app` these handlers; handlers of its own for other exceptions stay."""
    for kind, handler in exception_handlers(render).items():
        app.add_exception_handler(kind, handler)
