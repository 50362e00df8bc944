"""RateLimiter: a token bucket per tenant, or per whoever is calling.

Source: contracts/kit.md §3.1. A store shared by several processes implements `Buckets` and is handed to the same class.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from ipaddress import IPv6Address, ip_address, ip_network
from math import ceil, inf
from threading import Lock
from time import monotonic
from typing import Protocol

from identry_kit import context
from identry_kit.apierror import APIError, ASGIApp, Receive, Renderer, Scope, Send, TooManyRequests, answer, to_asgi

IDLE_TTL = 600.0
"""Seconds after which an unused bucket is forgotten; it would be (nearly always) full again."""
SWEEP_EVERY = 120.0
MAX_BUCKETS = 100_000
MAX_ADDRESSES = 10_000


class RateLimited(TooManyRequests):
    """429: the bucket is empty."""

    code = "rate_limited"
    message = "too many requests"


class Buckets(Protocol):
    """Where the buckets are."""

    async def take(self, key: str, rps: float, burst: int) -> float:
        """Take one token of the bucket `key`. 0.0 when there was one, else the seconds until there will be."""


class LocalBuckets:
    """Token buckets in this process: O(1) per request, bounded, the least recently used go first. Thread-safe.

    A new bucket is full (`burst`); it refills by `rps` per second up to `burst`. One that is idle for ten minutes is
    dropped. Memory: some 350 bytes for each bucket, 35 MB when all `capacity` (100 000) are in use.
    """

    def __init__(self, *, capacity: int = MAX_BUCKETS, clock: Callable[[], float] = monotonic) -> None:
        self._capacity = capacity
        self._clock = clock
        self._lock = Lock()
        self._buckets: OrderedDict[Hashable, list[float]] = OrderedDict()  # [tokens, when last used]
        self._swept_at = clock()

    def __len__(self) -> int:
        return len(self._buckets)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._buckets

    async def take(self, key: str, rps: float, burst: int) -> float:
        """See `Buckets.take`."""
        return self.take_now(key, rps, burst)

    def take_now(self, key: Hashable, rps: float, burst: int) -> float:
        """`take` without waiting; `inf` seconds when the bucket will never hold a token."""
        with self._lock:
            now = self._clock()
            if now - self._swept_at >= SWEEP_EVERY:
                self._sweep(now)
            bucket = self._buckets.get(key)
            if bucket is None:
                bucket = self._buckets[key] = [burst, now]
                if len(self._buckets) > self._capacity:
                    self._buckets.popitem(last=False)
            else:
                self._buckets.move_to_end(key)
            tokens, used_at = bucket
            elapsed = now - used_at
            if elapsed > 0:
                tokens += elapsed * rps
            if tokens > burst or elapsed >= IDLE_TTL:
                tokens = burst
            bucket[1] = now
            if tokens >= 1:
                bucket[0] = tokens - 1
                return 0.0
            bucket[0] = tokens
        return (1 - tokens) / rps if rps and burst else inf

    def clear(self) -> None:
        """Forget every bucket."""
        with self._lock:
            self._buckets.clear()

    def sweep(self) -> None:
        """Drop the idle buckets now."""
        with self._lock:
            self._sweep(self._clock())

    def _sweep(self, now: float) -> None:
        """Drop idle buckets; they are at the front, because every use moves a bucket to the end."""
        self._swept_at = now
        while self._buckets:
            if now - next(iter(self._buckets.values()))[1] < IDLE_TTL:
                return
            self._buckets.popitem(last=False)


class RateLimiter:
    """`rps` requests per second and tenant, `burst` at once; over it 429 `rate_limited` with `Retry-After: 1`.

    A request without a tenant passes: put it after `jwtauth`, and `CallerRateLimiter` where anonymous callers come.
    `burst=0` refuses everything, `rps=0` admits `burst` requests; negative values are a ValueError.
    """

    checkpoint = True

    def __init__(
        self,
        app: ASGIApp,
        rps: float = 20,
        burst: int = 40,
        *,
        buckets: Buckets | None = None,
        on_error: Renderer = to_asgi,
    ) -> None:
        if rps < 0 or burst < 0:
            msg = "rps and burst cannot be negative"
            raise ValueError(msg)
        self.app = app
        self._rps = rps
        self._burst = burst
        self._local = buckets if isinstance(buckets, LocalBuckets) else LocalBuckets()
        self._shared = None if isinstance(buckets, LocalBuckets) else buckets
        self._render = on_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection; only `http` is counted."""
        if scope["type"] == "http":
            try:
                waiting = self.check(scope)
                if waiting is not None:
                    await waiting
            except RateLimited as error:
                await self.refuse(scope, send, error)
                return
        await self.app(scope, receive, send)

    def check(self, scope: Scope) -> Awaitable[object] | None:
        """Count an `http` request. Raises RateLimited; of buckets elsewhere, what is given back does.

        In process nothing waits, so nothing is awaited: that would cost more than the bucket.
        """
        if self._shared is not None:
            return self._check_shared(self._shared, scope)
        retry_after = self._now(scope)
        if retry_after:
            raise RateLimited(headers={"Retry-After": str(retry_after)})
        return None

    async def _check_shared(self, shared: Buckets, scope: Scope) -> None:
        retry_after = await self._ask(shared, scope)
        if retry_after:
            raise RateLimited(headers={"Retry-After": str(retry_after)})

    async def refuse(self, scope: Scope, send: Send, error: APIError) -> None:
        """Answer `error`."""
        await answer(send, error, scope, self._render)

    def _now(self, scope: Scope) -> int:  # noqa: ARG002 - the other limiter reads the address from it
        """0: admitted. Else the value of `Retry-After`."""
        record = context.current()
        if record is None or record.caller.tenant_id is None:
            return 0
        # As an integer: comparing two UUIDs runs Python code.
        return 1 if self._local.take_now(record.caller.tenant_id.int, self._rps, self._burst) else 0

    async def _ask(self, shared: Buckets, scope: Scope) -> int:  # noqa: ARG002 - as above
        """The same of buckets elsewhere."""
        tenant = context.tenant_id()
        if tenant is None:
            return 0
        return 1 if await shared.take(f"t:{tenant}", self._rps, self._burst) else 0

    def stop(self) -> None:
        """Forget what was counted in this process. May be called again."""
        self._local.clear()


class CallerRateLimiter(RateLimiter):
    """The same for everybody: keyed by tenant, else by subject, else by address (IPv6 by /64).

    Anonymous callers get a tenth of `rps` and `burst` (at least 1) unless told otherwise. At most 10 000 addresses
    are known at a time; then new ones are refused until the idle ones are forgotten, so a flood of addresses cannot
    push out the honest. `Retry-After` is the wait, rounded up. The address is the ASGI `client`: behind a proxy the
    server must set it from trusted hops.
    """

    checkpoint = True

    def __init__(
        self,
        app: ASGIApp,
        rps: float = 20,
        burst: int = 40,
        *,
        anonymous_rps: float | None = None,
        anonymous_burst: int | None = None,
        buckets: Buckets | None = None,
        clock: Callable[[], float] = monotonic,
        on_error: Renderer = to_asgi,
    ) -> None:
        super().__init__(app, rps, burst, buckets=buckets, on_error=on_error)
        self._anonymous = (
            rps / 10 if anonymous_rps is None else anonymous_rps,
            max(1, burst // 10) if anonymous_burst is None else anonymous_burst,
        )
        if min(rps, burst, *self._anonymous) <= 0:
            msg = "rps and burst must be above 0"
            raise ValueError(msg)
        if not isinstance(buckets, LocalBuckets):
            self._local = LocalBuckets(clock=clock)
        self._addresses = LocalBuckets(capacity=MAX_ADDRESSES, clock=clock)

    def _now(self, scope: Scope) -> int:
        caller = context.caller()
        if caller.tenant_id is not None:
            return _rounded(self._local.take_now(caller.tenant_id.int, self._rps, self._burst))
        if caller.sub:
            return _rounded(self._local.take_now(f"s:{caller.sub}", self._rps, self._burst))
        key = f"a:{_network(scope)}"
        if key not in self._addresses and len(self._addresses) >= MAX_ADDRESSES:
            self._addresses.sweep()
            if len(self._addresses) >= MAX_ADDRESSES:
                return int(IDLE_TTL)
        return _rounded(self._addresses.take_now(key, *self._anonymous))

    async def _ask(self, shared: Buckets, scope: Scope) -> int:
        caller = context.caller()
        if caller.tenant_id is not None:
            return _rounded(await shared.take(f"t:{caller.tenant_id}", self._rps, self._burst))
        if caller.sub:
            return _rounded(await shared.take(f"s:{caller.sub}", self._rps, self._burst))
        return _rounded(await shared.take(f"a:{_network(scope)}", *self._anonymous))

    def stop(self) -> None:
        """Forget what was counted in this process. May be called again."""
        super().stop()
        self._addresses.clear()


def _rounded(wait: float) -> int:
    return 0 if wait <= 0 else max(1, ceil(min(wait, IDLE_TTL)))


def _network(scope: Scope) -> str:
    """The client's address; of IPv6 the /64, which is what one subscriber has. Without one, all share one bucket."""
    client = scope.get("client")
    text = client[0] if client else ""
    try:
        address = ip_address(text)
    except ValueError:
        return "unknown"
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ip_network((int(address) >> 64 << 64, 64)).network_address)
    return str(address)
