"""Tokens of applications while PostgreSQL is away: nobody is told that one is bad, or gone, who cannot know."""

from __future__ import annotations

import asyncio
from functools import partial
from types import SimpleNamespace

import httpx2
import pytest
from harness import Person
from provider.applications import App, application
from provider.grants import REDIRECT, VERIFIER, code_for

from faults.conftest import Stage
from faults.journal import people
from faults.proxy import Mode
from faults.replicas import PASSWORD, served
from faults.test_honest_answers import settled
from identry.core.clock import SystemClock
from identry.core.db import Database

pytestmark = [pytest.mark.alone, pytest.mark.timeout(300)]


async def grant_of(stage: Stage, client: httpx2.AsyncClient) -> tuple[App, dict[str, str]]:
    """A new application, and the tokens of somebody's grant to it."""
    token = stage.admin.headers["Authorization"].removeprefix("Bearer ")
    [email] = await people(stage.admin, token, 1, PASSWORD)
    db = await Database.connect(stage.postgres.url, patience=30)
    try:
        there = SimpleNamespace(db=db, clock=SystemClock())
        user = await db.fetchrow("SELECT id, token_version FROM users WHERE email = $1", email)
        made = await application(there)  # type: ignore[arg-type]  # all that it needs of the harness
        person = Person(user["id"], email, PASSWORD)
        code = await code_for(there, person, made, token_version=user["token_version"])  # type: ignore[arg-type]
    finally:
        await db.close()
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT, "code_verifier": VERIFIER}
    reply = await served(lambda: client.post("/oauth/token", data={**form, **made.credentials}))
    assert reply.status_code == 200, reply.text
    tokens: dict[str, str] = reply.json()
    return made, tokens


@pytest.mark.parametrize("mode", [Mode.CUT, Mode.BLACK_HOLE], ids=["cut", "black-hole"])
async def test_nothing_is_told_of_a_token_that_nobody_can_look_up(stage: Stage, mode: Mode) -> None:
    async with httpx2.AsyncClient(base_url=stage.replicas[0].base_url, timeout=20) as client:
        made, tokens = await grant_of(stage, client)
        about = {"token": tokens["refresh_token"], **made.credentials}
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        again = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], **made.credentials}
        stage.to_postgres.set(mode)
        try:
            replies = await asyncio.gather(
                client.post("/oauth/revoke", data=about),
                client.post("/oauth/revoke", data=about, headers=bearer),
                client.post("/oauth/introspect", data=about),
                client.post("/oauth/token", data=again),
                client.get("/oauth/userinfo", headers=bearer),
            )
        finally:
            stage.to_postgres.set(Mode.PASS)
        for reply in replies:
            assert (reply.status_code, reply.json()["error"]) == (503, "temporarily_unavailable")
            assert reply.headers["Retry-After"]
        await settled(client, stage)
        look, revoke = (partial(client.post, path, data=about) for path in ("/oauth/introspect", "/oauth/revoke"))
        assert (await served(look)).json()["active"] is True
        assert (await served(revoke)).status_code == 200
        assert (await served(look)).json() == {"active": False}
