"""Redis dies, freezes, vanishes or forgets, with sign-in failing closed on one server and open on the other."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import httpx2
import pytest
from services.pauses import Pauses

from faults import ROOM
from faults.conftest import Stage
from faults.proxy import Mode
from faults.replicas import PASSWORD, Replica, served

pytestmark = [pytest.mark.alone, pytest.mark.timeout(300)]

RECOVERY = 5.0 * ROOM
SLOW = 1.5
"""Seconds that an answer may take on a busy machine; the engine itself gives up on Redis within 0.2."""

Hurt = Callable[[Stage], None]


def _kill(stage: Stage) -> None:
    stage.redis.kill()


def _freeze(stage: Stage) -> None:
    stage.redis.pause()


def _black_hole(stage: Stage) -> None:
    stage.to_redis.set(Mode.BLACK_HOLE)


HURTS: dict[str, tuple[Hurt, Hurt]] = {
    "killed": (_kill, lambda stage: stage.redis.start() and None),
    "frozen": (_freeze, lambda stage: stage.redis.resume()),
    "black-hole": (_black_hole, lambda stage: stage.to_redis.set(Mode.PASS)),
}


@pytest.fixture(scope="module")
async def open_replica(stage: Stage) -> AsyncIterator[Replica]:
    """A third server, which lets people in when the limit cannot be checked."""
    through = f"redis://127.0.0.1:{stage.to_redis.port}/0"
    replica = await stage.fleet.start(RATE_LIMIT_FAIL_CLOSED_LOGIN="false", REDIS_URL=through)
    yield replica
    assert await asyncio.to_thread(replica.running.end) == 0


async def login(client: httpx2.AsyncClient, email: str, password: str = PASSWORD) -> Any:
    address = f"2001:db8:{secrets.token_hex(2)}:{secrets.token_hex(2)}::1"
    body = {"email": email, "password": password}
    return await client.post("/auth/login", json=body, headers={"X-Forwarded-For": address})


async def signed_in(client: httpx2.AsyncClient, email: str) -> dict[str, Any]:
    reply = await served(lambda: login(client, email))
    assert reply.status_code == 200, reply.text
    data: dict[str, Any] = reply.json()["data"]
    return data


def bearer(data: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {data['accessToken']}"}


async def in_time(client: httpx2.AsyncClient, ask: Callable[[], Awaitable[Any]]) -> Any:
    """An answer that came as soon as it has to, longer only by what the machine takes for one that asks nobody.

    A machine that stood still for longer than PostgreSQL is waited for proves nothing: then it is asked again.
    """
    while True:
        with Pauses() as pauses:
            started = time.monotonic()
            reply, idle = await asyncio.gather(ask(), client.get("/health"))
            assert idle.status_code == 200
            stood = 2 * idle.elapsed.total_seconds() + pauses.seconds
            assert time.monotonic() - started < SLOW + stood
        if reply.status_code != 503 or stood < 1:
            return reply


async def me(client: httpx2.AsyncClient, who: dict[str, Any]) -> Any:
    return await client.get("/auth/me", headers=bearer(who))


async def run_through(stage: Stage, open_replica: Replica, name: str) -> None:
    """Sessions begun and ended before and during an outage count as they should, during and after it."""
    hurt, heal = HURTS[name]
    urls = (stage.replicas[0].base_url, stage.replicas[1].base_url, open_replica.base_url)
    a, b, lenient = (httpx2.AsyncClient(base_url=url, timeout=20) for url in urls)
    async with a, b, lenient:
        ended = await signed_in(a, stage.people[0])
        kept = await signed_in(b, stage.people[1])
        late = await signed_in(lenient, stage.people[2])
        out = {"refreshToken": ended["refreshToken"]}
        assert (await served(lambda: a.post("/auth/logout", json=out))).status_code == 200

        hurt(stage)
        try:
            await asyncio.sleep(0.3)
            for client in (a, b):
                reply = await in_time(client, partial(login, client, stage.people[3]))
                assert (reply.status_code, reply.json()["error"]["code"]) == (503, "service_unavailable")
                assert 1 <= int(reply.headers["Retry-After"]) <= 5
            for password, status in ((PASSWORD, 200), ("wrong password", 401)):
                reply = await in_time(lenient, partial(login, lenient, stage.people[3], password))
                assert reply.status_code == status
            for client in (a, b, lenient):
                ready = await in_time(client, partial(client.get, "/ready"))
                assert ready.status_code == 503
                assert ready.json()["error"]["details"]["checks"]["postgres"] == "ok"
                for who, status in ((ended, 401), (kept, 200)):
                    assert (await in_time(client, partial(me, client, who))).status_code == status
            # An end that nobody could be told of is seen everywhere all the same.
            out = {"refreshToken": late["refreshToken"]}
            assert (await in_time(lenient, lambda: lenient.post("/auth/logout", json=out))).status_code == 200
            for client in (a, b, lenient):
                assert (await in_time(client, partial(me, client, late))).status_code == 401
        finally:
            await asyncio.to_thread(heal, stage)

        deadline = time.monotonic() + RECOVERY
        for client in (a, b, lenient):
            while (await client.get("/ready")).status_code != 200 or (
                await login(client, stage.people[3])
            ).status_code != 200:
                assert time.monotonic() < deadline, "not back in time"
                await asyncio.sleep(0.1)
            for over in (ended, late):
                assert (await served(partial(me, client, over))).status_code == 401


@pytest.mark.parametrize("name", HURTS)
async def test_without_redis_sessions_are_still_enforced(stage: Stage, open_replica: Replica, name: str) -> None:
    await run_through(stage, open_replica, name)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", HURTS)
async def test_outages_of_redis_over_and_over(stage: Stage, open_replica: Replica, name: str) -> None:
    for _ in range(10):
        await run_through(stage, open_replica, name)


async def test_failing_open_the_limit_still_holds_in_each_process(stage: Stage, open_replica: Replica) -> None:
    stage.to_redis.set(Mode.CUT)
    try:
        async with httpx2.AsyncClient(base_url=open_replica.base_url, timeout=20) as client:
            statuses = []
            for i in range(35):
                reply = await client.post(
                    "/auth/login",
                    json={"email": f"nobody-{i}@example.com", "password": PASSWORD},
                    headers={"X-Forwarded-For": "192.0.2.77"},
                )
                statuses.append(reply.status_code)
        assert statuses == [401] * 30 + [429] * 5
    finally:
        stage.to_redis.set(Mode.PASS)


async def test_a_redis_that_forgets_revives_nothing(stage: Stage) -> None:
    a, b = (httpx2.AsyncClient(base_url=replica.base_url, timeout=20) for replica in stage.replicas)
    async with a, b:
        over = await signed_in(a, stage.people[4])
        alive = await signed_in(b, stage.people[5])
        out = {"refreshToken": over["refreshToken"]}
        assert (await served(lambda: b.post("/auth/logout", json=out))).status_code == 200
        stage.redis.flush()
        for client in (a, b):
            assert (await served(partial(me, client, over))).status_code == 401
            refused = await served(partial(client.post, "/auth/refresh", json=out))
            assert refused.status_code == 401
            assert (await served(partial(me, client, alive))).status_code == 200
