"""contracts/kit.md §10: the memory, and one run for many callers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from rows import every

from identry_kit import context
from identry_kit.narration import DEFAULT_CAPACITY, DEFAULT_TTL, Narration, NarrationCache, cache_key

A, B = UUID(int=1), UUID(int=2)
ONE, TWO = Narration("one"), Narration("two")


def test_the_defaults_are_the_seeds() -> None:
    for cache in (NarrationCache(), NarrationCache(capacity=0, ttl=-1)):
        assert (cache.capacity, cache.ttl) == (1000, 900.0) == (DEFAULT_CAPACITY, DEFAULT_TTL)


def test_tenants_never_share(clock: Any) -> None:
    cache = NarrationCache(clock=clock)
    cache.put_now(A, "k", ONE)
    assert cache.get_now(B, "k") is None
    cache.put_now(B, "k", TWO)
    assert (cache.get_now(A, "k"), cache.get_now(str(B), "k")) == (ONE, TWO)


def test_an_entry_lives_its_time_and_a_hit_does_not_prolong_it(clock: Any) -> None:
    cache = NarrationCache(ttl=10, clock=clock)
    cache.put_now(A, "k", ONE)
    clock.advance(10)
    assert cache.get_now(A, "k") == ONE
    clock.advance(0.5)
    assert len(cache) == 1, "counted until somebody asks"
    assert cache.get_now(A, "k") is None
    assert len(cache) == 0


def test_a_new_value_has_a_new_time(clock: Any) -> None:
    cache = NarrationCache(ttl=10, clock=clock)
    cache.put_now(A, "k", ONE)
    clock.advance(9)
    cache.put_now(A, "k", TWO)
    clock.advance(9)
    assert (cache.get_now(A, "k"), len(cache)) == (TWO, 1)


def test_the_least_recently_used_goes_first(clock: Any) -> None:
    cache = NarrationCache(capacity=2, clock=clock)
    cache.put_now(A, "1", ONE)
    cache.put_now(A, "2", ONE)
    cache.get_now(A, "1")
    cache.put_now(A, "3", ONE)
    assert [cache.get_now(A, key) is not None for key in "123"] == [True, False, True]
    cache.put_now(A, "1", TWO)
    cache.put_now(A, "4", ONE)
    assert [cache.get_now(A, key) is not None for key in "134"] == [True, False, True]


def test_flush_forgets_one_tenant_or_all() -> None:
    cache = NarrationCache()
    for tenant in (A, B):
        cache.put_now(tenant, "k", ONE)
    cache.flush_now(A)
    assert (cache.get_now(A, "k"), cache.get_now(B, "k")) == (None, ONE)
    cache.flush_now()
    assert len(cache) == 0


@every(
    ("key", "output"),
    [
        (cache_key("f", "r", object()), ONE),
        ("k" * 2000, ONE),
        ("k\0", ONE),
        ("\ud800", ONE),
        ("k", Narration("x" * (64 << 10))),
        ("k", Narration("x", {"a": ["y" * 40_000, "z" * 40_000]})),
    ],
    ids=["uncacheable", "long key", "NUL", "lone surrogate", "long text", "much metadata"],
)
async def test_what_would_cost_too_much_memory_is_made_and_not_kept(key: str, output: Narration) -> None:
    cache, made = NarrationCache(), []

    async def make() -> Narration:
        made.append(1)
        return output

    assert [await cache.get_or_make(A, key, make) for _ in range(2)] == [output, output]
    assert (len(made), len(cache)) == (2, 0)


def test_threads_may_use_it_together() -> None:
    cache = NarrationCache(capacity=50)

    def work(seed: int) -> None:
        for number in range(300):
            cache.put_now(A, str((seed + number) % 80), ONE)
            cache.get_now(A, str(number % 80))
            if number % 100 == 0:
                cache.flush_now(B)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert len(cache) == 50


class Maker:
    """A `make` that counts its runs and waits until it is told."""

    def __init__(self, result: Narration | str | BaseException = ONE) -> None:
        self.result = result
        self.runs = 0
        self.started, self.go, self.cancelled = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def __call__(self) -> Narration | str:
        self.runs += 1
        self.started.set()
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        if isinstance(self.result, BaseException):
            raise self.result
        return self.result


def callers(cache: NarrationCache, make: Callable[[], Awaitable[Any]], count: int) -> list[asyncio.Task[Narration]]:
    return [asyncio.create_task(cache.get_or_make(A, "k", make)) for _ in range(count)]


class TestOneRunForMany:
    async def test_a_hundred_callers_run_it_once(self) -> None:
        cache, make = NarrationCache(), Maker()
        tasks = callers(cache, make, 100)
        await make.started.wait()
        make.go.set()
        assert await asyncio.gather(*tasks) == [ONE] * 100
        assert await cache.get_or_make(A, "k", make) is ONE
        assert make.runs == 1

    async def test_other_keys_and_tenants_do_not_wait_for_it(self) -> None:
        cache, slow, quick = NarrationCache(), Maker(), Maker("two")
        quick.go.set()
        (task,) = callers(cache, slow, 1)
        await slow.started.wait()
        assert await cache.get_or_make(B, "k", quick) == TWO
        assert await cache.get_or_make(A, "other", quick) == TWO
        slow.go.set()
        assert await task == ONE

    async def test_a_failure_goes_to_all_who_wait_and_is_not_kept(self) -> None:
        cache, make = NarrationCache(), Maker(LookupError("gone"))
        tasks = callers(cache, make, 3)
        await make.started.wait()
        make.go.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(result) for result in results] == [LookupError] * 3
        make.result = TWO
        assert await cache.get_or_make(A, "k", make) == TWO
        assert make.runs == 2

    async def test_one_who_leaves_takes_nothing_from_the_others(self) -> None:
        cache, make = NarrationCache(), Maker()
        first, second, third = callers(cache, make, 3)
        await make.started.wait()
        for leaving in (first, third):
            leaving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await leaving
        make.go.set()
        assert await second == ONE
        assert not make.cancelled.is_set()

    async def test_with_the_last_who_leaves_it_is_cancelled_and_the_next_begins_anew(self) -> None:
        cache, make = NarrationCache(), Maker()
        tasks = callers(cache, make, 2)
        await make.started.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        again = Maker(TWO)
        again.go.set()
        assert await cache.get_or_make(A, "k", again) == TWO
        await make.cancelled.wait()
        assert cache.get_now(A, "k") == TWO

    async def test_a_cancellation_from_inside_is_an_error_and_not_the_callers(self) -> None:
        make = Maker(asyncio.CancelledError())
        make.go.set()
        with pytest.raises(RuntimeError, match="cancelled from inside"):
            await NarrationCache().get_or_make(A, "k", make)

    async def test_what_was_begun_before_a_flush_is_not_kept_after_it(self) -> None:
        cache, make = NarrationCache(), Maker()
        (task,) = callers(cache, make, 1)
        await make.started.wait()
        cache.flush_now(B)
        cache.flush_now(A)
        again = Maker(TWO)
        again.go.set()
        assert await cache.get_or_make(A, "k", again) == TWO
        make.go.set()
        assert await task == ONE
        assert cache.get_now(A, "k") == TWO

    async def test_it_runs_in_the_context_of_the_first_caller(self) -> None:
        cache = NarrationCache()

        async def make() -> str:
            return f"for {context.user_sub()}"

        with context.use(context.Caller(sub="first")):
            assert (await cache.get_or_make(A, "k", make)).narrative == "for first"

    def test_one_cache_serves_one_event_loop_after_another(self) -> None:
        cache, make = NarrationCache(), Maker

        async def once(key: str) -> Narration:
            maker = make()
            maker.go.set()
            return await cache.get_or_make(A, key, maker)

        assert [asyncio.run(once(key)) for key in ("1", "2", "1")] == [ONE] * 3
        assert not cache._flights


class Below:
    """A layer that counts, and fails or hangs when told."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], Narration] = {}
        self.asked = 0
        self.fault: Exception | None = None
        self.hang = False

    async def _suffer(self) -> None:
        self.asked += 1
        if self.hang:
            await asyncio.Event().wait()
        if self.fault is not None:
            raise self.fault

    async def get(self, tenant: UUID | str, key: str) -> Narration | None:
        await self._suffer()
        return self.kept.get((str(tenant), key))

    async def put(self, tenant: UUID | str, key: str, output: Narration) -> None:
        await self._suffer()
        self.kept[str(tenant), key] = output

    async def flush(self, tenant: UUID | str | None = None) -> None:
        await self._suffer()
        self.kept.clear()

    async def size(self) -> int:
        return len(self.kept)


class TestWithALayerBelow:
    async def test_what_is_not_in_memory_is_read_from_below_and_then_is(self) -> None:
        below = Below()
        below.kept[str(A), "k"] = ONE
        cache = NarrationCache(below=below)
        assert [await cache.get(A, "k") for _ in range(3)] == [ONE] * 3
        assert below.asked == 1
        assert await cache.get(B, "k") is None

    async def test_what_is_made_is_written_to_both(self) -> None:
        below = Below()
        cache, make = NarrationCache(below=below), Maker()
        make.go.set()
        await cache.get_or_make(A, "k", make)
        assert (below.kept[str(A), "k"], await cache.size(), await below.size()) == (ONE, 1, 1)
        fresh = NarrationCache(below=below)
        assert await fresh.get_or_make(A, "k", make) == ONE
        assert make.runs == 1
        await fresh.flush()
        assert (len(fresh), below.kept) == (0, {})

    async def test_one_that_fails_is_left_alone_for_a_while_and_said_once(
        self, clock: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO")
        below = Below()
        below.fault = OSError("postgres://user:secret@host")
        cache = NarrationCache(below=below, clock=clock)
        for number in range(5):
            await cache.put(A, str(number), ONE)
            assert await cache.get(A, f"unknown {number}") is None
        assert below.asked == 1
        clock.advance(6)
        await cache.get(A, "x")
        assert below.asked == 2
        clock.advance(6)
        below.fault = None
        await cache.put(A, "x", TWO)
        assert below.kept == {(str(A), "x"): TWO}
        said = [record.message for record in caplog.records if record.name == "identry_kit.narration"]
        assert said == ["narration store unavailable, going on without it: OSError", "narration store is back"]
        assert "secret" not in caplog.text

    async def test_one_that_hangs_costs_one_wait(self, clock: Any) -> None:
        below = Below()
        below.hang = True
        cache, make = NarrationCache(below=below, below_timeout=0.01, clock=clock), Maker()
        make.go.set()
        assert await cache.get_or_make(A, "k", make) == ONE
        assert below.asked == 1

    async def test_a_flush_that_fails_below_is_no_secret(self) -> None:
        below = Below()
        below.fault = OSError("away")
        cache = NarrationCache(below=below)
        cache.put_now(A, "k", ONE)
        with pytest.raises(OSError, match="away"):
            await cache.flush()
        assert len(cache) == 0
