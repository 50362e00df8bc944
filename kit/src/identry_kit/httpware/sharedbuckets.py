"""RedisBuckets: the same buckets for every process of a service, and for every replica. Needs the extra `redis`."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable
from math import inf
from time import monotonic
from typing import Any

from identry_kit.httpware.ratelimit import IDLE_TTL, LocalBuckets

_SCRIPT = """\
-- One request against one bucket (GCRA). KEYS[1] the bucket · ARGV: requests per second, burst, ms to remember.
-- Returns the microseconds to wait, 0 when admitted, -1 for never. Redis 6 or newer, or any Valkey.
local rps, burst, remember = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
if rps == 0 then
  local used = redis.call('INCR', KEYS[1])
  redis.call('PEXPIRE', KEYS[1], remember)
  return used <= burst and 0 or -1
end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local interval = 1000000 / rps
-- What is kept is when the bucket will be full again, as microseconds from the epoch.
local full_in = tonumber(redis.call('GET', KEYS[1]) or now) - now
local function keep()
  local ms = math.max(1, math.min(math.ceil(full_in / 1000), remember))
  redis.call('SET', KEYS[1], string.format('%.2f', now + full_in), 'PX', ms)
end
if full_in < 0 then full_in = 0 end
-- Further away than an empty bucket: another clock wrote it, or another configuration.
if full_in > interval * burst then full_in = interval * burst end
local wait = full_in + interval - interval * burst
if wait >= 1 then
  keep()
  return math.ceil(wait)
end
full_in = full_in + interval
keep()
return 0
"""
_SHA = hashlib.sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()
_REMEMBER_MS = int(IDLE_TTL * 1000)


class RedisBuckets:
    """`Buckets` in Redis (6 or newer) or Valkey, timed by its clock: one script, one round trip for a request.

    Hand it to `RateLimiter` or `CallerRateLimiter`. Redis may go: a request that finds it lost or silent for
    `timeout` seconds is counted in `local` buckets of this process, and so are all that follow, without asking again,
    until a probe (in the background, at most one every `probe_interval` seconds, and only while requests come) finds
    it back. So a limit then holds for each process instead of all, and a hung Redis costs the requests that are under
    way when it is found out `timeout` (twice that at most) and the others nothing. The log hears of it once, and again
    when Redis is back.

    `url` is `redis://`, `rediss://` or `unix://`; it is in no error, log line or `repr`. `prefix` begins every key
    (for an ACL such as `~identry:*`). Connections are opened as needed, at most `max_connections`. In Redis a bucket
    takes some 150 bytes and is gone once it is full again, ten minutes after its last request at the latest.

    Raises ValueError when the URL cannot be used, ImportError when the extra is missing.
    """

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "identry:rate:",
        timeout: float = 0.1,
        probe_interval: float = 1.0,
        max_connections: int = 32,
        local: LocalBuckets | None = None,
        clock: Callable[[], float] = monotonic,
        logger: logging.Logger | None = None,
    ) -> None:
        self._open = _opener(url, timeout, max_connections)
        self._prefix = prefix
        self._timeout = timeout
        self._interval = probe_interval
        self._local = local or LocalBuckets(clock=clock)
        self._clock = clock
        self._logger = logger or logging.getLogger("identry_kit.ratelimit")
        self._redis: Any = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tried_at: float | None = None
        self._probing: asyncio.Task[None] | None = None

    @property
    def available(self) -> bool:
        """Whether requests are counted in Redis now."""
        return self._tried_at is None

    async def take(self, key: str, rps: float, burst: int) -> float:
        """See `Buckets.take`. Raises nothing that Redis does."""
        if not burst:
            return inf
        if self._tried_at is None:
            try:
                return await self._ask(key, rps, burst)
            except Exception as error:  # whatever the driver raises, a limiter is no reason to fail
                self._lost(error)
        else:
            self._probe_if_due()
        return self._local.take_now(key, rps, burst)

    async def aclose(self) -> None:
        """Close the connections. May be called again; a later `take` opens them again."""
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.wait({self._probing})  # so that whoever closes can be cancelled like anybody
        redis, self._redis = self._redis, None
        if redis is not None:
            await redis.aclose()

    async def _ask(self, key: str, rps: float, burst: int) -> float:
        """One round trip. Raises what redis-py raises, or TimeoutError."""
        loop = asyncio.get_running_loop()
        if self._redis is None or self._loop is not loop:
            self._redis, self._loop = self._open(), loop
        # A bucket that never refills holds another kind of number, so it has another name.
        rest = (1, f"{self._prefix}{'b' if rps else 'n'}:{key}", rps, burst, _REMEMBER_MS)
        async with asyncio.timeout(self._timeout):
            try:
                wait = await self._redis.execute_command("EVALSHA", _SHA, *rest)
            except Exception as error:
                if type(error).__name__ != "NoScriptError":
                    raise
                wait = await self._redis.execute_command("EVAL", _SCRIPT, *rest)
        return inf if wait < 0 else wait / 1e6

    def _lost(self, error: Exception) -> None:
        if self._tried_at is None:
            # The type only: a driver's text may hold the address.
            self._logger.warning("Redis is unavailable, rates are limited per process: %s", type(error).__name__)
        self._tried_at = self._clock()

    def _probe_if_due(self) -> None:
        if self._tried_at is None or self._clock() - self._tried_at < self._interval:
            return
        if self._probing is None or self._probing.done():
            self._probing = asyncio.create_task(self._probe(), name="rate-limit-probe")

    async def _probe(self) -> None:
        """Ask what a request would ask: a replica or a full server answers PING, but counts nothing."""
        try:
            await self._ask("probe", 1, 1)
        except Exception as error:  # still away
            self._lost(error)
            return
        self._tried_at = None
        self._logger.info("Redis is back, rates are limited for all processes together")


def _opener(url: str, timeout: float, max_connections: int) -> Callable[[], Any]:
    """A maker of clients. Raises as `RedisBuckets`."""
    try:
        from redis.asyncio import BlockingConnectionPool, Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
    except ImportError as error:
        raise ImportError("RedisBuckets needs an extra: pip install 'identry-kit[redis]'") from error

    def connect() -> Any:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=max_connections,
            timeout=timeout,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            # Nothing is sent twice: it would count twice.
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )
        return Redis.from_pool(pool)

    try:
        connect()
    except Exception:  # redis-py raises what it meets, with the password in the text
        raise ValueError("not a usable Redis URL; expected redis://[user:password@]host:6379/0") from None
    return connect
