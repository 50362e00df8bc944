"""What both engines promise; one conformance suite holds them to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

Callback = Callable[[bytes], None]
"""Takes the payload of one message; runs on the event loop, so it must not block. What it raises is logged."""


class KVUnavailable(Exception):
    """The engine cannot answer now. It is not an answer to a client: the caller decides what its absence means."""


class Hit(msgspec.Struct, frozen=True, gc=False):
    """The outcome of one attempt to pass a window.

    `remaining` attempts are left in the window now; `retry_after` is the seconds until the next one can succeed
    (0 when this one did).
    """

    allowed: bool
    remaining: int
    retry_after: float


class KV(Protocol):
    """Values that expire, exact sliding windows, and messages to every worker.

    Every method but `subscribe` and `close` raises `KVUnavailable` when the engine cannot answer, and does so
    within the engine's time-out. Values and windows are two name spaces: the same key in both is two things.
    """

    async def get(self, key: str) -> bytes | None:
        """The value of `key`, None when there is none or it has expired."""

    async def set(self, key: str, value: bytes, ttl: float) -> None:
        """Store `value` for `ttl` seconds, in place of what was there. A `ttl` of 0 or less stores nothing."""

    async def delete(self, *keys: str) -> None:
        """Forget the values and the windows of `keys`; those that do not exist are no error."""

    async def hit(self, key: str, limit: int, window: float) -> Hit:
        """Count one attempt against `key`, unless `limit` of them were allowed in the last `window` seconds.

        The window slides exactly: no interval of `window` seconds ever holds more than `limit` allowed attempts,
        however many workers ask at once. A refused attempt is not counted and does not extend the wait.
        """

    async def refund(self, key: str) -> None:
        """Take back the newest allowed hit of `key`; none left is no error."""

    async def publish(self, channel: str, payload: bytes) -> None:
        """Tell every subscriber of `channel`, in this process and all others; at most once, without receipt."""

    async def subscribe(self, channel: str, callback: Callback) -> None:
        """From now on call `callback` with each payload of `channel`.

        Does not raise when the engine is away: the subscription starts when it returns. What is published while
        the engine cannot be reached is lost.
        """

    @property
    def available(self) -> bool:
        """False while the engine is known to be away and calls fail at once. Asks nobody."""

    async def ping(self) -> None:
        """Return when the engine answers."""

    async def close(self) -> None:
        """Stop every background task and connection; can be repeated."""
