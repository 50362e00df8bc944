"""What ends on one server has ended on the other: after the answer, nothing there counts it as alive any more."""

from __future__ import annotations

import asyncio
from functools import partial

import httpx2
import pytest

from faults.conftest import Stage
from faults.replicas import MACHINE_KEY, served
from faults.test_redis_outage import bearer, signed_in

pytestmark = [pytest.mark.alone, pytest.mark.timeout(300)]

ROUNDS = 25


async def test_an_end_on_one_server_is_seen_by_the_other_at_once(stage: Stage) -> None:
    a, b = (httpx2.AsyncClient(base_url=replica.base_url, timeout=20) for replica in stage.replicas)
    async with a, b:
        for number in range(ROUNDS):
            tokens = await signed_in(a, stage.others[number % len(stage.others)])
            me = partial(b.get, "/auth/me", headers=bearer(tokens))
            assert (await served(me)).status_code == 200
            stale: list[int] = []
            over = asyncio.Event()

            hammering = [asyncio.create_task(_hammer(b, bearer(tokens), over, stale)) for _ in range(3)]
            if number % 2:
                end = partial(a.post, "/auth/logout", json={"refreshToken": tokens["refreshToken"]})
            else:
                path = f"/internal/sessions/{tokens['sessionId']}/revoke"
                end = partial(a.post, path, headers={"X-Internal-API-Key": MACHINE_KEY})
            reply = await served(end)
            assert reply.status_code == 200, reply.text
            over.set()
            await asyncio.gather(*hammering)
            assert not stale
            assert (await served(me)).status_code == 401
            refused = await served(partial(b.post, "/auth/refresh", json={"refreshToken": tokens["refreshToken"]}))
            assert refused.status_code == 401


async def _hammer(client: httpx2.AsyncClient, headers: dict[str, str], over: asyncio.Event, stale: list[int]) -> None:
    """Ask over and over; answers to questions asked after the end that count it as alive go to `stale`."""
    for _ in range(15):
        ended = over.is_set()
        status = (await client.get("/auth/me", headers=headers)).status_code
        if ended and status not in {401, 503}:  # no time to look is no answer
            stale.append(status)
