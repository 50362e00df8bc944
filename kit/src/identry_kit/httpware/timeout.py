"""Timeout: one deadline for everything inside a request.

`asyncio.timeout` sets and cancels one timer per request. Nearly all requests end long before their deadline, so here
the deadlines of one Timeout share one timer: beginning and ending a request is a dictionary insert and delete.
"""

from __future__ import annotations

import asyncio
import logging
from asyncio import current_task, get_running_loop
from math import inf
from time import perf_counter

from identry_kit import context
from identry_kit.apierror import ASGIApp, GatewayTimeout, Receive, Renderer, Scope, Send, to_asgi
from identry_kit.httpware.exchange import Exchange

_KEY = "identry_kit.deadline"


class Timeout:
    """Cancel what runs inside after `seconds`: 504 if the answer has not begun, else the connection is closed.

    A nested Timeout replaces the deadline of the outer one, longer or shorter, even if that one has already passed,
    until the request ends; the outer one gives the answer.
    """

    def __init__(
        self, app: ASGIApp, seconds: float, *, logger: logging.Logger | None = None, on_error: Renderer = to_asgi
    ) -> None:
        if not 0 <= seconds < inf:
            msg = "a timeout is a number of seconds, 0 or more"
            raise ValueError(msg)
        self.app = app
        self._seconds = seconds
        self._logger = logger or logging.getLogger("identry_kit.timeout")
        self._render = on_error
        self._alarm: Alarm | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection; only `http` has a deadline."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        record = scope.get(context.SCOPE)
        exchange: Exchange | None = record if isinstance(record, Exchange) and record.alarm else scope.get(_KEY)
        if exchange is None:
            exchange = Exchange.of(send)
        if exchange.alarm is not None:
            exchange.alarm.move(exchange, self._seconds)
            await self.app(scope, receive, send)
            return
        scope[_KEY] = exchange
        alarm = self.begin(exchange, perf_counter())
        struck = False
        try:
            try:
                await self.app(scope, receive, exchange.send)
            finally:
                struck = alarm.end(exchange)
        except asyncio.CancelledError:
            if not struck:
                raise
        if struck:
            await self.expire(scope, exchange)

    def begin(self, exchange: Exchange, now: float) -> Alarm:
        """Start the deadline of `exchange`, which the current task serves; `end` it in any case.

        `now` is by `perf_counter`, which tells the time after a loop that stood still, too.
        """
        loop = get_running_loop()
        alarm = self._alarm
        if alarm is None or alarm.loop is not loop:
            alarm = self._alarm = Alarm(loop)
        task = current_task(loop)
        assert task is not None, "an ASGI application runs in a task"
        when = now + self._seconds
        alarm.active[exchange] = (task, task.cancelling(), when)
        exchange.alarm = alarm
        if when < alarm.rings_at:
            alarm.set(when)
        return alarm

    async def expire(self, scope: Scope, exchange: Exchange) -> None:
        """Answer 504 if nothing was answered; a begun answer stays incomplete."""
        if not exchange.started:
            await exchange.answer(GatewayTimeout(), scope, self._render)
        elif not exchange.complete:
            message = "request timed out in the middle of its answer"
            self._logger.warning(message, extra={"request_id": context.request_id()})


class Alarm:
    """The deadlines of one Timeout on its event loop, and the timer that rings at the earliest of them (or earlier, for
    nothing).

    `active` has the task that serves a request, how often its cancellation was asked for before, and when to do so;
    `struck` has the same of those whose time has come. The bookkeeping is that of `asyncio.timeouts.Timeout`, which
    explains the `uncancel`.
    """

    __slots__ = ("_handle", "active", "loop", "rings_at", "struck")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.active: dict[Exchange, tuple[asyncio.Task[object], int, float]] = {}
        self.struck: dict[Exchange, tuple[asyncio.Task[object], int, float]] = {}
        self.rings_at = inf
        self._handle: asyncio.TimerHandle | None = None

    def end(self, exchange: Exchange) -> bool:
        """Stop. True when the deadline had struck, and nobody else has cancelled the task."""
        if self.active.pop(exchange, None) is not None:
            return False
        task, cancelling, _ = self.struck.pop(exchange)
        return task.uncancel() <= cancelling

    def move(self, exchange: Exchange, seconds: float) -> None:
        """A new deadline, `seconds` from now; one that has passed is forgiven."""
        found = self.active.pop(exchange, None)
        if found is None:
            found = self.struck.pop(exchange, None)
            if found is None:
                return  # the request has ended, and left a task behind
            found[0].uncancel()
        task, cancelling, _ = found
        when = perf_counter() + seconds
        self.active[exchange] = (task, cancelling, when)
        if when < self.rings_at:
            self.set(when)

    def set(self, when: float) -> None:
        """Ring at `when`, or a little earlier: the loop counts in milliseconds of its own."""
        if self._handle is not None:
            self._handle.cancel()
        self.rings_at = when
        self._handle = self.loop.call_later(max(0.0, when - perf_counter()), self._ring)

    def _ring(self) -> None:
        self._handle, self.rings_at = None, inf
        now = perf_counter()
        nearest = inf
        for exchange, (task, _, when) in list(self.active.items()):
            if when <= now:
                self.struck[exchange] = self.active.pop(exchange)
                task.cancel()
            elif when < nearest:
                nearest = when
        if nearest < inf:
            self.set(nearest)
