"""RateLimiter: a token bucket per tenant, or per whoever is calling.

Source: contracts/kit.md §3.1. A store shared by several processes implements `Buckets` and is handed to the same class.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address, ip_network
from math import ceil
from threading import Lock
from time import monotonic
from typing import Protocol

from identry_kit import context
from identry_kit.apierror import ASGIApp, Receive, Renderer, Scope, Send, TooManyRequests, answer, to_asgi

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
    dropped.
    """

    def __init__(self, *, capacity: int = MAX_BUCKETS, clock: Callable[[], float] = monotonic) -> None:
        self._capacity = capacity
        self._clock = clock
        self._lock = Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._swept_at = clock()

    def __len__(self) -> int:
        return len(self._buckets)

    def __contains__(self, key: str) -> bool:
        return key in self._buckets

    async def take(self, key: str, rps: float, burst: int) -> float:
        """See `Buckets.take`."""
        return self.take_now(key, rps, burst)

    def take_now(self, key: str, rps: float, burst: int) -> float:
        """`take` without waiting; `inf` seconds when the bucket will never hold a token."""
        with self._lock:
            now = self._clock()
            if now - self._swept_at >= SWEEP_EVERY:
                self._sweep(now)
            tokens, used_at = self._buckets.pop(key, (float(burst), now))
            if now - used_at >= IDLE_TTL:
                tokens, used_at = float(burst), now
            tokens = min(float(burst), tokens + max(0.0, now - used_at) * rps)
            admitted = tokens >= 1.0
            self._buckets[key] = (tokens - 1.0 if admitted else tokens, now)
            if len(self._buckets) > self._capacity:
                self._buckets.popitem(last=False)
        if admitted:
            return 0.0
        return (1.0 - tokens) / rps if rps and burst else float("inf")

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
            _, used_at = next(iter(self._buckets.values()))
            if now - used_at < IDLE_TTL:
                return
            self._buckets.popitem(last=False)


class RateLimiter:
    """`rps` requests per second and tenant, `burst` at once; over it 429 `rate_limited` with `Retry-After: 1`.

    A request without a tenant passes: put it after `jwtauth`, and `CallerRateLimiter` where anonymous callers come.
    `burst=0` refuses everything, `rps=0` admits `burst` requests; negative values are a ValueError.
    """

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
        self._local = LocalBuckets()
        self._buckets = buckets or self._local
        self._render = on_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection; only `http` is counted."""
        if scope["type"] == "http":
            retry_after = await self._retry_after(scope)
            if retry_after:
                error = RateLimited(headers={"Retry-After": str(retry_after)})
                await answer(send, error, scope, self._render)
                return
        await self.app(scope, receive, send)

    async def _retry_after(self, scope: Scope) -> int:  # noqa: ARG002 - the other limiter reads the address from it
        """0: admitted. Else the value of `Retry-After`."""
        record = context.current()
        tenant = None if record is None else record.caller.tenant_id
        if tenant is None:
            return 0
        return 1 if await self._buckets.take(f"t:{tenant}", self._rps, self._burst) else 0

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
        self._local = LocalBuckets(clock=clock)
        self._addresses = LocalBuckets(capacity=MAX_ADDRESSES, clock=clock)
        self._shared = buckets
        self._buckets = buckets or self._local

    async def _retry_after(self, scope: Scope) -> int:
        caller = context.caller()
        if caller.tenant_id is not None:
            return _rounded(await self._buckets.take(f"t:{caller.tenant_id}", self._rps, self._burst))
        if caller.sub:
            return _rounded(await self._buckets.take(f"s:{caller.sub}", self._rps, self._burst))
        key = f"a:{_network(scope)}"
        if self._shared is not None:
            return _rounded(await self._shared.take(key, *self._anonymous))
        if key not in self._addresses and len(self._addresses) >= MAX_ADDRESSES:
            self._addresses.sweep()
            if len(self._addresses) >= MAX_ADDRESSES:
                return int(IDLE_TTL)
        return _rounded(self._addresses.take_now(key, *self._anonymous))

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
