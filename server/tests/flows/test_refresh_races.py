"""One refresh token presented by many at once, to two processes that share nothing but the engines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from harness import Harness, Servers
from instances import instances

CROWD = 200
Pair = list[httpx2.AsyncClient]


@pytest.fixture(scope="module")
async def pair(servers: Servers) -> AsyncIterator[Pair]:
    async with instances(servers, 2, REFRESH_GRACE="60s") as clients:
        yield clients


async def _post(app: Harness, client: httpx2.AsyncClient, token: str) -> Any:
    """One answer; 503 is no answer but a request to come back (a busy machine sheds load), and a client does."""
    while True:
        reply = await client.post(
            "/auth/refresh", json={"refreshToken": token}, headers={"X-Forwarded-For": app.fresh_ip()}
        )
        if reply.status_code != 503:
            return reply
        await asyncio.sleep(float(reply.headers["Retry-After"]) / 4)


async def present(app: Harness, pair: Pair, token: str, times: int) -> list[Any]:
    """The token, `times` times at once, to both processes in turn, each from an address of its own."""
    return await asyncio.gather(*(_post(app, pair[i % 2], token) for i in range(times)))


async def one_successor(app: Harness, pair: Pair) -> None:
    """Two hundred present one token: all get the same successor, and the database holds one rotation."""
    person = await app.signed_in()
    replies = await present(app, pair, person.refresh_token, CROWD)
    assert [reply.text for reply in replies if reply.status_code != 200] == []
    successors = {reply.json()["data"]["refreshToken"] for reply in replies}
    assert len(successors) == 1
    row = await app.db.fetchrow("SELECT refresh_generation FROM sessions WHERE id = $1", person.session_id)
    assert row["refresh_generation"] == 1
    assert len(await app.audit("auth.refresh.rotated", target_user_id=person.id)) == 1
    assert len(await app.audit("auth.refresh.replayed", target_user_id=person.id)) == CROWD - 1
    [reply] = await present(app, pair, successors.pop(), 1)
    assert reply.status_code == 200


@pytest.mark.parametrize("round_", range(3))
async def test_two_hundred_at_once_make_one_successor(app: Harness, pair: Pair, round_: int) -> None:
    await one_successor(app, pair)


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_two_hundred_at_once_make_one_successor_fifty_times(app: Harness, pair: Pair) -> None:
    for _ in range(50):
        await one_successor(app, pair)


async def test_a_chain_of_crowds_never_forks(app: Harness, pair: Pair) -> None:
    person = await app.signed_in()
    token = person.refresh_token
    for generation in range(1, 8):
        replies = await present(app, pair, token, 20)
        assert [reply.text for reply in replies if reply.status_code != 200] == []
        [token] = {reply.json()["data"]["refreshToken"] for reply in replies}
        row = await app.db.fetchrow("SELECT refresh_generation FROM sessions WHERE id = $1", person.session_id)
        assert row["refresh_generation"] == generation


async def test_refresh_against_logout_leaves_nothing_alive(app: Harness, pair: Pair) -> None:
    for _ in range(8):
        person = await app.signed_in()
        token = person.refresh_token
        out, replies = await asyncio.gather(
            pair[1].post("/auth/logout", json={"refreshToken": token}), present(app, pair, token, 10)
        )
        assert out.status_code == 200
        late = {reply.json()["data"]["refreshToken"] for reply in replies if reply.status_code == 200}
        for survivor in (token, *late):
            [reply] = await present(app, pair, survivor, 1)
            assert reply.status_code == 401
        assert (await pair[0].get("/auth/me", headers=person.bearer)).status_code == 401


async def test_refresh_against_deactivation_leaves_nothing_alive(app: Harness, pair: Pair) -> None:
    for _ in range(8):
        person = await app.signed_in()
        replies, _ = await asyncio.gather(
            present(app, pair, person.refresh_token, 10),
            app.db.execute("UPDATE users SET is_active = false WHERE id = $1", person.id),
        )
        [late] = await present(app, pair, person.refresh_token, 1)
        assert late.status_code == 401
        for data in (reply.json()["data"] for reply in replies if reply.status_code == 200):
            [again] = await present(app, pair, data["refreshToken"], 1)
            assert again.status_code == 401
            me = await pair[1].get("/auth/me", headers={"Authorization": f"Bearer {data['accessToken']}"})
            assert me.status_code == 401
