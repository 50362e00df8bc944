"""A limit of time for what waits on an engine, that is not fooled by this process standing still.

After a stall (a suspended machine, a long collection, a starved container) an event loop sees its timers before what
lies in its sockets. A deadline that comes late therefore does not count yet: it is put off by as much as it was late,
half a second at most, and then by a few turns of the loop, in which what has arrived is read. Only an answer that is
not there even then is late. A budget of time that several waits share is not charged with stalls either (`Stalls`).
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

_MOST = 0.5
_LOOK = 0.25
_STALL = 0.1
"""Seconds: a loop that is later than this was held up; of each stall up to `_LOOK` goes unnoticed."""
_TURNS = 8
"""Between an answer in the socket and the task that waits for it lie a reader, futures and their call-backs."""


class Within:
    """`with Within(seconds):` raises TimeoutError in the task that is in the block, like `asyncio.timeout`.

    For one use, inside a task. A cancellation by somebody else stays one.
    """

    __slots__ = ("_cancelling", "_due", "_expired", "_handle", "_loop", "_seconds", "_task", "_turns")

    def __init__(self, seconds: float) -> None:
        self._seconds = max(seconds, 0.0)

    def __enter__(self) -> Self:
        self._loop = loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        assert task is not None, "time is limited for a task"
        self._task = task
        self._cancelling = task.cancelling()
        self._expired = False
        self._due = loop.time() + self._seconds
        self._handle: asyncio.Handle = loop.call_later(self._seconds, self._rang)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._handle.cancel()
        # As `asyncio.timeout`: who was cancelled by somebody else as well stays cancelled.
        if self._expired and self._task.uncancel() <= self._cancelling and isinstance(error, asyncio.CancelledError):
            raise TimeoutError from error

    def _rang(self) -> None:
        self._turns = _TURNS
        late = self._loop.time() - self._due
        self._handle = self._loop.call_later(min(max(late, 0.0), _MOST), self._turn)

    def _turn(self) -> None:
        if self._turns:
            self._turns -= 1
            self._handle = self._loop.call_soon(self._turn)
        else:
            self._expired = True
            self._task.cancel()


class Stalls:
    """How long an event loop has stood still so far, as far as it could notice.

    It looks four times a second, before anything that a stall has kept waiting goes on.

    Attributes:
        seconds: the sum of all stalls.
    """

    __slots__ = ("_due", "_handle", "_loop", "seconds")

    def __init__(self) -> None:
        self.seconds = 0.0
        self._handle: asyncio.Handle | None = None

    def watch(self) -> None:
        """Look at the running loop from now on."""
        self.rest()
        self._loop = asyncio.get_running_loop()
        self._again()

    def rest(self) -> None:
        """Look no more."""
        if self._handle is not None:
            self._handle.cancel()

    def _again(self) -> None:
        self._due = self._loop.time() + _LOOK
        self._handle = self._loop.call_later(_LOOK, self._look)

    def _look(self) -> None:
        late = self._loop.time() - self._due
        if late > _STALL:
            self.seconds += late
        self._again()
