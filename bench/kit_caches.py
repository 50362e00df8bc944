"""The kit's caches: what they hold at their bounds, and who waits when keys expire: `python -m bench.kit_caches`."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from uuid import uuid4

import httpx2  # noqa: F401 - the first fetch would pay for loading it
import uvloop

from bench.kit_verify import issuer, verifier
from identry_kit.httpware import LocalBuckets
from identry_kit.jwtauth import JWKSCache
from identry_kit.jwtauth.jwks import FRESH, MAX_NEGATIVE
from identry_kit.narration import DEFAULT_CAPACITY, Narration, NarrationCache
from identry_kit.testing import Issuer, MovableClock

CALLERS = 1000
DELAY = 0.2
"""Seconds that the issuer takes to answer."""
VERIFIED = 4096
BUCKETS = 100_000
NARRATION = 2000
"""Characters of a text."""


@dataclass(frozen=True, slots=True)
class Rush:
    """How many fetches `CALLERS` at once caused, and how long the unluckiest waited, in seconds."""

    fetches: int
    longest: float


async def rush(*, expired: bool) -> Rush:
    """All callers ask for the same key at once; they know it, from an hour ago, or nobody knows any yet."""
    clock = MovableClock()
    with Issuer(clock=clock) as issuer:
        kid = issuer.key.kid
        cache = JWKSCache(issuer.jwks_url, clock=clock)
        if expired:
            await cache.get(kid)
            clock.advance(FRESH + 1)
        before = cache.fetches
        issuer.delay = DELAY
        waits = await asyncio.gather(*(_wait(cache, kid) for _ in range(CALLERS)))
        if expired:
            await cache.refresh()  # joins the fetch under way
        fetches = cache.fetches - before
        await cache.aclose()
    return Rush(fetches, max(waits))


async def _wait(cache: JWKSCache, kid: str) -> float:
    start = perf_counter()
    if await cache.get(kid) is None:
        raise RuntimeError("no key")
    return perf_counter() - start


def memory() -> dict[str, tuple[int, int]]:
    """Of each cache, filled over its bound: its entries and its bytes."""
    return {
        "verified tokens": _held(_tokens),
        "limiter's buckets": _held(_buckets),
        "unknown key ids": _held(_unknown),
        f"narrations of {NARRATION} characters": _held(_narrations),
    }


def _held(fill: Callable[[], tuple[object, int]]) -> tuple[int, int]:
    fill()  # what is made once and stays: classes, tables, interned text
    gc.collect()
    tracemalloc.start()
    kept, entries = fill()
    gc.collect()
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    del kept
    return entries, held


def _tokens() -> tuple[object, int]:
    found = verifier(cache_size=VERIFIED)
    for index in range(VERIFIED + 100):
        found.verify_now(issuer.mint(sub=str(index)))
    return found, len(found._verified)


def _buckets() -> tuple[object, int]:
    buckets = LocalBuckets(capacity=BUCKETS)
    for _ in range(BUCKETS + 100):
        buckets.take_now(uuid4(), 20, 40)
    return buckets, len(buckets)


def _unknown() -> tuple[object, int]:
    cache = JWKSCache("http://127.0.0.1:9/keys")
    for index in range(MAX_NEGATIVE + 100):
        cache._remember_missing(f"{index:0128}")
    return cache, len(cache._negative)


def _narrations() -> tuple[object, int]:
    cache = NarrationCache()
    for index in range(DEFAULT_CAPACITY + 100):
        cache.put_now("tenant", str(index), Narration(f"{index:0{NARRATION}}"))
    return cache, len(cache._entries)


def main() -> None:
    """Print both."""
    for expired in (True, False):
        got = uvloop.run(rush(expired=expired))
        what = "expired" if expired else "never fetched"
        print(f"keys {what}, {CALLERS} callers: {got.fetches} fetch, the longest wait {got.longest * 1000:.1f} ms")
    for name, (entries, held) in memory().items():
        print(f"{held / 1e6:6.2f} MB  {entries} {name}")


if __name__ == "__main__":
    main()
