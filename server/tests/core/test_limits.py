"""The limiter: exact in every interval (SECURITY §5, F22), strict or lenient without Redis as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rows import every
from services.clocks import StillClock
from services.ports import free_port
from services.redis import RedisServer
from structlog.testing import capture_logs

from identry.core.clock import MovableClock
from identry.core.kv import KV, MemoryKV
from identry.core.kv.redis import RedisKV
from identry.core.limits import ACCOUNT_FAILURES, LOGIN, Limit, Limiter, LimiterUnavailable, RateLimited


class SetClock(MovableClock):
    """Stands still between moves, at whole milliseconds, so that a model can follow exactly."""

    def __init__(self) -> None:
        super().__init__()
        self.at = 1_800_000_000.0

    def timestamp(self) -> float:
        return self.at


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[RedisServer]:
    server = RedisServer().start()
    yield server
    server.stop()


def memory() -> MemoryKV:
    return MemoryKV(StillClock())


def limiter_on(kv: KV) -> Limiter:
    return Limiter(kv)


async def spent(limiter: Limiter, limit: Limit, *key: str | None) -> bool:
    """Whether one more attempt is refused."""
    try:
        await limiter.spend(limit, *key)
    except RateLimited:
        return True
    return False


STEPS = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 7, 500, 999, 1000, 1001]) | st.integers(0, 3000), st.sampled_from(["a", "a", "a", "b"])
    ),
    max_size=60,
)


class Model:
    """The definition, by brute force: allowed when fewer than `limit` allowed attempts lie in the last window."""

    def __init__(self, limit: int, window_ms: int) -> None:
        self.limit, self.window_ms = limit, window_ms
        self.allowed: dict[str, list[int]] = {}

    def hit(self, key: str, now: int) -> tuple[bool, int]:
        recent = [at for at in self.allowed.setdefault(key, []) if at >= now - self.window_ms]
        if len(recent) >= self.limit:
            return False, 0
        self.allowed[key].append(now)
        return True, self.limit - len(recent) - 1


async def follow(kv, clock: SetClock, steps: list[tuple[int, str]], limit: int) -> None:
    model, now = Model(limit, 1000), 0
    start = clock.at
    for wait, key in steps:
        now += wait
        clock.at = start + now / 1000
        hit = await kv.hit(key, limit, 1.0)
        assert (hit.allowed, hit.remaining) == model.hit(key, now)
        if not hit.allowed:
            assert 0 < hit.retry_after <= 1.001
            earliest = round((clock.at + hit.retry_after - start) * 1000)
            assert sum(at >= earliest - 1000 for at in model.allowed[key]) <= limit, "retry_after is late enough"
            assert sum(at >= earliest - 1 - 1000 for at in model.allowed[key]) >= limit, "and no later"
    for times in model.allowed.values():
        for first, last in zip(times, times[limit:], strict=False):
            assert last - first > 1000
        assert all(a <= b for a, b in pairwise(times))


@given(STEPS, st.integers(1, 5))
async def test_the_twin_follows_the_definition(steps: list[tuple[int, str]], limit: int):
    clock = SetClock()
    await follow(MemoryKV(clock), clock, steps, limit)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, limit=st.integers(1, 5))
async def test_redis_follows_the_definition(server: RedisServer, steps: list[tuple[int, str]], limit: int):
    server.flush()
    clock = SetClock()
    kv = RedisKV(server.url, clock=clock, timeout=20)
    try:
        await follow(kv, clock, steps, limit)
    finally:
        await kv.close()


async def test_several_workers_share_one_limit(server: RedisServer):
    server.flush()
    workers = [RedisKV(server.url, timeout=20) for _ in range(4)]
    limiters = [limiter_on(kv) for kv in workers]
    refused = await asyncio.gather(*(spent(limiters[n % 4], LOGIN, "192.0.2.1") for n in range(200)))
    assert refused.count(False) == LOGIN.limit
    for kv in workers:
        await kv.close()


async def test_a_refusal_says_when_to_come_back():
    clock = StillClock()
    limiter = limiter_on(MemoryKV(clock))
    limit = Limit("x", 1, 60)
    await limiter.spend(limit, "k")
    clock.advance(50.5)
    with pytest.raises(RateLimited) as refusal:
        await limiter.spend(limit, "k")
    assert (refusal.value.status, refusal.value.code) == (429, "rate_limited")
    assert refusal.value.headers == {"Retry-After": "10"}
    clock.advance(10)
    await limiter.spend(limit, "k")


async def test_a_stranger_cannot_lock_an_owner_out():
    """Failures count for the pair of address and account."""
    limiter = limiter_on(memory())
    while not await spent(limiter, ACCOUNT_FAILURES, "203.0.113.7", "owner@example.com"):
        pass
    assert not await spent(limiter, ACCOUNT_FAILURES, "192.0.2.1", "owner@example.com")
    assert not await spent(limiter, ACCOUNT_FAILURES, "203.0.113.7", "other@example.com")


async def test_only_failures_count_when_a_success_is_refunded():
    limiter = limiter_on(memory())
    for _ in range(30):
        await limiter.spend(ACCOUNT_FAILURES, "192.0.2.1", "a@example.com")
        await limiter.refund(ACCOUNT_FAILURES, "192.0.2.1", "a@example.com")
    for _ in range(ACCOUNT_FAILURES.limit):
        assert not await spent(limiter, ACCOUNT_FAILURES, "192.0.2.1", "a@example.com")
    assert await spent(limiter, ACCOUNT_FAILURES, "192.0.2.1", "a@example.com")


async def test_guesses_in_parallel_stay_within_the_limit():
    limiter = limiter_on(memory())

    async def guess() -> bool:
        if await spent(limiter, ACCOUNT_FAILURES, "192.0.2.1", "a@example.com"):
            return False
        await asyncio.sleep(0.01)  # the password is being verified; it is wrong
        return True

    assert sum(await asyncio.gather(*(guess() for _ in range(100)))) == ACCOUNT_FAILURES.limit


async def test_forgetting_gives_every_attempt_back():
    limiter = Limiter(memory(), fallback=memory())
    limit = Limit("x", 2, 60)
    while not await spent(limiter, limit, "k"):
        pass
    await limiter.forget(limit, "k")
    assert not await spent(limiter, limit, "k")


@every(
    ("one", "other"),
    [
        (("ab", "c"), ("a", "bc")),
        (("a", "b"), ("a:b",)),
        (("a\x00b",), ("a", "b")),
        (("a", ""), ("a",)),
        (("a", None), ("a", "")),
        ((None, "a"), ("a", None)),
        (("192.0.2.1",), ("192.0.2.2",)),
        (("2001:db8:0:1::1",), ("2001:db8:0:2::1",)),
        (("\ud800",), ("\ud801",)),
    ],
)
async def test_different_keys_never_meet(one: tuple[str | None, ...], other: tuple[str | None, ...]):
    limiter = limiter_on(memory())
    limit = Limit("x", 1, 60)
    await limiter.spend(limit, *one)
    await limiter.spend(limit, *other)


async def test_addresses_of_one_ipv6_subscriber_count_together():
    limiter = limiter_on(memory())
    refused = [await spent(limiter, LOGIN, f"2001:db8:1:2:{n:x}::{n:x}") for n in range(1, 200)]
    assert refused.count(False) == LOGIN.limit


async def test_the_same_key_under_two_limits_is_two_things():
    limiter = limiter_on(memory())
    await limiter.spend(Limit("x", 1, 60), "k")
    await limiter.spend(Limit("y", 1, 60), "k")


@pytest.mark.parametrize("values", [("", 1, 1.0), ("x", 0, 1.0), ("x", 1, 0.0)])
def test_a_limit_that_limits_nothing_or_everything_is_refused(values: tuple[str, int, float]):
    with pytest.raises(ValueError, match="not a limit"):
        Limit(*values)


@pytest.fixture
async def away() -> AsyncIterator[RedisKV]:
    """A Redis that is not there."""
    kv = RedisKV(f"redis://127.0.0.1:{free_port()}/0")
    yield kv
    await kv.close()


async def test_failing_closed_an_outage_refuses_and_says_when_to_come_back(away: RedisKV):
    limiter = limiter_on(away)
    for _ in range(5):
        with pytest.raises(LimiterUnavailable) as refusal:
            await limiter.spend(LOGIN, "192.0.2.1")
        assert (refusal.value.status, refusal.value.code) == (503, "service_unavailable")
        assert refusal.value.headers == {"Retry-After": "2"}
    await limiter.refund(LOGIN, "192.0.2.1")
    await limiter.forget(LOGIN, "192.0.2.1")


async def test_failing_open_an_outage_is_bridged_in_process_and_said_once():
    server = RedisServer().start()
    kv = RedisKV(server.url, timeout=20, probe_interval=0.1)
    limiter = Limiter(kv, fallback=memory())
    limit = Limit("x", 3, 60)
    try:
        assert not await spent(limiter, limit, "k")
        with capture_logs() as logs:
            server.kill()
            refused = [await spent(limiter, limit, "k") for _ in range(5)]
            assert refused == [False, False, False, True, True]
            await limiter.refund(limit, "k")
            assert not await spent(limiter, limit, "k")
            server.start()
            async with asyncio.timeout(30):
                while not [entry for entry in logs if entry["event"] == "kv.recovered"]:
                    await asyncio.sleep(0.02)
            assert not await spent(limiter, limit, "k")
        mine = [entry["event"] for entry in logs if entry["event"].startswith("limits.")]
        assert mine == ["limits.degraded", "limits.restored"]
    finally:
        await kv.close()
        server.stop()
