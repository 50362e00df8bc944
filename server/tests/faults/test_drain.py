"""Servers are restarted one after the other while people are at work behind a load balancer: nobody notices."""

from __future__ import annotations

import asyncio
import secrets
import signal
import time

import httpx2
import pytest
from services.pauses import Pauses

from faults import ROOM
from faults.balancer import Balancer
from faults.conftest import Stage
from faults.journal import Crowd, Journal
from faults.replicas import PASSWORD, Replica, until_ready
from identry.core.limits import ACCOUNT_FAILURES

pytestmark = [pytest.mark.alone, pytest.mark.timeout(300)]


DELAY = 2.0
"""Seconds that load balancers have to look away."""


async def restart_over_and_over(stage: Stage, times: int, room: float = 1.0) -> bool:
    """Whether the machine stood still meanwhile, for so long that the balancer could not look away in time."""
    env = {**stage.direct, "SHUTDOWN_DELAY": f"{DELAY:.0f}s"}
    replicas = [stage.fleet.launch(**env) for _ in range(2)]
    with Pauses() as pauses:
        journal, balancer = await _restarts(stage, replicas, env, times, room)
    for replica in replicas:
        replica.running.send(signal.SIGTERM)
    assert len(journal.answers) > 20 * times
    if pauses.longest > DELAY / 2:
        return True
    assert not journal.wrong(), [(a.path, a.status, a.seconds, a.text) for a in journal.wrong()][:10]
    assert balancer.refused_after_choice == 0
    return False


async def _restarts(
    stage: Stage, replicas: list[Replica], env: dict[str, str], times: int, room: float
) -> tuple[Journal, Balancer]:
    async with Balancer() as balancer:
        for replica in replicas:
            await until_ready(replica)
            balancer.add(replica.port)
        crowd = Crowd(lambda: [f"http://127.0.0.1:{balancer.port}"], stage.people, PASSWORD)
        async with crowd.at_work() as journal:
            await asyncio.sleep(1.0)
            for turn in range(times):
                old = replicas[turn % 2]
                told = time.monotonic()
                old.running.send(signal.SIGTERM)
                code = await asyncio.to_thread(old.running.process.wait, 30)
                assert (code, time.monotonic() - told < 10 * room) == (0, True), old.running.output[-3000:]
                balancer.remove(old.port)
                new = stage.fleet.launch(port=old.port, **env)
                await until_ready(new)
                balancer.add(new.port)
                replicas[turn % 2] = new
                await asyncio.sleep(0.5)
    return journal, balancer


async def test_restarts_go_unnoticed(stage: Stage) -> None:
    for _ in range(3):
        if not await restart_over_and_over(stage, 3, ROOM):
            return
    pytest.skip("the machine stands still for seconds, over and over")


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_a_hundred_restarts_go_unnoticed(stage: Stage) -> None:
    assert not await restart_over_and_over(stage, 100), "the machine stood still: nothing is proven"


async def test_ready_says_so_before_the_port_closes_and_a_second_sigterm_ends_at_once(stage: Stage) -> None:
    replica = await stage.fleet.start(**stage.direct, SHUTDOWN_DELAY="30s", SHUTDOWN_GRACE="60s")
    async with httpx2.AsyncClient(base_url=replica.base_url, timeout=20) as client:
        replica.running.send(signal.SIGTERM)
        seen: list[int] = []
        while seen.count(503) <= 10:
            seen.append((await client.get("/ready")).status_code)
            await asyncio.sleep(0.02)
    assert 200 not in seen[seen.index(503) :], "ready again while draining"
    assert replica.running.process.poll() is None
    replica.running.send(signal.SIGTERM)
    assert await asyncio.to_thread(replica.running.process.wait, 20) != 0


async def test_logins_in_flight_are_answered_when_the_delay_is_over(stage: Stage) -> None:
    slow = {"ARGON2_MEMORY": "65536", "ARGON2_TIME": "3", "ARGON2_THREADS": "1", "SHUTDOWN_DELAY": "0s"}
    replica = await stage.fleet.start(**stage.direct, **slow)
    limits = httpx2.Limits(max_connections=None)
    async with httpx2.AsyncClient(base_url=replica.base_url, timeout=60, limits=limits) as client:
        email = f"nobody-{secrets.token_hex(5)}@example.com"
        body = {"email": email, "password": PASSWORD}
        waiting = [asyncio.create_task(client.post("/auth/login", json=body)) for _ in range(4)]
        while stage.redis.attempts(ACCOUNT_FAILURES, "127.0.0.1", email) < 4:  # they are inside
            await asyncio.sleep(0.01)
        replica.running.send(signal.SIGTERM)
        answers = await asyncio.gather(*waiting)
    assert [answer.status_code for answer in answers] == [401] * 4
    assert await asyncio.to_thread(replica.running.process.wait, 30) == 0
