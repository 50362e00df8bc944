"""`RedisBuckets` on a real Redis: counted together, and what happens when it dies, hangs and comes back."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from math import inf
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import redis.asyncio
from services.redis import RedisServer
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, Router

from identry_kit import context
from identry_kit.httpware import CallerRateLimiter, LocalBuckets, RateLimiter, RedisBuckets, standard_stack

PASSWORD = "not-for-logs"


@pytest.fixture(scope="module")
def one_server() -> Iterator[RedisServer]:
    server = RedisServer(password=PASSWORD).start()
    yield server
    server.stop()


@pytest.fixture
def server(one_server: RedisServer) -> RedisServer:
    one_server.flush()
    return one_server


@pytest.fixture
async def fragile() -> AsyncIterator[RedisServer]:
    server = RedisServer(password=PASSWORD).start()
    yield server
    server.stop()


@pytest.fixture
async def make(clock: Any) -> AsyncIterator[Any]:
    """`make(server, …)`: buckets as another process would have them."""
    made: list[RedisBuckets] = []

    def make(server: RedisServer, **options: Any) -> RedisBuckets:
        made.append(RedisBuckets(server.url, **{"clock": clock, "timeout": 20} | options))
        return made[-1]

    yield make
    for buckets in made:
        await buckets.aclose()


@pytest.fixture
async def raw(server: RedisServer) -> AsyncIterator[Any]:
    async with redis.asyncio.Redis.from_url(server.url, decode_responses=True) as client:
        yield client


async def later(raw: Any, key: str, seconds: float) -> None:
    """What a bucket holds after `seconds`: the time at which it is full is so much nearer."""
    name = f"identry:rate:b:{key}"
    await raw.set(name, float(await raw.get(name)) - seconds * 1e6, keepttl=True)


async def test_all_processes_spend_from_one_bucket(server: RedisServer, make: Any) -> None:
    first, second = make(server), make(server)
    waits = [await buckets.take("k", 0.001, 4) for buckets in (first, second) * 3]
    assert [wait > 0 for wait in waits] == [False] * 4 + [True] * 2


async def test_a_hundred_at_once_get_exactly_the_burst(server: RedisServer, make: Any) -> None:
    pair = make(server), make(server)
    waits = await asyncio.gather(*(pair[number % 2].take("k", 0.001, 40) for number in range(100)))
    assert sorted(wait > 0 for wait in waits) == [False] * 40 + [True] * 60


async def test_it_refills_in_fractions_up_to_the_burst(server: RedisServer, make: Any, raw: Any) -> None:
    buckets = make(server)
    assert [await buckets.take("k", 0.01, 2) for _ in range(2)] == [0.0, 0.0]
    assert 80 < await buckets.take("k", 0.01, 2) <= 100
    await later(raw, "k", 50)
    assert 30 < await buckets.take("k", 0.01, 2) <= 50
    await later(raw, "k", 50)
    assert await buckets.take("k", 0.01, 2) == 0.0
    await later(raw, "k", 100_000)
    assert [await buckets.take("k", 0.01, 2) > 0 for _ in range(3)] == [False, False, True]


@pytest.mark.parametrize(("rps", "burst", "admitted"), [(5, 0, 0), (0, 2, 2), (0.001, 3, 3), (0.03, 1, 1), (1e6, 5, 8)])
async def test_it_decides_as_the_buckets_in_process_do(
    server: RedisServer, make: Any, clock: Any, rps: float, burst: int, admitted: int
) -> None:
    buckets, local = make(server), LocalBuckets(clock=clock)
    answers = []
    for _ in range(8):
        answers.append(await buckets.take("k", rps, burst))
        if rps < 1e6:  # that many refill between any two calls
            assert (answers[-1] > 0) == (local.take_now("k", rps, burst) > 0)
    assert answers.count(0.0) == admitted
    assert rps or answers[-1] == inf


async def test_a_clock_that_was_set_back_locks_nobody_out(server: RedisServer, make: Any, raw: Any) -> None:
    buckets = make(server)
    await buckets.take("k", 1, 2)
    await later(raw, "k", -3600)
    assert 0 < await buckets.take("k", 1, 2) <= 1
    await later(raw, "k", 1)
    assert await buckets.take("k", 1, 2) == 0.0


async def test_buckets_are_forgotten_when_full_and_after_ten_minutes_at_most(
    server: RedisServer, make: Any, raw: Any
) -> None:
    buckets = make(server)
    await buckets.take("quick", 100, 5)
    await buckets.take("slow", 0.001, 5)
    await buckets.take("never", 0, 5)
    assert await raw.pttl("identry:rate:b:quick") in {-2, *range(11)}, "milliseconds; -2: it is gone"
    for name in ("b:slow", "n:never"):
        assert 590_000 < await raw.pttl(f"identry:rate:{name}") <= 600_000


async def test_one_round_trip_for_a_request(server: RedisServer, make: Any, raw: Any) -> None:
    buckets = make(server)
    await buckets.take("k", 1, 100)
    before = (await raw.info("commandstats"))["cmdstat_evalsha"]["calls"]
    for _ in range(10):
        await buckets.take("k", 1, 100)
    after = await raw.info("commandstats")
    assert after["cmdstat_evalsha"]["calls"] - before == 10
    assert after["cmdstat_eval"]["calls"] <= 1


async def until_available(buckets: RedisBuckets, clock: Any) -> None:
    """Probe after probe: a machine that had no time for one is not Redis being away."""
    async with asyncio.timeout(60):
        while not buckets.available:
            clock.advance(2)
            await buckets.take("first", 0.001, 10)
            assert buckets._probing is not None
            await buckets._probing


async def test_redis_may_die_and_come_back(
    fragile: RedisServer, make: Any, clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    buckets = make(fragile)
    assert await buckets.take("k", 0.001, 1) == 0.0
    fragile.kill()
    waits = await asyncio.gather(*(buckets.take("k", 0.001, 3) for _ in range(8)))
    assert sorted(wait > 0 for wait in waits) == [False] * 3 + [True] * 5, "counted in this process"
    assert not buckets.available
    for _ in range(3):
        clock.advance(2)
        await buckets.take("k", 0.001, 3)
        await buckets._probing
    assert not buckets.available
    fragile.start()
    await buckets.take("k", 0.001, 3)
    assert not buckets.available, "no probe before its time"
    await until_available(buckets, clock)
    assert [await buckets.take("k", 0.001, 1) > 0 for _ in range(2)] == [False, True], (
        "counted in Redis, which is empty"
    )
    said = [(record.levelname, record.message) for record in caplog.records if record.name == "identry_kit.ratelimit"]
    assert [level for level, _ in said] == ["WARNING", "INFO"]
    assert PASSWORD not in caplog.text
    assert str(fragile.port) not in "".join(message for _, message in said)


async def test_redis_may_hang_and_come_back(fragile: RedisServer, make: Any, clock: Any) -> None:
    buckets = make(fragile, timeout=0.05)
    await buckets.take("first", 0.001, 10)
    await until_available(buckets, clock)
    fragile.pause()
    waits = await asyncio.gather(*(buckets.take("k", 0.001, 3) for _ in range(50)))
    assert sorted(wait > 0 for wait in waits) == [False] * 3 + [True] * 47
    assert await buckets.take("k", 0.001, 3) > 0
    clock.advance(2)
    await buckets.take("k", 0.001, 3)
    await buckets._probing
    assert not buckets.available
    fragile.resume()
    async with asyncio.timeout(60):
        while await buckets.take("k", 0.001, 10):  # counted in Redis, which knows nothing of it
            await until_available(buckets, clock)


async def test_a_redis_that_refuses_is_as_good_as_none(
    server: RedisServer, make: Any, raw: Any, caplog: pytest.LogCaptureFixture, clock: Any
) -> None:
    await raw.execute_command("ACL", "SETUSER", "reader", "on", f">{PASSWORD}", "~*", "+get", "+ping")
    buckets = make(server)
    buckets = RedisBuckets(server.url.replace("://:", "://reader:"), clock=clock)
    for _ in range(3):
        clock.advance(2)
        assert await buckets.take("k", 1, 100) == 0.0
        if buckets._probing is not None:
            await buckets._probing
    assert not buckets.available
    assert caplog.text.count("Redis is unavailable") == 1
    await buckets.aclose()
    await buckets.aclose()


@pytest.mark.parametrize("kind", [RateLimiter, CallerRateLimiter])
async def test_a_limiter_takes_it_as_it_takes_local_ones(
    call: Any, reply: Any, server: RedisServer, make: Any, kind: type[RateLimiter]
) -> None:
    limiters = [kind(reply(), 0.001, 3, buckets=make(server)) for _ in range(2)]
    for tenant in (UUID(int=1), UUID(int=2)):
        with context.use(context.Caller(tenant_id=tenant)):
            statuses = [(await call(limiters[number % 2])).status for number in range(5)]
        assert statuses == [200] * 3 + [429] * 2


async def test_a_shared_limiter_counts_subjects_and_addresses_too(
    call: Any, reply: Any, server: RedisServer, make: Any, raw: Any
) -> None:
    limiter = CallerRateLimiter(reply(), 0.01, 20, buckets=make(server))
    with context.use(context.Caller(sub="someone")):
        await call(limiter)
    assert [(await call(limiter)).status for _ in range(3)] == [200, 200, 429]
    refused = await call(limiter)
    assert refused.headers["retry-after"] == "600"
    assert sorted(await raw.keys("*")) == ["identry:rate:b:a:192.0.2.1", "identry:rate:b:s:someone"]
    assert await raw.get("identry:rate:b:s:someone")
    plain = RateLimiter(reply(), 0.01, 20, buckets=make(server))
    assert [(await call(plain)).status for _ in range(30)] == [200] * 30, "no tenant, no limit"


@pytest.mark.parametrize("url", ["", "http://:secret@host", "redis://:secret@host:port/0"])
def test_a_url_that_cannot_be_used_is_refused_at_once_and_not_shown(url: str) -> None:
    with pytest.raises(ValueError, match="not a usable Redis URL") as caught:
        RedisBuckets(url)
    assert "secret" not in f"{caught.value!r}"
    assert PASSWORD not in repr(RedisBuckets(f"redis://:{PASSWORD}@127.0.0.1:1/0"))


def test_one_set_of_buckets_serves_one_event_loop_after_another(server: RedisServer) -> None:
    buckets = RedisBuckets(server.url, timeout=20)

    async def once() -> float:
        try:
            return await buckets.take("k", 0.001, 1)
        finally:
            await buckets.aclose()

    assert [asyncio.run(once()) > 0 for _ in range(2)] == [False, True]


def test_without_the_driver_the_extra_is_named() -> None:
    code = "import sys; sys.modules['redis'] = None; from identry_kit.httpware import RedisBuckets; RedisBuckets('redis://x')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install 'identry-kit[redis]'" in done.stderr.splitlines()[-1]


class Hello(HTTPEndpoint):
    async def get(self, request: Any) -> PlainTextResponse:
        return PlainTextResponse("hello")


class AsTenant:
    """In the place of `jwtauth`: everybody is from one tenant."""

    def __init__(self, app: Any, verifier: object) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        with context.use(context.Caller(tenant_id=UUID(int=7))):
            await self.app(scope, receive, send)


async def test_the_readmes_lines_about_limits_and_figures_are_true(call: Any, server: RedisServer) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    code = readme.split("## Limits for all processes")[1].split("```python\n")[1].split("```")[0]
    names: dict[str, Any] = {"orders": Router([Route("/orders", Hello)]), "JWTAuth": AsTenant, "verifier": None}
    names |= {"Route": Route, "Mount": Mount, "Starlette": Starlette, "standard_stack": standard_stack}
    exec(compile(code.replace("redis://127.0.0.1:6379/0", server.url), "README.md", "exec"), names)
    names["buckets"]._timeout = 5
    statuses = [(await call(names["app"], "/api/orders")).status for _ in range(40)]
    assert statuses == [200] * 40
    assert 429 in [
        answer.status for answer in await asyncio.gather(*(call(names["app"], "/api/orders") for _ in range(200)))
    ]
    figures = (await call(names["app"], "/metrics")).body.decode()
    assert 'identry_http_requests_total{service="orders",route="/api/orders",method="GET",status="2xx"}' in figures
    await names["buckets"].aclose()
