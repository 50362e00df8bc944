"""One refresh token presented by many at once, over two instances that share nothing but the engines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from harness import Harness, Servers, running

CROWD = 200


@pytest.fixture(scope="module")
async def pair(servers: Servers) -> AsyncIterator[tuple[Harness, Harness]]:
    async with running(servers) as first, running(servers) as second:
        yield first, second


async def present(pair: tuple[Harness, Harness], token: str, times: int) -> list[Any]:
    async def one(app: Harness) -> Any:
        return await app.http.post(
            "/auth/refresh", json={"refreshToken": token}, headers={"X-Forwarded-For": app.fresh_ip()}
        )

    return await asyncio.gather(*(one(pair[i % 2]) for i in range(times)))


@pytest.mark.parametrize("round_", range(3))
async def test_two_hundred_at_once_make_one_successor(pair: tuple[Harness, Harness], round_: int) -> None:
    app = pair[0]
    person = await app.signed_in()
    replies = await present(pair, person.refresh_token, CROWD)
    assert [reply.status_code for reply in replies] == [200] * CROWD
    successors = {reply.json()["data"]["refreshToken"] for reply in replies}
    assert len(successors) == 1
    row = await app.db.fetchrow("SELECT refresh_generation FROM sessions WHERE id = $1", person.session_id)
    assert row["refresh_generation"] == 1
    assert len(await app.audit("auth.refresh.rotated", target_user_id=person.id)) == 1
    assert len(await app.audit("auth.refresh.replayed", target_user_id=person.id)) == CROWD - 1
    [reply] = await present(pair, successors.pop(), 1)
    assert reply.status_code == 200


async def test_a_chain_of_crowds_never_forks(pair: tuple[Harness, Harness]) -> None:
    app = pair[0]
    person = await app.signed_in()
    token = person.refresh_token
    for generation in range(1, 8):
        replies = await present(pair, token, 20)
        assert {reply.status_code for reply in replies} == {200}
        [token] = {reply.json()["data"]["refreshToken"] for reply in replies}
        row = await app.db.fetchrow("SELECT refresh_generation FROM sessions WHERE id = $1", person.session_id)
        assert row["refresh_generation"] == generation


async def test_refresh_against_logout_leaves_nothing_alive(pair: tuple[Harness, Harness]) -> None:
    app = pair[0]
    for _ in range(10):
        person = await app.signed_in()
        token = person.refresh_token
        out, *replies = await asyncio.gather(
            pair[1].http.post("/auth/logout", json={"refreshToken": token}), present(pair, token, 10)
        )
        assert out.status_code == 200
        late = {reply.json()["data"]["refreshToken"] for reply in replies[0] if reply.status_code == 200}
        for survivor in (token, *late):
            [reply] = await present(pair, survivor, 1)
            assert reply.status_code == 401
        assert (await pair[1].http.get("/auth/me", headers=person.bearer)).status_code == 401


async def test_refresh_against_deactivation_leaves_nothing_alive(pair: tuple[Harness, Harness]) -> None:
    app = pair[0]
    for _ in range(10):
        person = await app.signed_in()
        replies, _ = await asyncio.gather(
            present(pair, person.refresh_token, 10),
            app.db.execute("UPDATE users SET is_active = false WHERE id = $1", person.id),
        )
        for reply in replies:
            if reply.status_code == 200:
                data = reply.json()["data"]
                [again] = await present(pair, data["refreshToken"], 1)
                assert again.status_code == 401
                me = await app.http.get("/auth/me", headers={"Authorization": f"Bearer {data['accessToken']}"})
                assert me.status_code == 401
