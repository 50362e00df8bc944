"""The layers in the order that works, and the same behaviour in one step where it is measured."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from time import perf_counter
from typing import Protocol

from identry_kit import context
from identry_kit.apierror import APIError, ASGIApp, Receive, Renderer, Scope, Send, to_asgi
from identry_kit.httpware.bodylimit import HTTP1, BodyLimit, declared_length
from identry_kit.httpware.exchange import Exchange, Lines
from identry_kit.httpware.headers import SECURITY_HEADERS, SecurityHeaders
from identry_kit.httpware.identity import NAMES, RequestID, new_request_id, request_id_of
from identry_kit.httpware.logger import Logger, Sink
from identry_kit.httpware.recover import Recover
from identry_kit.httpware.timeout import Timeout

_new = object.__new__
_TOLD = NAMES | {b"content-length", b"transfer-encoding"}
"""The headers of a request that the stack reads; most requests have none of them."""


def standard_stack(
    app: ASGIApp,
    *,
    logger: logging.Logger | None = None,
    sink: Sink | None = None,
    headers: Mapping[str, str] = SECURITY_HEADERS,
    max_body: int = 1 << 20,
    timeout: float = 30.0,
    on_error: Renderer = to_asgi,
    lines: Callable[[Scope], Lines] | None = None,
) -> ASGIApp:
    """`app` inside RequestID → Logger → SecurityHeaders → BodyLimit → Recover → Timeout.

    `max_body` in bytes, `timeout` in seconds; `on_error` writes the answers of the layers (413, 500, 504 and any
    `APIError` that reaches Recover). `logger` and `sink` as in `Logger`. `lines` gives headers that every answer to a
    request has besides its own (CORS, say).
    """
    return _Stack(
        Timeout(app, timeout, logger=logger, on_error=on_error),
        Recover(app, logger=logger, on_error=on_error),
        BodyLimit(app, max_body, on_error=on_error),
        SecurityHeaders(app, headers),
        Logger(app, logger=logger, sink=sink),
        lines,
    )


class Checkpoint(Protocol):
    """A layer that lets a request pass or refuses it, and has no other part in it: `JWTAuth`, `RateLimiter`.

    Its class says `checkpoint = True` for itself; a subclass does not inherit that, because it may do more.
    """

    @property
    def app(self) -> ASGIApp:
        """What is inside."""

    def check(self, scope: Scope) -> Awaitable[object] | None:
        """None when an `http` request may pass, or what to await before it may. Either raises APIError."""

    async def refuse(self, scope: Scope, send: Send, error: APIError) -> None:
        """Answer what `check` raised."""


class _Stack:
    """What the six layers do one inside the other, done by one frame.

    Nested coroutines cost more than all that they do. The layers' own methods are called here, in the layers' order;
    one test suite runs on both forms. Checkpoints that follow are asked in the same frame. A request that declares too
    large a body takes its limit and all that is inside nested; anything but HTTP takes everything nested.

    One object is made for each request, the exchange, which is its record, too. It is made by `__new__` and `__init__`
    apart: until Python 3.13 a class that is called goes through C and back, which costs more than its `__init__`.
    """

    def __init__(
        self,
        timeout: Timeout,
        recover: Recover,
        body: BodyLimit,
        headers: SecurityHeaders,
        logger: Logger,
        more: Callable[[Scope], Lines] | None,
    ) -> None:
        self.app = timeout.app
        self._timeout = timeout
        self._recover = recover
        self._logger = logger
        self._lines = headers.lines
        self._names = headers.names | NAMES
        recover.app = timeout
        body.app = recover
        headers.app = body
        logger.app = headers
        self._body = body
        self._more = more
        self._nested = RequestID(logger)
        self._checkpoints, self._inner = _checkpoints(self.app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._nested(scope, receive, send)
            return
        start = perf_counter()
        declared = 0
        for name, _ in scope["headers"]:
            if name in _TOLD:
                request_id, declared = request_id_of(scope), declared_length(scope)
                break
        else:
            request_id = new_request_id() if context.SCOPE not in scope else request_id_of(scope)
            if scope.get("http_version", "1.1") not in HTTP1:
                declared = -1
        own: Lines = ((b"x-request-id", request_id.encode()),)
        if self._more is not None:
            own += self._more(scope)
        exchange = _new(Exchange)
        method, path, logger = scope["method"], scope["path"], self._logger.logger
        Exchange.__init__(exchange, send, self._lines, self._names, own, request_id, method, path, logger)
        scope[context.SCOPE] = exchange
        alarm = self._timeout.begin(exchange, start)
        token = context.begin(exchange)
        body, struck, escaped = None, False, True
        try:
            try:
                try:
                    if declared > self._body.limit:
                        await self._body(scope, receive, exchange.send)
                    else:
                        if declared:
                            receive = body = self._body.begin(scope, receive, exchange, declared)
                        for checkpoint in self._checkpoints:
                            try:
                                if (waiting := checkpoint.check(scope)) is not None:
                                    await waiting
                            except APIError as refusal:
                                await checkpoint.refuse(scope, exchange.send, refusal)
                                break
                        else:
                            await self._inner(scope, receive, exchange.send)
                finally:
                    struck = alarm.end(exchange)
            except asyncio.CancelledError:
                if not struck:
                    raise
            except Exception as error:  # the last resort: nothing may end the process
                await self._recover.recover(error, scope, exchange)
            if struck:
                await self._timeout.expire(scope, exchange)
            if body is not None and body.error is not None:
                await body.settle()
            escaped = False
        finally:
            context.end(token)
            self._logger.write(exchange, scope, exchange.status or (500 if escaped else 200), start)


def _checkpoints(app: ASGIApp) -> tuple[list[Checkpoint], ASGIApp]:
    """The checkpoints that `app` begins with, and what is inside them."""
    found = []
    while vars(type(app)).get("checkpoint") is True:
        layer: Checkpoint = app  # type: ignore[assignment]  # its class says so
        found.append(layer)
        app = layer.app
    return found, app
