"""A bounded pool for hashing: N threads, a bounded queue, and a refusal that says when to come back (DESIGN §4.9)."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from identry_kit.apierror import ServiceUnavailable

_T = TypeVar("_T")

_MAX_RETRY_AFTER = 30


class HashingBusy(ServiceUnavailable):
    """503: as many passwords wait as may wait; `Retry-After` estimates when they are done."""

    def __init__(self, retry_after: int) -> None:
        super().__init__("the password hashing queue is full", headers={"Retry-After": str(retry_after)})


@dataclass(slots=True)
class HashingStats:
    """Figures for the metrics.

    Attributes:
        running: hashes being computed now; never more than the threads.
        queued: callers waiting now; never more than the queue.
        rejected: callers refused since the start.
        finished: hashes computed since the start.
        seconds: time spent computing them, summed over threads.
    """

    running: int = 0
    queued: int = 0
    rejected: int = 0
    finished: int = 0
    seconds: float = 0.0


class HashingPool:
    """Runs blocking work on a fixed number of threads, for one event loop.

    Callers wait on the loop, not in the executor: one that is cancelled (its client went away) leaves the queue at once
    and its work is never started. A slot is given back when its *thread* is done, even if its caller left meanwhile.
    """

    def __init__(self, threads: int, queue: int) -> None:
        """`threads` ≥ 1; `queue` ≥ 0 callers may wait beyond those that run."""
        if threads < 1 or queue < 0:
            raise ValueError("hashing needs at least one thread and a queue of zero or more")
        self._threads = threads
        self._queue = queue
        self._slots = asyncio.Semaphore(threads)
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="hashing")
        self.stats = HashingStats()

    async def run(self, work: Callable[[], _T]) -> _T:
        """The result of `work`, computed on a thread of the pool.

        Raises:
            HashingBusy: the queue is full.
        """
        stats = self.stats
        if self._slots.locked():
            if stats.queued >= self._queue:
                stats.rejected += 1
                raise HashingBusy(self._retry_after())
            stats.queued += 1
            try:
                await self._slots.acquire()
            finally:
                stats.queued -= 1
        else:
            await self._slots.acquire()
        return await asyncio.wrap_future(self._submit(work))

    async def close(self) -> None:
        """Wait for what runs; what waits is cancelled with its callers."""
        await asyncio.to_thread(self._executor.shutdown, wait=True, cancel_futures=True)

    def _submit(self, work: Callable[[], _T]) -> Future[_T]:
        loop = asyncio.get_running_loop()
        try:
            future = self._executor.submit(work)
        except RuntimeError:  # closed meanwhile
            self._slots.release()
            raise HashingBusy(1) from None
        self.stats.running += 1
        started = time.perf_counter()

        def on_thread(_: Future[_T]) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits for the slot
                loop.call_soon_threadsafe(partial(self._done, time.perf_counter() - started))

        future.add_done_callback(on_thread)
        return future

    def _done(self, seconds: float) -> None:
        self.stats.running -= 1
        self.stats.finished += 1
        self.stats.seconds += seconds
        self._slots.release()

    def _retry_after(self) -> int:
        """Whole seconds until the present queue is worked off, at the mean cost so far."""
        stats = self.stats
        mean = stats.seconds / stats.finished if stats.finished else 0.0
        return min(max(1, math.ceil(mean * (stats.queued + stats.running) / self._threads)), _MAX_RETRY_AFTER)
