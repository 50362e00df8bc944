"""An end of a session is acknowledged only when it is on record: while PostgreSQL is away a 503, never a 200."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from faults.conftest import Stage
from faults.journal import people
from faults.proxy import Mode
from faults.replicas import MACHINE_KEY, PASSWORD, served
from faults.test_redis_outage import bearer, signed_in

pytestmark = [pytest.mark.alone, pytest.mark.timeout(300)]

MACHINE = {"X-Internal-API-Key": MACHINE_KEY}


@dataclass
class Someone:
    """A user with a session on one server."""

    id: str
    email: str
    tokens: dict[str, Any]


Ending = Callable[[httpx2.AsyncClient, Stage, Someone], Awaitable[Any]]


async def _logout(client: httpx2.AsyncClient, stage: Stage, who: Someone) -> Any:
    return await client.post("/auth/logout", json={"refreshToken": who.tokens["refreshToken"]})


async def _logout_all(client: httpx2.AsyncClient, stage: Stage, who: Someone) -> Any:
    return await client.post("/auth/logout-all", headers=bearer(who.tokens))


async def _revoke(client: httpx2.AsyncClient, stage: Stage, who: Someone) -> Any:
    return await client.post(f"/internal/sessions/{who.tokens['sessionId']}/revoke", headers=MACHINE)


async def _revoke_all(client: httpx2.AsyncClient, stage: Stage, who: Someone) -> Any:
    return await client.post(f"/internal/users/{who.id}/revoke-all", headers=MACHINE)


async def _deactivate(client: httpx2.AsyncClient, stage: Stage, who: Someone) -> Any:
    token = stage.admin.headers["Authorization"]
    return await client.delete(f"/internal/users/{who.id}", headers={"Authorization": token})


async def _new_password(client: httpx2.AsyncClient, stage: Stage, who: Someone) -> Any:
    token = stage.admin.headers["Authorization"]
    body = {"password": "another long passphrase"}
    return await client.patch(f"/internal/users/{who.id}", json=body, headers={"Authorization": token})


ENDINGS: dict[str, Ending] = {
    "logout": _logout,
    "logout-all": _logout_all,
    "revoke": _revoke,
    "revoke-all": _revoke_all,
    "deactivate": _deactivate,
    "new-password": _new_password,
}


async def someone(stage: Stage, client: httpx2.AsyncClient) -> Someone:
    token = stage.admin.headers["Authorization"].removeprefix("Bearer ")
    [email] = await people(stage.admin, token, 1, PASSWORD)
    tokens = await signed_in(client, email)
    return Someone(tokens["user"]["id"], email, tokens)


async def is_alive(client: httpx2.AsyncClient, who: Someone) -> bool:
    """Whether the session still counts, asked once PostgreSQL answers again."""
    for _ in range(100):
        reply = await client.get("/auth/me", headers=bearer(who.tokens))
        if reply.status_code != 503:
            assert reply.status_code in {200, 401}
            return reply.status_code == 200
        await asyncio.sleep(0.1)
    raise AssertionError("PostgreSQL is back, the server is not")


async def settled(client: httpx2.AsyncClient, stage: Stage) -> None:
    """Wait until no connection of the pool is a dead one."""
    good = 0
    while good < 10:
        good = good + 1 if (await stage.admin.get("/auth/me")).status_code == 200 else 0


@pytest.fixture(scope="module")
async def client(stage: Stage) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=stage.replicas[0].base_url, timeout=20) as client:
        yield client


@pytest.mark.parametrize("mode", [Mode.CUT, Mode.BLACK_HOLE], ids=["cut", "black-hole"])
@pytest.mark.parametrize("name", ENDINGS)
async def test_nothing_is_acknowledged_while_postgres_is_away(
    stage: Stage, client: httpx2.AsyncClient, name: str, mode: Mode
) -> None:
    who = await someone(stage, client)
    stage.to_postgres.set(mode)
    try:
        reply = await ENDINGS[name](client, stage, who)
    finally:
        stage.to_postgres.set(Mode.PASS)
    assert reply.status_code == 503, reply.text
    assert reply.headers["Retry-After"]
    assert await is_alive(client, who), "refused, and yet done"
    again = await served(lambda: ENDINGS[name](client, stage, who))
    assert again.status_code == 200, again.text
    assert not await is_alive(client, who)


@pytest.mark.parametrize("name", ENDINGS)
async def test_an_answer_of_200_is_true_when_postgres_dies_in_the_middle(
    stage: Stage, client: httpx2.AsyncClient, name: str
) -> None:
    for delay in (0.0, 0.002, 0.005, 0.01, 0.02):
        who = await someone(stage, client)
        asking = asyncio.create_task(ENDINGS[name](client, stage, who))
        await asyncio.sleep(delay)
        with contextlib.suppress(OSError):
            await stage.postgres.terminate_backends()
        reply = await asking
        assert reply.status_code in {200, 503}, reply.text
        if reply.status_code == 200:
            assert not await is_alive(client, who), "acknowledged, and not done"
        await settled(client, stage)
