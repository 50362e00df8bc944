"""Servers are killed (SIGKILL) in full flight: what was acknowledged is kept, what was not is whole or absent."""

from __future__ import annotations

import asyncio
import os
import signal
import time

import pytest
from services.program import all_gone, children

from faults.conftest import Stage
from faults.journal import NO_ANSWER, Crowd
from faults.ledger import half_done, lost
from faults.replicas import PASSWORD, Replica, until_ready

pytestmark = [pytest.mark.alone, pytest.mark.timeout(300)]


def kill(replica: Replica) -> None:
    """SIGKILL to the supervisor and every worker."""
    pid = replica.running.process.pid
    pids = [pid, *children(pid)]
    for victim in pids:
        os.kill(victim, signal.SIGKILL)
    replica.running.process.wait()
    assert all_gone(pids)


async def kill_over_and_over(stage: Stage, times: int) -> None:
    replicas = [stage.fleet.launch(**stage.direct) for _ in range(2)]
    for replica in replicas:
        await until_ready(replica)
    crowd = Crowd(lambda: [replica.base_url for replica in replicas], stage.people, PASSWORD)
    async with crowd.at_work() as journal:
        for turn in range(times):
            await asyncio.sleep(0.7)
            old = replicas[turn % 2]
            kill(old)
            new = stage.fleet.launch(port=old.port, **stage.direct)
            started = time.monotonic()
            await until_ready(new)
            assert time.monotonic() - started < 30
            replicas[turn % 2] = new
        await asyncio.sleep(1.0)
    for replica in replicas:
        kill(replica)
    assert not journal.wrong(503, NO_ANSWER), journal.wrong(503, NO_ANSWER)[:5]
    assert len([story for story in journal.stories if story.ended]) > times
    assert not await lost(journal, stage.people, stage.postgres)
    assert not await half_done(stage.people, stage.postgres)


async def test_kills_lose_nothing(stage: Stage) -> None:
    await kill_over_and_over(stage, 3)


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_thirty_kills_lose_nothing(stage: Stage) -> None:
    await kill_over_and_over(stage, 30)
