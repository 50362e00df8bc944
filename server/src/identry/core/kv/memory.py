"""The in-process twin of Redis: for development and a single worker, and where a limiter falls back to."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import structlog

from identry.core.clock import Clock
from identry.core.kv.protocol import Callback, Hit

log = structlog.get_logger(__name__)

_MICRO = 1_000_000
"""Windows count whole microseconds, as the Redis engine does: a float of seconds would blur their edges."""


@dataclass(slots=True)
class _Value:
    data: bytes
    expires_at: float


@dataclass(slots=True)
class _Window:
    hits: list[int] = field(default_factory=list)  # when, in microseconds, oldest first
    expires_at: float = 0.0


class MemoryKV:
    """`KV` in the memory of this process.

    `max_keys` bounds the values and, separately, the windows; the least recently used one makes room. Times come
    from `clock`, so a movable clock moves the expiry too. Never raises `KVUnavailable`.
    """

    def __init__(self, clock: Clock, *, max_keys: int = 100_000) -> None:
        self._now: Callable[[], float] = clock.timestamp
        self._max_keys = max_keys
        self._values: OrderedDict[str, _Value] = OrderedDict()
        self._windows: OrderedDict[str, _Window] = OrderedDict()
        self._subscribers: dict[str, list[Callback]] = {}

    async def get(self, key: str) -> bytes | None:
        """See `KV.get`."""
        value = self._values.get(key)
        if value is None:
            return None
        if value.expires_at <= self._now():
            del self._values[key]
            return None
        self._values.move_to_end(key)
        return value.data

    async def set(self, key: str, value: bytes, ttl: float) -> None:
        """See `KV.set`."""
        self._values.pop(key, None)
        if ttl > 0:
            now = self._now()
            self._values[key] = _Value(value, now + ttl)
            _make_room(self._values, self._max_keys, now)

    async def delete(self, *keys: str) -> None:
        """See `KV.delete`."""
        for key in keys:
            self._values.pop(key, None)
            self._windows.pop(key, None)

    async def hit(self, key: str, limit: int, window: float) -> Hit:
        """See `KV.hit`."""
        now = self._now()
        entry = self._windows.get(key)
        if entry is None:
            entry = self._windows[key] = _Window()
            _make_room(self._windows, self._max_keys, now)
        else:
            self._windows.move_to_end(key)
        hits = entry.hits
        # As in the script of the Redis engine: a hit exactly `window` old still counts, and one that lies further
        # ahead than a whole window was left behind by a clock that has since been set back.
        at, span = round(now * _MICRO), round(window * _MICRO)
        del hits[bisect_right(hits, at + span) :]
        del hits[: bisect_left(hits, at - span)]
        if len(hits) >= limit:
            return Hit(False, 0, (min(span, hits[len(hits) - limit] + span - at) + 1) / _MICRO)
        insort(hits, at)
        entry.expires_at = max(entry.expires_at, now + window + 1)  # a second late: at its edge a hit still counts
        return Hit(True, limit - len(hits), 0.0)

    async def refund(self, key: str) -> None:
        """See `KV.refund`."""
        entry = self._windows.get(key)
        if entry is not None and entry.hits:
            entry.hits.pop()

    async def publish(self, channel: str, payload: bytes) -> None:
        """See `KV.publish`; the callbacks have run when this returns."""
        for callback in tuple(self._subscribers.get(channel, ())):
            deliver(channel, callback, payload)

    async def subscribe(self, channel: str, callback: Callback) -> None:
        """See `KV.subscribe`."""
        self._subscribers.setdefault(channel, []).append(callback)

    @property
    def available(self) -> bool:
        """See `KV.available`."""
        return True

    async def ping(self) -> None:
        """See `KV.ping`."""

    async def close(self) -> None:
        """See `KV.close`."""
        self._subscribers.clear()


def deliver(channel: str, callback: Callback, payload: bytes) -> None:
    """Call one subscriber; one that raises is logged and hinders neither the others nor the publisher."""
    try:
        callback(payload)
    except Exception:
        log.exception("kv.subscriber_failed", channel=channel)


_Entry = TypeVar("_Entry", _Value, _Window)


def _make_room(entries: OrderedDict[str, _Entry], max_keys: int, now: float) -> None:
    """After one entry was added: drop up to two from the old end that have expired, or one that has not when full."""
    for _ in range(2):
        oldest = next(iter(entries.values()))
        if len(entries) <= max_keys and (len(entries) == 1 or oldest.expires_at > now):
            return
        entries.popitem(last=False)
