"""Timeout: one deadline for everything inside a request.

`asyncio.timeout` sets and cancels one timer per request. Nearly all requests end long before their deadline, so here
the deadlines of one Timeout share one timer: beginning and ending a request is a dictionary insert and delete.
"""

from __future__ import annotations

import asyncio
import logging
from math import inf

from identry_kit import context
from identry_kit.apierror import ASGIApp, GatewayTimeout, Receive, Renderer, Scope, Send, to_asgi
from identry_kit.httpware.exchange import Exchange

_KEY = "identry_kit.deadline"
_new = object.__new__


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
        self._alarm: _Alarm | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection; only `http` has a deadline."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        outer: Deadline | None = scope.get(_KEY)
        if outer is not None:
            outer.move(self._seconds)
            await self.app(scope, receive, send)
            return
        exchange = Exchange.of(send)
        deadline = self.begin(scope)
        try:
            await self.app(scope, receive, exchange.send)
        except asyncio.CancelledError:
            if not deadline.end():
                raise
        finally:
            deadline.end()
        if deadline.struck:
            await self.expire(scope, exchange)

    def begin(self, scope: Scope) -> Deadline:
        """Start the deadline of the request that the current task serves; `end` it in any case."""
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        assert task is not None, "an ASGI application runs in a task"
        alarm = self._alarm
        if alarm is None or alarm.loop is not loop:
            alarm = self._alarm = _Alarm(loop)
        deadline = scope[_KEY] = _new(Deadline)  # see `_Stack`: a class that is called costs more
        Deadline.__init__(deadline, task, alarm, loop.time() + self._seconds)
        alarm.active[deadline] = None
        if deadline.when < alarm.rings_at:
            alarm.set(deadline.when)
        return deadline

    async def expire(self, scope: Scope, exchange: Exchange) -> None:
        """Answer 504 if nothing was answered; a begun answer stays incomplete."""
        if not exchange.started:
            await exchange.answer(GatewayTimeout(), scope, self._render)
        elif not exchange.complete:
            message = "request timed out in the middle of its answer"
            self._logger.warning(message, extra={"request_id": context.request_id()})


class Deadline:
    """When to cancel a task. The bookkeeping of `asyncio.timeouts.Timeout`, which explains the `uncancel`."""

    __slots__ = ("_alarm", "_cancelling", "_task", "expired", "struck", "when")

    def __init__(self, task: asyncio.Task[object], alarm: _Alarm, when: float) -> None:
        self._task = task
        self._alarm = alarm
        self._cancelling = task.cancelling()
        self.when = when
        self.expired = False
        self.struck = False

    def strike(self) -> None:
        """The time has come."""
        self.expired = True
        self._task.cancel()

    def move(self, seconds: float) -> None:
        """A new deadline, `seconds` from now; one that has passed is forgiven."""
        alarm = self._alarm
        if self.expired:
            self.expired = False
            self._task.uncancel()
        self.when = alarm.loop.time() + seconds
        alarm.active[self] = None
        if self.when < alarm.rings_at:
            alarm.set(self.when)

    def end(self) -> bool:
        """Stop. True when the cancellation being handled was this deadline's alone. A second call changes nothing."""
        self._alarm.active.pop(self, None)
        if self.expired:
            self.expired = False
            self.struck = self._task.uncancel() <= self._cancelling
            return self.struck
        return False


class _Alarm:
    """The deadlines of one Timeout on its event loop (`active`), and the timer that rings at the earliest of them (or
    earlier, for nothing).
    """

    __slots__ = ("_handle", "active", "loop", "rings_at")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.active: dict[Deadline, None] = {}
        self.rings_at = inf
        self._handle: asyncio.TimerHandle | None = None

    def set(self, when: float) -> None:
        """Ring at `when`, by the loop's clock."""
        if self._handle is not None:
            self._handle.cancel()
        self.rings_at = when
        self._handle = self.loop.call_at(when, self._ring)

    def _ring(self) -> None:
        self._handle, self.rings_at = None, inf
        now = self.loop.time()
        nearest = inf
        for deadline in list(self.active):
            if deadline.when <= now:
                del self.active[deadline]
                deadline.strike()
            elif deadline.when < nearest:
                nearest = deadline.when
        if nearest < inf:
            self.set(nearest)
