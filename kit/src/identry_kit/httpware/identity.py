"""RequestID: every request has an id that the caller, the log and the answer share."""

from __future__ import annotations

import os
import re
from uuid import UUID

from identry_kit import context
from identry_kit.apierror import ASGIApp, Receive, Scope, Send
from identry_kit.httpware.exchange import Exchange

_ACCEPTED = re.compile(rb"[A-Za-z0-9._:-]{1,128}").fullmatch
NAMES = frozenset({b"x-request-id"})
_BATCH = 64
_next: list[str] = []
"""The next ids, made many at a time. A forked child must not use its parent's."""
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_next.clear)


def new_request_id() -> str:
    """A UUIDv4 as text; `str(uuid.uuid4())` would cost several times as much, on every request.

    An id tells requests apart, it guards nothing: the 64 of a batch differ in their last 48 random bits only.
    """
    while True:
        try:
            return _next.pop()
        except IndexError:  # not asked beforehand: another thread may take the last one
            _next.extend(_batch())


def _batch() -> list[str]:
    start = str(UUID(bytes=os.urandom(16), version=4))[:24]
    return [start + tail for tail in os.urandom(6 * _BATCH).hex(" ", 6).split()]


def request_id_of(scope: Scope) -> str:
    """The id that the request brings, if it is a decent one, or that which a stack around this one gave it, or a new
    one.
    """
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _ACCEPTED(value):
            return str(value, "ascii")
    outer: context.Request | None = scope.get(context.SCOPE)
    return outer.request_id if outer is not None and outer.request_id else new_request_id()


class RequestID:
    """Take `X-Request-ID` if it is `[A-Za-z0-9._:-]{1,128}`, else make a UUIDv4; keep it in context; echo it on every
    answer.

    Anything else in that header (line breaks, quotes, kilobytes) is replaced, so that it cannot forge log lines.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection; only `http` and `websocket` have an id."""
        kind = scope["type"]
        if kind == "lifespan":
            await self.app(scope, receive, send)
            return
        method, path = scope.get("method", ""), scope["path"]
        record = scope[context.SCOPE] = context.RequestInScope(request_id_of(scope), method=method, path=path)
        token = context.begin(record)
        try:
            if kind == "http":
                exchange = Exchange.of(send)
                exchange.add_defaults(((b"x-request-id", record.request_id.encode()),), NAMES)
                send = exchange.send
            await self.app(scope, receive, send)
        finally:
            context.end(token)
