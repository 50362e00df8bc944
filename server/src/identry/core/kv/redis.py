"""`KV` on Redis (6 or newer) or Valkey."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from pathlib import Path
from typing import Any

from identry.core.clock import Clock
from identry.core.kv.breaker import Breaker
from identry.core.kv.link import FAULTS, Argument, Busy, Link, Lost, NoScriptError, ResponseError, connector
from identry.core.kv.protocol import Callback, Hit, KVUnavailable
from identry.core.kv.subscriber import Subscriber
from identry.core.tasks import apart
from identry.core.within import Within

_WINDOW_SCRIPT = Path(__file__).with_name("sliding_window.lua").read_bytes()
_WINDOW_SHA = hashlib.sha1(_WINDOW_SCRIPT, usedforsecurity=False).hexdigest()

_MICRO = 1_000_000


class RedisKV:
    """`KV` shared by every worker that is given the same `url`.

    An operation is over within `timeout` seconds, connecting included. After `failures` faults in a row a breaker
    opens: every operation then fails at once, and a probe every `probe_interval` seconds closes it again. A fault is
    a lost connection, a time-out or a refusal, however many callers it hits at the same moment.

    `prefix` starts every key and channel (for an ACL such as `~identry:* &identry:*`). Windows are timed by the
    server's clock; tests pass their own `clock`. Nothing is connected before the first operation.

    Raises ValueError when the URL cannot be used; neither that nor any log line holds the URL.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout: float = 0.2,
        failures: int = 3,
        probe_interval: float = 1.0,
        max_pending: int = 1000,
        prefix: str = "identry:",
        clock: Clock | None = None,
    ) -> None:
        self._connect = connector(url)
        self._timeout = timeout
        self._max_pending = max_pending
        self._value_prefix, self._window_prefix, self._channel_prefix = (f"{prefix}{kind}:" for kind in "vwc")
        self._clock = clock
        self._link: Link | None = None
        self._opening: asyncio.Task[Link | None] | None = None
        self._breaker = Breaker(self._probe, threshold=failures, interval=probe_interval)
        self._subscriber = Subscriber(self._connect, timeout=timeout)

    async def get(self, key: str) -> bytes | None:
        """See `KV.get`."""
        value: bytes | None = await self._command("GET", self._value_prefix + key)
        return value

    async def set(self, key: str, value: bytes, ttl: float) -> None:
        """See `KV.set`; the resolution of `ttl` is a millisecond."""
        if ttl > 0:
            await self._command("SET", self._value_prefix + key, value, "PX", max(1, round(ttl * 1000)))
        else:
            await self._command("DEL", self._value_prefix + key)

    async def delete(self, *keys: str) -> None:
        """See `KV.delete`."""
        if keys:
            await self._command("DEL", *(p + key for key in keys for p in (self._value_prefix, self._window_prefix)))

    async def hit(self, key: str, limit: int, window: float) -> Hit:
        """See `KV.hit`; one round trip, atomic in the server."""
        now = "" if self._clock is None else str(round(self._clock.timestamp() * _MICRO))
        rest = (1, self._window_prefix + key, limit, round(window * _MICRO), secrets.token_bytes(9), now)
        try:
            reply = await self._command("EVALSHA", _WINDOW_SHA, *rest)
        except NoScriptError:
            reply = await self._command("EVAL", _WINDOW_SCRIPT, *rest)
        allowed, remaining, wait = reply
        return Hit(bool(allowed), remaining, wait / _MICRO)

    async def refund(self, key: str) -> None:
        """See `KV.refund`."""
        await self._command("ZPOPMAX", self._window_prefix + key)

    async def publish(self, channel: str, payload: bytes) -> None:
        """See `KV.publish`."""
        await self._command("PUBLISH", self._channel_prefix + channel, payload)

    async def subscribe(self, channel: str, callback: Callback) -> None:
        """See `KV.subscribe`; keeps one more connection, which reconnects by itself."""
        await self._subscriber.add(self._channel_prefix + channel, callback)

    @property
    def available(self) -> bool:
        """See `KV.available`."""
        return not self._breaker.is_open

    async def ping(self) -> None:
        """See `KV.ping`."""
        await self._command("PING")

    async def close(self) -> None:
        """See `KV.close`."""
        await self._breaker.close()
        await self._subscriber.close()
        if self._opening is not None:
            await asyncio.wait([self._opening])
        if self._link is not None:
            await self._link.close()

    async def _command(self, *command: Argument) -> Any:
        """Send one command. Raises KVUnavailable, or NoScriptError when the server does not know a script."""
        if self._breaker.is_open:
            raise KVUnavailable("redis: circuit open")
        try:
            reply = await self._send(command)
        except NoScriptError:
            raise
        except Busy:
            raise KVUnavailable("redis: too many commands in flight") from None
        except FAULTS as error:
            if isinstance(error, ResponseError):
                self._breaker.failed(error)  # every other fault is counted where a link is lost or not opened
            raise KVUnavailable(f"redis: {type(error).__name__}") from None
        self._breaker.succeeded()
        return reply

    async def _send(self, command: tuple[Argument, ...]) -> Any:
        deadline = asyncio.get_running_loop().time() + self._timeout
        if self._link is not None and self._link.alive:
            try:
                return await self._link.call(deadline, *command)
            except Lost:
                # A connection that had been good (Redis was restarted, failed over, closed an idle one) deserves a
                # second attempt on a new one. Should the first have counted: a hit has a name, and counts once.
                pass
        link = await self._opened(deadline)
        return await link.call(deadline, *command)

    async def _opened(self, deadline: float) -> Link:
        """A live link, opened by one task for everyone who waits for it."""
        if self._link is not None and self._link.alive:
            return self._link
        if self._opening is None or self._opening.done():
            self._opening = apart(self._open(), "kv-open")
        with Within(deadline - asyncio.get_running_loop().time()):
            link = await asyncio.shield(self._opening)
        if link is None:
            raise Lost("no connection")
        return link

    async def _open(self) -> Link | None:
        link = Link(self._connect(), max_pending=self._max_pending, on_lost=self._breaker.failed)
        try:
            with Within(self._timeout):
                await link.open()
        except FAULTS as error:
            self._breaker.failed(error)
            return None
        self._link = link
        return link

    async def _probe(self) -> None:
        """Ask for a write: a replica or a server without memory answers PING, but serves nobody."""
        deadline = asyncio.get_running_loop().time() + self._timeout
        link = await self._opened(deadline)
        await link.call(deadline, "SET", self._value_prefix + "probe", b"", "PX", 1000)
