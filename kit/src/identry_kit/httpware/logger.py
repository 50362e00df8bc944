"""Logger: one line per request, after its answer."""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import perf_counter
from typing import Any, TypeAlias

from identry_kit import context
from identry_kit.apierror import ASGIApp, Receive, Scope, Send
from identry_kit.httpware.exchange import Exchange

Sink: TypeAlias = Callable[[dict[str, Any]], None]
"""Takes the fields of one line. It runs on the event loop after the answer was sent: it must not block or raise."""

EVENT = "request completed"
_MAX_PATH = 1024


def safe_path(path: str) -> str:
    """`path` fit for a log: control characters escaped, no longer than 1024 characters."""
    if len(path) > _MAX_PATH:
        path = path[:_MAX_PATH] + "…"
    return path if path.isprintable() else path.encode("unicode_escape", "backslashreplace").decode("ascii")


class Logger:
    """Write `request completed` with `request_id, method, path, status, duration_ms, tenant_id` (and more, below).

    `user_id` and `route` follow when known, then what handlers gave to `context.annotate`. `status` is 200 when the
    handler answered nothing, 500 when an error escaped. The query string is never written: it may carry secrets.

    `sink` takes the fields as a dictionary (with `event` first); without one they go to `logger` at INFO as `extra`.
    `logger` is also the base of `context.logger()` inside.
    """

    def __init__(self, app: ASGIApp, *, logger: logging.Logger | None = None, sink: Sink | None = None) -> None:
        self.app = app
        self.logger = logger or logging.getLogger("identry_kit.request")
        self._sink = sink

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection; `http` gets its line."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start = perf_counter()
        exchange = Exchange.of(send)
        record = context.of(scope)
        token = None
        if record is None:
            record = scope[context.SCOPE] = context.RequestInScope(method=scope["method"], path=scope["path"])
            token = context.begin(record)
        record.logger = self.logger
        escaped = True
        try:
            await self.app(scope, receive, exchange.send)
            escaped = False
        finally:
            if token is not None:
                context.end(token)
            self.write(record, scope, exchange.status or (500 if escaped else 200), start)

    def write(self, record: context.Request, scope: Scope, status: int, start: float) -> None:
        """Write the line of a request that began at `start`, by `perf_counter`."""
        sink = self._sink
        if sink is None and not self.logger.isEnabledFor(logging.INFO):
            return
        caller = record.caller
        fields: dict[str, Any] = {
            "event": EVENT,
            "request_id": record.request_id,
            "method": scope["method"],
            "path": safe_path(record.path or scope["path"]),  # as it came: a router that mounts may change the scope
            "status": status,
            "duration_ms": int((perf_counter() - start) * 1e6) / 1000,
            "tenant_id": "" if caller.tenant_id is None else str(caller.tenant_id),
        }
        if caller.user_id is not None:
            fields["user_id"] = str(caller.user_id)
        if record.route:
            fields["route"] = record.route
        if record.has_fields:
            fields.update(record.fields)
        if sink is not None:
            sink(fields)
        else:
            _to_stdlib(self.logger, fields)


def _to_stdlib(logger: logging.Logger, fields: dict[str, Any]) -> None:
    """`fields` as attributes of a LogRecord; the few names that a LogRecord keeps for itself get a trailing
    underscore.
    """
    del fields["event"]
    extra = {f"{name}_" if name in _RESERVED else name: value for name, value in fields.items()}
    logger.info(EVENT, extra=extra)


_RESERVED = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
