"""Recover: an exception becomes an answer, and the process lives on."""

from __future__ import annotations

import logging
from contextlib import suppress

from identry_kit import context
from identry_kit.apierror import APIError, ASGIApp, Internal, Receive, Renderer, Scope, Send, to_asgi
from identry_kit.httpware.exchange import Exchange


class Recover:
    """Answer an `APIError` as it says; anything else is logged as `panic recovered` with its stack, and is a 500.

    When the answer has already begun it cannot be replaced: the error is logged and the answer left incomplete, on
    which the server closes the connection. Cancellation passes.
    """

    def __init__(self, app: ASGIApp, *, logger: logging.Logger | None = None, on_error: Renderer = to_asgi) -> None:
        self.app = app
        self._logger = logger or logging.getLogger("identry_kit.recover")
        self._render = on_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection; `lifespan` errors belong to the server."""
        kind = scope["type"]
        if kind == "http":
            exchange = Exchange.of(send)
            try:
                await self.app(scope, receive, exchange.send)
            except Exception as error:  # the last resort: nothing may end the process
                await self.recover(error, scope, exchange)
        elif kind == "websocket":
            try:
                await self.app(scope, receive, send)
            except Exception as error:  # as above
                self._log(error)
                with suppress(Exception):  # it may be closed already
                    await send({"type": "websocket.close", "code": 1011})
        else:
            await self.app(scope, receive, send)

    async def recover(self, error: Exception, scope: Scope, exchange: Exchange) -> None:
        """Log `error` as it deserves and answer it, if nothing was answered."""
        if not isinstance(error, APIError):
            self._log(error)
            error = Internal()
        elif error.status >= 500 or exchange.started:
            self._logger.error("request failed: %s", error, extra={"request_id": context.request_id()})
        if not exchange.started:
            await exchange.answer(error, scope, self._render)

    def _log(self, error: Exception) -> None:
        self._logger.error("panic recovered: %r", error, exc_info=error, extra={"request_id": context.request_id()})
