"""An error as an ASGI answer, and the five names of the ASGI 3 interface (https://asgi.readthedocs.io).

A `Renderer` turns an error into status, headers and body. Each surface may bring its own; `to_asgi` is the kit's: its
envelope, or RFC 9457 when the request asks for it. `to_envelope` and `to_problem` do not ask.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from identry_kit import context
from identry_kit.apierror.kinds import APIError, Internal

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

Headers: TypeAlias = list[tuple[bytes, bytes]]
Rendered: TypeAlias = tuple[int, Headers, bytes]
Renderer: TypeAlias = Callable[[APIError, Scope], Rendered]

_NO_WEIGHT = re.compile(rb"q=0(?:\.0*)?").fullmatch
_log = logging.getLogger("identry_kit.apierror")


def header_lines(error: APIError) -> Headers:
    """The error's own headers (`Retry-After` …) as ASGI wants them; a value with a line break is left out."""
    lines: Headers = []
    for name, value in error.headers.items():
        if not any(char in "\r\n\0" for char in name + value):
            lines.append((name.lower().encode("latin-1", "replace"), value.encode("latin-1", "replace")))
    return lines


def to_asgi(error: APIError, scope: Scope) -> Rendered:
    """What the kit answers by itself: `to_problem` when the request's `Accept` names it, else `to_envelope`."""
    return to_problem(error, scope) if wants_problem(scope) else to_envelope(error, scope)


def to_envelope(error: APIError, scope: Scope) -> Rendered:  # noqa: ARG001 - a Renderer may choose by path, this one does not
    """The kit's envelope: `(status, headers, body)` of `error.json()`."""
    return _with_headers(error, error.json(), b"application/json")


def to_problem(error: APIError, scope: Scope) -> Rendered:  # noqa: ARG001 - see to_envelope
    """The same error as RFC 9457 `application/problem+json`."""
    return _with_headers(error, error.problem_json(), b"application/problem+json")


def wants_problem(scope: Scope) -> bool:
    """Whether the request's `Accept` names `application/problem+json` (RFC 9110 §12.5.1), not with a weight of zero.

    Wildcards do not ask for it: a client that says nothing gets the envelope.
    """
    for name, value in scope.get("headers", ()):
        if name == b"accept" and b"problem+json" in value.lower():
            for choice in value.lower().split(b","):
                kind, *parameters = (part.strip() for part in choice.split(b";"))
                if kind == b"application/problem+json":
                    return not any(_NO_WEIGHT(parameter) for parameter in parameters)
    return False


def _with_headers(error: APIError, body: bytes, content_type: bytes) -> Rendered:
    headers: Headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]
    return error.status, headers + header_lines(error), body


async def answer(send: Send, error: APIError, scope: Scope, render: Renderer = to_asgi) -> None:
    """Send `error` as the whole answer. Nothing may have been sent before."""
    status, headers, body = render(error, scope)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class ErrorResponse:
    """An error as an ASGI application that answers it: what a framework's exception handler may return.

    A WebSocket is closed with 1008 (RFC 6455 §7.4.1: policy), or 1011 at 5xx; servers make that a 403 before it is
    accepted.
    """

    def __init__(self, error: APIError, render: Renderer = to_asgi) -> None:
        self.error = error
        self.status_code = error.status
        self._render = render

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        """Answer."""
        if scope["type"] == "websocket":
            code = 1008 if self.error.status < 500 else 1011
            await send({"type": "websocket.close", "code": code, "reason": self.error.public_message[:120]})
        else:
            await answer(send, self.error, scope, self._render)


def log_server_error(error: APIError) -> None:
    """Tell the log what a 5xx does not tell the client: `request failed: <message>`, with the request id."""
    if error.status >= 500:
        _log.error("request failed: %s", error, extra={"request_id": context.request_id()})


def exception_handlers(render: Renderer = to_asgi) -> dict[Any, Callable[[Any, Any], Awaitable[Any]]]:
    """For `Starlette(exception_handlers=…)` and `FastAPI(exception_handlers=…)`, without importing either.

    A framework answers what its handlers raise before any middleware outside sees it. With these, an `APIError` is
    answered as it says (5xx are logged), and anything else as a plain 500 (it goes on to `httpware.Recover`, which logs
    it). The frameworks' own errors (404, 405, validation) are the business of `apierror.starlette` and
    `apierror.fastapi`.
    """

    async def api_error(request: Any, error: APIError) -> ErrorResponse:  # noqa: ARG001 - the frameworks' signature
        log_server_error(error)
        return ErrorResponse(error, render)

    async def panic(request: Any, error: Exception) -> ErrorResponse:  # noqa: ARG001 - the frameworks' signature
        return ErrorResponse(Internal(), render)

    return {APIError: api_error, Exception: panic}
