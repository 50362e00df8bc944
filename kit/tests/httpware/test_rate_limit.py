"""contracts/kit.md §3.1, with a clock that tests move."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest
from rows import every

from identry_kit import context
from identry_kit.httpware import CallerRateLimiter, LocalBuckets, RateLimiter
from identry_kit.httpware import ratelimit as module

TENANTS = [UUID(int=number) for number in range(1, 4)]


def as_tenant(tenant: UUID | None, sub: str = "") -> Any:
    return context.use(context.Caller(tenant_id=tenant, sub=sub))


async def statuses(call: Any, app: Any, count: int, **kwargs: Any) -> list[int]:
    return [(await call(app, **kwargs)).status for _ in range(count)]


@pytest.mark.parametrize(
    ("rps", "burst", "expected"),
    [(20, 3, [200, 200, 200, 429, 429]), (5, 0, [429] * 5), (0, 2, [200, 200, 429, 429, 429])],
)
async def test_a_bucket_starts_full(
    call: Any, reply: Any, clock: Any, rps: float, burst: int, expected: list[int]
) -> None:
    limiter = RateLimiter(reply(), rps, burst, buckets=LocalBuckets(clock=clock))
    with as_tenant(TENANTS[0]):
        assert await statuses(call, limiter, 5) == expected


async def test_the_refusal_is_the_contracts(call: Any, reply: Any) -> None:
    with as_tenant(TENANTS[0]):
        answer = await call(RateLimiter(reply(), 1, 0))
    assert answer.body == b'{"error":{"code":"rate_limited","message":"too many requests"}}'
    assert answer.headers["retry-after"] == "1"


async def test_it_refills_in_fractions_up_to_the_burst(clock: Any) -> None:
    buckets = LocalBuckets(clock=clock)
    assert [buckets.take_now("k", 2, 2) for _ in range(3)] == [0.0, 0.0, 0.5]
    clock.advance(0.25)
    assert buckets.take_now("k", 2, 2) == 0.25
    clock.advance(0.25)
    assert buckets.take_now("k", 2, 2) == 0.0
    clock.advance(500)
    assert [buckets.take_now("k", 2, 2) > 0 for _ in range(3)] == [False, False, True]


async def test_an_idle_bucket_is_dropped_and_starts_full(clock: Any) -> None:
    buckets = LocalBuckets(clock=clock)
    assert [buckets.take_now("k", 0, 1) for _ in range(2)] == [0.0, float("inf")]
    clock.advance(601)
    assert buckets.take_now("other", 1, 1) == 0.0
    assert "k" not in buckets
    assert buckets.take_now("k", 0, 1) == 0.0


async def test_a_clock_that_steps_back_gives_nothing(clock: Any) -> None:
    buckets = LocalBuckets(clock=clock)
    assert [buckets.take_now("k", 1, 1) for _ in range(2)] == [0.0, 1.0]
    clock.advance(-3600)
    assert buckets.take_now("k", 1, 1) == 1.0


async def test_tenants_never_share_and_no_tenant_passes(call: Any, reply: Any) -> None:
    limiter = RateLimiter(reply(), 0, 1)
    for tenant in TENANTS:
        with as_tenant(tenant):
            assert await statuses(call, limiter, 2) == [200, 429]
    assert await statuses(call, limiter, 50) == [200] * 50


async def test_memory_is_bounded_and_the_least_recently_used_goes_first(clock: Any) -> None:
    buckets = LocalBuckets(capacity=3, clock=clock)
    for key in ("a", "b", "c", "a", "d"):
        buckets.take_now(key, 1, 5)
    assert len(buckets) == 3
    assert "b" not in buckets
    assert "a" in buckets


async def test_a_hundred_at_once_get_exactly_the_burst(call: Any, reply: Any) -> None:
    limiter = RateLimiter(reply(), 0, 40)
    with as_tenant(TENANTS[0]):
        answers = await asyncio.gather(*(call(limiter) for _ in range(100)))
    assert sorted(answer.status for answer in answers) == [200] * 40 + [429] * 60


@pytest.mark.parametrize(("rps", "burst"), [(-1, 1), (1, -1)])
def test_negative_rates_are_a_mistake(reply: Any, rps: float, burst: int) -> None:
    with pytest.raises(ValueError, match="negative"):
        RateLimiter(reply(), rps, burst)


async def test_stop_may_be_called_twice_and_the_limit_still_holds(call: Any, reply: Any, clock: Any) -> None:
    for kind in (RateLimiter, CallerRateLimiter):
        limiter = kind(reply(), 1, 2, buckets=LocalBuckets(clock=clock))
        limiter.stop()
        limiter.stop()
        with as_tenant(TENANTS[0], "s"):
            assert await statuses(call, limiter, 3) == [200, 200, 429]


class TestByCaller:
    async def test_the_key_is_the_tenant_then_the_subject_then_the_address(
        self, call: Any, reply: Any, clock: Any
    ) -> None:
        limiter = CallerRateLimiter(reply(), 10, 20, clock=clock)
        with as_tenant(TENANTS[0], "s"):
            assert (await statuses(call, limiter, 21)).count(200) == 20
        with as_tenant(None, "s"):
            assert (await statuses(call, limiter, 21)).count(200) == 20
        assert (await statuses(call, limiter, 21)).count(200) == 2

    async def test_retry_after_is_the_wait_rounded_up(self, call: Any, reply: Any, clock: Any) -> None:
        limiter = CallerRateLimiter(reply(), 1, 1, anonymous_rps=0.3, anonymous_burst=1, clock=clock)
        await call(limiter)
        assert (await call(limiter)).headers["retry-after"] == "4"

    @pytest.mark.parametrize(
        ("first", "second", "same"),
        [
            ("2001:db8::1", "2001:db8::ffff", True),
            ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
            ("192.0.2.1", "192.0.2.2", False),
            ("192.0.2.1", "::ffff:192.0.2.1", True),
            ("garbage", "rubbish", True),
        ],
    )
    async def test_addresses(self, call: Any, reply: Any, clock: Any, first: str, second: str, same: bool) -> None:
        limiter = CallerRateLimiter(reply(), 10, 10, clock=clock)
        assert (await call(limiter, client=(first, 1))).status == 200
        assert (await call(limiter, client=(second, 1))).status == (429 if same else 200)

    async def test_a_flood_of_addresses_is_refused_and_does_not_push_out_the_known(
        self, call: Any, reply: Any, clock: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "MAX_ADDRESSES", 3)
        limiter = CallerRateLimiter(reply(), 100, 100, clock=clock)
        for number in range(3):
            assert (await call(limiter, client=(f"192.0.2.{number}", 1))).status == 200
        refused = await call(limiter, client=("198.51.100.1", 1))
        assert (refused.status, refused.headers["retry-after"]) == (429, "600")
        assert (await call(limiter, client=("192.0.2.0", 1))).status == 200
        clock.advance(601)
        assert (await call(limiter, client=("198.51.100.1", 1))).status == 200

    @every("arguments", [{"rps": 0}, {"burst": 0}, {"anonymous_rps": 0}, {"anonymous_burst": 0}])
    def test_zero_is_a_mistake(self, reply: Any, arguments: dict[str, int]) -> None:
        with pytest.raises(ValueError, match="above 0"):
            CallerRateLimiter(reply(), **arguments)
