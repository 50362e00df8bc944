"""The layers in the order that works, and the same behaviour in one step where it is measured."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from time import perf_counter

from identry_kit import context
from identry_kit.apierror import ASGIApp, Receive, Renderer, Scope, Send, to_asgi
from identry_kit.httpware.bodylimit import BodyLimit, declared_length
from identry_kit.httpware.exchange import Exchange
from identry_kit.httpware.headers import SECURITY_HEADERS, SecurityHeaders
from identry_kit.httpware.identity import NAMES, RequestID, open_record
from identry_kit.httpware.logger import Logger, Sink
from identry_kit.httpware.recover import Recover
from identry_kit.httpware.timeout import Timeout


def standard_stack(
    app: ASGIApp,
    *,
    logger: logging.Logger | None = None,
    sink: Sink | None = None,
    headers: Mapping[str, str] = SECURITY_HEADERS,
    max_body: int = 1 << 20,
    timeout: float = 30.0,
    on_error: Renderer = to_asgi,
) -> ASGIApp:
    """`app` inside RequestID → Logger → SecurityHeaders → BodyLimit → Recover → Timeout.

    `max_body` in bytes, `timeout` in seconds; `on_error` writes the answers of the layers (413, 500, 504 and any
    `APIError` that reaches Recover). `logger` and `sink` as in `Logger`.
    """
    return _Stack(
        Timeout(app, timeout, logger=logger, on_error=on_error),
        Recover(app, logger=logger, on_error=on_error),
        BodyLimit(app, max_body, on_error=on_error),
        SecurityHeaders(app, headers),
        Logger(app, logger=logger, sink=sink),
    )


class _Stack:
    """What the six layers do one inside the other, done by one frame for a request without a body.

    Six nested coroutines cost more than all that they do. The layers' own methods are called here, in the layers'
    order; one test suite runs on both forms. A request with a body takes its limit, Recover and Timeout nested;
    anything but HTTP takes all of them nested.
    """

    def __init__(
        self, timeout: Timeout, recover: Recover, body: BodyLimit, headers: SecurityHeaders, logger: Logger
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
        self._with_body = body
        self._nested = RequestID(logger)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._nested(scope, receive, send)
            return
        start = perf_counter()
        record = open_record(scope)
        record.logger = self._logger.logger
        exchange = Exchange(send, self._lines, self._names, ((b"x-request-id", record.request_id.encode()),))
        token = context.begin(record)
        escaped = True
        try:
            if declared_length(scope):
                await self._with_body(scope, receive, exchange)
            else:
                await self._without_body(scope, receive, exchange)
            escaped = False
        finally:
            context.end(token)
            self._logger.write(record, scope, exchange.status or (500 if escaped else 200), perf_counter() - start)

    async def _without_body(self, scope: Scope, receive: Receive, exchange: Exchange) -> None:
        """Recover and Timeout, as in their own classes."""
        try:
            deadline = self._timeout.begin(scope)
            try:
                await self.app(scope, receive, exchange)
            except asyncio.CancelledError:
                if not deadline.end():
                    raise
            finally:
                deadline.end()
            if deadline.struck:
                await self._timeout.expire(scope, exchange)
        except Exception as error:  # the last resort: nothing may end the process
            await self._recover.recover(error, scope, exchange)
