"""PostgreSQL dies, freezes, throws us out or refuses writes, while people are at work on two servers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import asyncpg
import httpx2
import pytest

from faults import ROOM
from faults.conftest import Stage
from faults.journal import Journal
from faults.ledger import half_done, lost
from faults.proxy import Mode
from faults.replicas import served

pytestmark = [pytest.mark.alone, pytest.mark.timeout(300)]

POOL = 8
OUTAGE = 3.0
BUSY = 0.5
"""Seconds that a busy test machine may add to the two that a refusal takes at most."""
LOOKED = 0.2
"""Seconds after which a server that had no time takes Redis for gone."""
RECOVERY = 5.0
"""Seconds after PostgreSQL accepts again within which everything is served."""

Fault = Callable[[Stage], Awaitable[float]]
"""Returns the instant, by the monotonic clock, at which the healing began."""


async def _killed(stage: Stage) -> float:
    await stage.postgres.kill()
    await asyncio.sleep(OUTAGE)
    healing_at = time.monotonic()
    await stage.postgres.restart()
    return healing_at


async def _restarted(stage: Stage) -> float:
    await stage.postgres.stop()
    healing_at = time.monotonic()
    await stage.postgres.restart()
    return healing_at


async def _thrown_out(stage: Stage) -> float:
    for _ in range(5):
        await stage.postgres.terminate_backends()
        await asyncio.sleep(0.3)
    return time.monotonic()


async def _frozen(stage: Stage) -> float:
    stage.postgres.pause()
    await asyncio.sleep(OUTAGE + 1)
    healing_at = time.monotonic()
    stage.postgres.resume()
    return healing_at


async def _black_hole(stage: Stage) -> float:
    stage.to_postgres.set(Mode.BLACK_HOLE)
    await asyncio.sleep(OUTAGE)
    # What was swallowed never comes: those connections are dead although nobody closed them.
    stage.to_postgres.set(Mode.PASS)
    return time.monotonic()


async def _unreachable(stage: Stage) -> float:
    stage.to_postgres.set(Mode.CUT)
    await asyncio.sleep(OUTAGE)
    stage.to_postgres.set(Mode.PASS)
    return time.monotonic()


async def _read_only(stage: Stage) -> float:
    await stage.postgres.read_only(True)
    await asyncio.sleep(OUTAGE)
    healing_at = time.monotonic()
    await stage.postgres.read_only(False)
    return healing_at


FAULTS: dict[str, Fault] = {
    "killed": _killed,
    "thrown-out": _thrown_out,
    "frozen": _frozen,
    "black-hole": _black_hole,
    "read-only": _read_only,
}
MORE: dict[str, Fault] = {"restarted": _restarted, "unreachable": _unreachable}


@dataclass
class Probes:
    """What a load balancer saw: (asked at, answered at, status, text) of `/health` and `/ready` on both servers."""

    health: list[tuple[float, float, int, str]] = field(default_factory=list)
    ready: list[tuple[float, float, int, str]] = field(default_factory=list)

    @property
    def pause(self) -> float:
        """The longest that the machine kept a request waiting which touches nothing."""
        return max(answered - asked for asked, answered, _, _ in self.health)


@asynccontextmanager
async def probing(stage: Stage) -> AsyncIterator[Probes]:
    probes = Probes()

    async def probe(client: httpx2.AsyncClient, path: str, seen: list[tuple[float, float, int, str]]) -> None:
        while True:
            asked = time.monotonic()
            try:
                reply = await client.get(path)
                status, text = reply.status_code, reply.text
            except httpx2.TransportError as error:
                status, text = 0, repr(error)
            seen.append((asked, time.monotonic(), status, text))
            await asyncio.sleep(0.1)

    clients = [httpx2.AsyncClient(base_url=r.base_url, timeout=10) for r in stage.replicas]
    tasks = [asyncio.create_task(probe(c, "/health", probes.health)) for c in clients]
    tasks += [asyncio.create_task(probe(c, "/ready", probes.ready)) for c in clients]
    try:
        yield probes
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for client in clients:
            await client.aclose()


_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'identry%' AND wait_event_type = 'Lock'"


async def all_connections_work(stage: Stage) -> bool:
    """Whether both servers come to have as many statements under way as their pools have places."""
    for _ in range(5):  # each attempt lasts as long as the servers' patience: time to open them all, or only some
        if await _connections_in_use_at_once(stage) == 2 * POOL:
            return True
    return False


async def _connections_in_use_at_once(stage: Stage) -> int:
    """How many statements the servers have under way while a lock keeps every one of them waiting."""
    blocker = await asyncpg.connect(stage.postgres.url)
    watcher = await asyncpg.connect(stage.postgres.url)
    token = stage.admin.headers["Authorization"]
    try:
        async with httpx2.AsyncClient(timeout=30, headers={"Authorization": token}) as client:
            async with blocker.transaction():
                await blocker.execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
                # Each has a statement of its own; `/auth/me` would be asked for all of them in one.
                urls = [f"{r.base_url}/auth/me/access" for r in stage.replicas for _ in range(POOL + 4)]
                waiting = [asyncio.create_task(client.get(url)) for url in urls]
                most = 0
                for _ in range(12):
                    await asyncio.sleep(0.1)
                    most = max(most, await watcher.fetchval(_WAITING))
                    if most == 2 * POOL:
                        break
            await asyncio.gather(*waiting)
    finally:
        await blocker.close()
        await watcher.close()
    return most


async def _all_served(journal: Journal, deadline: float) -> float:
    """Wait for 1.5 seconds in which everything is served, begun before the deadline; returns when they began."""
    while True:
        began = time.monotonic()
        await asyncio.sleep(1.5)
        if {answer.status for answer in journal.since(began)} == {200} or began > deadline:
            return began


async def run_through(stage: Stage, fault: Fault, room: float = 1.0) -> None:
    """The whole of it: load, fault, recovery, the books. Seconds are allowed `room` times as many."""
    crowd = stage.crowd()
    async with probing(stage) as probes, crowd.at_work() as journal:
        await asyncio.sleep(1.0)
        hurt_at = time.monotonic()
        healing_at = await fault(stage)
        healed_at = time.monotonic()
        served_again = await _all_served(journal, healed_at + RECOVERY * room)

    assert not journal.wrong(503), journal.wrong(503)[:5]
    refused = [answer for answer in journal.answers if answer.status == 503]
    assert all(answer.retry_after for answer in refused)
    assert max(answer.seconds for answer in journal.answers) < 5.0 * room + 2 * probes.pause
    assert max((answer.seconds for answer in refused), default=0) < (2.0 + BUSY) * room + 2 * probes.pause
    assert served_again <= healed_at + RECOVERY * room, "not back in time"
    assert {status for _, _, status, _ in probes.health} == {200}
    if fault in {_killed, _frozen, _black_hole, _unreachable}:
        within = [status for asked, at, status, _ in probes.ready if hurt_at + 0.3 < asked and at < healing_at]
        assert set(within) <= {503}, "ready although PostgreSQL is away"
    after = [(status, text) for asked, _, status, text in probes.ready if asked > served_again]
    statuses = {status for status, _ in after}
    assert statuses == {200} or (200 in statuses and probes.pause > LOOKED), after
    assert not [text for status, text in after if status != 200 and '"postgres":"ok"' not in text], after
    assert await all_connections_work(stage)
    assert not await lost(journal, stage.people, stage.postgres)
    assert not await half_done(stage.people, stage.postgres)


@pytest.mark.parametrize("name", FAULTS)
async def test_an_outage_is_a_503_and_nothing_else(stage: Stage, name: str) -> None:
    await run_through(stage, FAULTS[name], ROOM)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("round_", range(10))
@pytest.mark.parametrize("name", {**FAULTS, **MORE})
async def test_outages_over_and_over(stage: Stage, name: str, round_: int) -> None:
    await run_through(stage, {**FAULTS, **MORE}[name])


async def test_with_writes_refused_reading_goes_on(stage: Stage) -> None:
    await stage.postgres.read_only(True)
    try:
        await asyncio.sleep(0.3)
        assert (await served(lambda: stage.admin.get("/auth/me"))).status_code == 200
        assert (await stage.admin.post("/auth/logout-all")).status_code == 503
    finally:
        await stage.postgres.read_only(False)
    assert (await served(lambda: stage.admin.get("/auth/me"))).status_code == 200
