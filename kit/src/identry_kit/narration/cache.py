"""NarrationCache: the memory of one process, and the seam for one that outlives it."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from threading import Lock
from time import monotonic
from typing import Protocol
from uuid import UUID

from identry_kit.narration.key import UNCACHEABLE
from identry_kit.narration.output import Narration
from identry_kit.narration.store import Guarded

DEFAULT_CAPACITY = 1000
DEFAULT_TTL = 900.0
"""Seconds."""
MAX_KEY = 1000
"""Bytes of tenant and key together; nothing is kept under a longer one."""
MAX_ENTRY = 64 << 10
"""Bytes of a narration as JSON; a longer one is handed out and not kept."""


class NarrationCacher(Protocol):
    """Where narrations are kept: in memory, in a database, or in one above the other.

    Every method is by tenant and key, so that no tenant ever reads what was made for another.
    """

    async def get(self, tenant: UUID | str, key: str) -> Narration | None:
        """What is kept, None when there is nothing or its time is over."""

    async def put(self, tenant: UUID | str, key: str, output: Narration) -> None:
        """Keep `output`, with a new time to live."""

    async def flush(self, tenant: UUID | str | None = None) -> None:
        """Forget a tenant's narrations; without one, everybody's."""

    async def size(self) -> int:
        """How many are kept, those included whose time is over but which nobody has asked for since."""


class NarrationCache:
    """Least recently used go first, each lives `ttl` seconds: a `NarrationCacher` in this process.

    `capacity` and `ttl` of 0 or less mean the defaults: 1000 narrations, 15 minutes. A hit makes an entry the most
    recently used one and does not prolong its life. Tenant and key over 1000 bytes or a narration over 64 KiB are not
    kept, so the memory is bounded: at most capacity × 65 KiB of text, 64 MB by default (a typical narrative of
    2 KB makes it 3 MB).

    `below` is a `NarrationCacher` that lasts longer, such as `narration.sql.SQLNarrations`: what is not in memory is
    looked up there, what is made is written to both. An entry that is read from below lives `ttl` seconds here,
    whatever was left of its life there. When the layer below fails or takes more than `below_timeout` seconds, it is
    left alone for five seconds at a time and the cache goes on without it; the log hears of it once, and again when
    it is back.

    `get_now`, `put_now` and `flush_now` are about the memory alone; they never wait and are thread-safe. The others
    belong on an event loop.
    """

    def __init__(
        self,
        *,
        capacity: int = DEFAULT_CAPACITY,
        ttl: float = DEFAULT_TTL,
        below: NarrationCacher | None = None,
        below_timeout: float = 2.0,
        clock: Callable[[], float] = monotonic,
        logger: logging.Logger | None = None,
    ) -> None:
        self.capacity = capacity if capacity > 0 else DEFAULT_CAPACITY
        self.ttl = ttl if ttl > 0 else DEFAULT_TTL
        self._clock = clock
        self._lock = Lock()
        self._entries: OrderedDict[tuple[str, str], tuple[Narration, float]] = OrderedDict()
        self._flights: dict[tuple[asyncio.AbstractEventLoop, str, str], _Flight] = {}
        self._below_itself = below
        log = logger or logging.getLogger("identry_kit.narration")
        self._below = None if below is None else Guarded(below, below_timeout, clock, log)

    def __len__(self) -> int:
        return len(self._entries)

    def get_now(self, tenant: UUID | str, key: str) -> Narration | None:
        """What is in memory; an entry whose time is over is dropped."""
        place = (str(tenant), key)
        with self._lock:
            entry = self._entries.get(place)
            if entry is None:
                return None
            if self._clock() - entry[1] > self.ttl:
                del self._entries[place]
                return None
            self._entries.move_to_end(place)
        return entry[0]

    def put_now(self, tenant: UUID | str, key: str, output: Narration) -> None:
        """Keep `output` in memory, unless it is too large (see the class)."""
        place = (str(tenant), key)
        if not _kept(*place) or len(output.to_json()) > MAX_ENTRY:
            return
        with self._lock:
            self._entries[place] = (output, self._clock())
            self._entries.move_to_end(place)
            if len(self._entries) > self.capacity:
                self._entries.popitem(last=False)

    def flush_now(self, tenant: UUID | str | None = None) -> None:
        """Forget what is in memory, of one tenant or of all. What is being made now is not kept either."""
        with self._lock:
            for place in list(self._flights):
                if tenant is None or place[1] == str(tenant):
                    self._flights.pop(place).stale = True
            if tenant is None:
                self._entries.clear()
            else:
                for entry in [entry for entry in self._entries if entry[0] == str(tenant)]:
                    del self._entries[entry]

    async def get(self, tenant: UUID | str, key: str) -> Narration | None:
        """See `NarrationCacher.get`: memory, then the layer below."""
        found = self.get_now(tenant, key)
        if found is None and self._below is not None and _kept(str(tenant), key):
            found = await self._below.get(tenant, key)
            if found is not None:
                self.put_now(tenant, key, found)
        return found

    async def put(self, tenant: UUID | str, key: str, output: Narration) -> None:
        """See `NarrationCacher.put`: to both layers."""
        self.put_now(tenant, key, output)
        if self._below is not None and _kept(str(tenant), key) and len(output.to_json()) <= MAX_ENTRY:
            await self._below.put(tenant, key, output)

    async def flush(self, tenant: UUID | str | None = None) -> None:
        """See `NarrationCacher.flush`: both layers. Raises what the layer below raises: it may have kept something."""
        self.flush_now(tenant)
        if self._below_itself is not None:
            await self._below_itself.flush(tenant)

    async def size(self) -> int:
        """How many are in memory."""
        return len(self._entries)

    async def get_or_make(
        self, tenant: UUID | str, key: str, make: Callable[[], Awaitable[Narration | str]]
    ) -> Narration:
        """What is kept, else what `make` returns, which is then kept. Text alone becomes a `Narration`.

        However many callers want the same key at the same moment, `make` runs once (in this process and event loop),
        in a task of its own with the context of the first of them; each gets its result. A caller that is cancelled
        takes nothing from the others; with the last of them `make` is cancelled. What `make` raises, all of them get,
        and nothing is kept. For a key of `cache_key` that stands for nothing (`err:uncacheable:…`) `make` always runs.
        """
        found = self.get_now(tenant, key)
        if found is not None:
            return found
        if not _kept(str(tenant), key):
            return _narration(await make())
        place = (asyncio.get_running_loop(), str(tenant), key)
        flight = self._flights.get(place)
        if flight is None:
            flight = self._flights[place] = _Flight()
            flight.task = asyncio.create_task(self._fly(flight, tenant, key, make), name="narration")
            flight.task.add_done_callback(lambda task: self._landed(place, task))
        flight.waiters += 1
        try:
            await asyncio.wait([flight.task])
        finally:
            flight.waiters -= 1
            if not flight.waiters and not flight.task.done():
                flight.task.cancel()
                self._forget(place, flight.task)
        return flight.task.result()

    async def _fly(
        self, flight: _Flight, tenant: UUID | str, key: str, make: Callable[[], Awaitable[Narration | str]]
    ) -> Narration:
        found = await self.get(tenant, key)
        if found is not None:
            return found
        try:
            made = _narration(await make())
        except asyncio.CancelledError:
            if flight.task.cancelling():
                raise
            # Let through, this would look to every caller as if it had itself been cancelled.
            raise RuntimeError("what makes the narration was cancelled from inside") from None
        if not flight.stale:
            await self.put(tenant, key, made)
        return made

    def _landed(self, place: tuple[asyncio.AbstractEventLoop, str, str], task: asyncio.Task[Narration]) -> None:
        self._forget(place, task)
        if not task.cancelled():
            task.exception()  # everybody may have left before it failed

    def _forget(self, place: tuple[asyncio.AbstractEventLoop, str, str], task: asyncio.Task[Narration]) -> None:
        """Take a flight off the board, unless a newer one of the same key is on it."""
        with self._lock:
            flight = self._flights.get(place)
            if flight is not None and flight.task is task:
                del self._flights[place]


class _Flight:
    """One run of `make` and how many wait for it. `stale`: a flush came between, so its result is not kept."""

    __slots__ = ("stale", "task", "waiters")

    task: asyncio.Task[Narration]

    def __init__(self) -> None:
        self.waiters = 0
        self.stale = False


def _kept(tenant: str, key: str) -> bool:
    """Whether anything may be kept there: the key stands for something, and every layer can hold it."""
    if key.startswith(UNCACHEABLE) or "\0" in tenant or "\0" in key:
        return False
    try:
        return len(tenant.encode()) + len(key.encode()) <= MAX_KEY
    except UnicodeEncodeError:
        return False


def _narration(made: Narration | str) -> Narration:
    return Narration(made) if isinstance(made, str) else made
