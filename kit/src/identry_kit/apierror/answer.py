"""An error as an ASGI answer, and the five names of the ASGI 3 interface (https://asgi.readthedocs.io).

A `Renderer` turns an error into status, headers and body. Each surface may bring its own; `to_asgi` is the kit's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from identry_kit.apierror.kinds import APIError, Internal

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

Headers: TypeAlias = list[tuple[bytes, bytes]]
Rendered: TypeAlias = tuple[int, Headers, bytes]
Renderer: TypeAlias = Callable[[APIError, Scope], Rendered]


def header_lines(error: APIError) -> Headers:
    """The error's own headers (`Retry-After` …) as ASGI wants them; a value with a line break is left out."""
    lines: Headers = []
    for name, value in error.headers.items():
        if not any(char in "\r\n\0" for char in name + value):
            lines.append((name.lower().encode("latin-1", "replace"), value.encode("latin-1", "replace")))
    return lines


def to_asgi(error: APIError, scope: Scope) -> Rendered:  # noqa: ARG001 - a Renderer may choose by path, this one does not
    """The kit's envelope: `(status, headers, body)` of `error.json()`."""
    return _with_headers(error, error.json(), b"application/json")


def to_problem(error: APIError, scope: Scope) -> Rendered:  # noqa: ARG001 - see to_asgi
    """The same error as RFC 9457 `application/problem+json`."""
    return _with_headers(error, error.problem_json(), b"application/problem+json")


def _with_headers(error: APIError, body: bytes, content_type: bytes) -> Rendered:
    headers: Headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]
    return error.status, headers + header_lines(error), body


async def answer(send: Send, error: APIError, scope: Scope, render: Renderer = to_asgi) -> None:
    """Send `error` as the whole answer. Nothing may have been sent before."""
    status, headers, body = render(error, scope)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class ErrorResponse:
    """An error as an ASGI application that answers it: what a framework's exception handler may return."""

    def __init__(self, error: APIError, render: Renderer = to_asgi) -> None:
        self.error = error
        self.status_code = error.status
        self._render = render

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        """Answer."""
        await answer(send, self.error, scope, self._render)


def exception_handlers(render: Renderer = to_asgi) -> dict[Any, Callable[[Any, Any], Awaitable[Any]]]:
    """For `Starlette(exception_handlers=…)` and `FastAPI(exception_handlers=…)`, without importing either.

    A framework answers what its handlers raise before any middleware outside sees it. With these, an `APIError` is
    answered as it says, and anything else as a plain 500 (it goes on to `httpware.Recover`, which logs it).
    """

    async def api_error(request: Any, error: APIError) -> ErrorResponse:  # noqa: ARG001 - the frameworks' signature
        return ErrorResponse(error, render)

    async def panic(request: Any, error: Exception) -> ErrorResponse:  # noqa: ARG001 - the frameworks' signature
        return ErrorResponse(Internal(), render)

    return {APIError: api_error, Exception: panic}
