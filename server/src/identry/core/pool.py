"""Connections to one PostgreSQL: the one used last is taken first, who waits is served in the order of arrival.

Taking and giving back an idle connection awaits nothing. New connections are made in the background, so that a waiter
gets whichever comes first: a fresh connection or one that another request gives back. An attempt that fails while no
connection is left fails everybody who waits, at once: nobody could serve them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from identry.core.tasks import apart
from identry.core.within import Stalls, Within

_REST = 60.0
"""Seconds after which connections that nobody needed are closed."""
_FAREWELL = 0.5
"""Seconds for taking leave of a connection: cancelling what still runs on it, closing it politely."""
_CROWD = 64
"""How many may wait for each connection; whoever comes then is refused at once, so that a queue cannot eat memory."""


class PoolClosed(ConnectionError):
    """The pool is closed or being closed."""


class PoolCrowded(ConnectionError):
    """Too many wait already."""


class PoolStats:
    """What the metrics read: waits for a connection and how long they took."""

    __slots__ = ("timeouts", "waited_seconds", "waits")

    def __init__(self) -> None:
        self.waits = 0
        self.waited_seconds = 0.0
        self.timeouts = 0


class Pool:
    """At most `max_size` connections, at least `min_size` once opened.

    Args:
        connect: makes one connection (asyncpg's: `is_closed`, `close`, `terminate`); bounded in time.
        min_size: so many are kept when nobody needs them.
        max_size: so many there are at most, those being opened or closed included.
    """

    def __init__(self, connect: Callable[[], Awaitable[Any]], *, min_size: int, max_size: int) -> None:
        self._connect = connect
        self._min_size = min(min_size, max_size)
        self._max_size = max_size
        self._idle: list[Any] = []
        self._all: set[Any] = set()
        self._waiters: deque[asyncio.Future[Any]] = deque()
        self._waiting = 0
        self._opening = 0
        self._leaving = 0
        self._unneeded = 0  # how many of the idle ones nobody has needed since the last rest
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._changed = asyncio.Event()
        self.stats = PoolStats()
        self.stalls = Stalls()

    @property
    def size(self) -> tuple[int, int]:
        """Connections (open, idle)."""
        return len(self._all), len(self._idle)

    async def open(self) -> None:
        """Make the first connection; the rest of `min_size` follows in the background.

        Raises:
            Exception: whatever `connect` raised. The pool may be used all the same: it tries again when asked.
        """
        self._closed = False
        self.stalls.watch()
        self._timer = asyncio.get_running_loop().call_later(_REST, self._rest)
        connection = await self._connect()
        self._closed = False
        self._all.add(connection)
        self.give(connection)
        for _ in range(self._min_size - 1):
            self._grow()

    def take(self) -> Any | None:
        """The idle connection that was used last; None when there is none."""
        idle = self._idle
        while idle:
            connection = idle.pop()
            self._unneeded = min(self._unneeded, len(idle))
            if not connection.is_closed():
                return connection
            self._forget(connection)
        return None

    async def wait(self, until: float) -> Any:
        """Queue for a connection.

        Args:
            until: the instant, by the loop's clock, at which to give up.

        Raises:
            TimeoutError: none came free in time.
            PoolClosed, PoolCrowded: there is no use in waiting.
            Exception: PostgreSQL cannot be reached: what `connect` raised.
        """
        if self._closed:
            raise PoolClosed
        if self._waiting >= self._max_size * _CROWD:
            raise PoolCrowded
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Any] = loop.create_future()
        self._waiters.append(waiter)
        self._waiting += 1
        self.stats.waits += 1
        if self._opening < self._waiting:
            self._grow()
        started = loop.time()
        try:
            with Within(until - started):
                return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self.give(waiter.result())
            raise
        except TimeoutError:
            if not waiter.cancelled():
                return waiter.result()  # it came at the last moment; or TimeoutError is what `connect` raised
            self.stats.timeouts += 1
            raise TimeoutError("no free connection") from None
        finally:
            self._waiting -= 1
            self.stats.waited_seconds += loop.time() - started

    def give(self, connection: Any) -> None:
        """Put a connection back: to the first who waits, else onto the stack."""
        if self._closed:
            self.discard(connection)
            return
        if connection.is_closed():
            self._forget(connection)
            return
        waiters = self._waiters
        while waiters:
            waiter = waiters.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        self._idle.append(connection)

    def discard(self, connection: Any) -> None:
        """Close a connection whose state is unknown; its place is free when it is gone."""
        self._leaving += 1
        self._start(self._leave(connection))

    async def close(self, patience: float = 2.0) -> None:
        """Close every connection; those in use get `patience` seconds."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        self.stalls.rest()
        self._fail_waiters(PoolClosed())
        while self._idle:
            self.discard(self._idle.pop())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while self._all or self._opening:
                    self._changed.clear()
                    await self._changed.wait()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for connection in self._all:
            connection.terminate()
        self._all.clear()

    def _grow(self) -> None:
        if len(self._all) + self._opening < self._max_size and not self._closed:
            self._opening += 1
            self._start(self._make())

    async def _make(self) -> None:
        try:
            connection = await self._connect()
        except Exception as error:
            # Whatever it is, it belongs to those who wait: each of them answers for itself.
            self._opening -= 1
            self._changed.set()
            if len(self._all) == self._leaving:
                self._fail_waiters(error)
            return
        except asyncio.CancelledError:
            self._opening -= 1
            raise
        self._opening -= 1
        self._all.add(connection)
        self.give(connection)

    async def _leave(self, connection: Any) -> None:
        try:
            await connection.close(timeout=_FAREWELL)
        except Exception:
            connection.terminate()  # the polite way failed
        finally:
            self._leaving -= 1
            self._forget(connection)

    def _forget(self, connection: Any) -> None:
        self._all.discard(connection)
        self._changed.set()
        if self._opening < self._waiting:
            self._grow()

    def _fail_waiters(self, error: Exception) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_exception(error)

    def _rest(self) -> None:
        """Close what nobody needed since the last time; the bottom of the stack was used longest ago."""
        spare = min(self._unneeded, len(self._idle), len(self._all) - self._min_size)
        for connection in self._idle[: max(spare, 0)]:
            self.discard(connection)
        del self._idle[: max(spare, 0)]
        self._unneeded = len(self._idle)
        self._timer = asyncio.get_running_loop().call_later(_REST, self._rest)

    def _start(self, work: Any) -> None:
        task = apart(work, "pool")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
