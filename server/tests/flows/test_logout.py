"""POST /auth/logout and /auth/logout-all: what ends, what does not, and what is told."""

from __future__ import annotations

import asyncio
import json
import secrets
from typing import Any

import pytest
from harness import Harness, Person, Servers, running

Reply = Any
DONE = {"success": True, "data": {"loggedOut": True}}


async def post(app: Harness, path: str, token: object) -> Reply:
    return await app.http.post(path, json={"refreshToken": token}, headers={"X-Forwarded-For": app.fresh_ip()})


async def alive(app: Harness, person: Person) -> bool:
    reply = await app.http.get("/auth/me", headers=person.bearer)
    assert reply.status_code in {200, 401}
    if reply.status_code == 401:
        assert reply.json()["error"]["code"] == "session_revoked"
    return bool(reply.status_code == 200)


async def another_session(app: Harness, person: Person) -> Person:
    return await app.sign_in(Person(person.id, person.email, person.password))


async def test_logout_ends_its_session_at_once_and_no_other(app: Harness) -> None:
    person = await app.signed_in()
    other = await another_session(app, person)
    assert (await post(app, "/auth/logout", person.refresh_token)).json() == DONE
    assert not await alive(app, person)
    assert await alive(app, other)
    assert (await post(app, "/auth/refresh", person.refresh_token)).json()["error"]["code"] == "session_revoked"
    [row] = await app.audit("auth.logout", target_user_id=person.id)
    assert str(row["session_id"]) == person.session_id


async def test_logout_is_repeatable_and_audited_once(app: Harness) -> None:
    person = await app.signed_in()
    replies = await asyncio.gather(*(post(app, "/auth/logout", person.refresh_token) for _ in range(10)))
    assert all(reply.json() == DONE for reply in replies)
    assert len(await app.audit("auth.logout", target_user_id=person.id)) == 1


async def test_a_rotated_token_ends_the_session_too(app: Harness) -> None:
    person = await app.signed_in()
    newer = (await post(app, "/auth/refresh", person.refresh_token)).json()["data"]["refreshToken"]
    assert (await post(app, "/auth/logout", person.refresh_token)).json() == DONE
    assert not await alive(app, person)
    assert (await post(app, "/auth/refresh", newer)).status_code == 401


async def test_unknown_and_foreign_tokens_get_the_same_answer(app: Harness) -> None:
    person = await app.signed_in()
    for token in ("x", secrets.token_urlsafe(51), person.access_token[:1000], person.refresh_token[:-2] + "AA"):
        assert (await post(app, "/auth/logout", token)).json() == DONE
    assert await alive(app, person)


async def test_an_expired_session_logs_out_like_any_other(app: Harness) -> None:
    person = await app.signed_in()
    app.clock.advance(31 * 86400)
    assert (await post(app, "/auth/logout", person.refresh_token)).json() == DONE


async def test_logout_is_seen_by_another_instance_at_once(servers: Servers, app: Harness) -> None:
    async with running(servers) as second:
        person = await app.signed_in()
        assert await alive(second, person)
        await post(second, "/auth/logout", person.refresh_token)
        assert not await alive(app, person)


@pytest.mark.parametrize("body", [{}, {"refreshToken": 1}, {"refreshToken": ""}, {"refreshToken": "x" * 1025}])
async def test_a_bad_body_is_400(app: Harness, body: dict[str, Any]) -> None:
    reply = await app.http.post("/auth/logout", json=body)
    assert reply.status_code == 400
    assert reply.json()["error"]["details"]["fields"][0]["field"] == "refreshToken"


async def test_logout_all_ends_every_session_and_raises_the_token_version(app: Harness) -> None:
    person = await app.signed_in()
    others = [await another_session(app, person) for _ in range(3)]
    stranger = await app.signed_in()
    reply = await app.http.post("/auth/logout-all", headers=person.bearer)
    assert reply.json() == {"success": True, "data": {"revokedSessions": 4}}
    for session in (person, *others):
        assert not await alive(app, session)
        assert (await post(app, "/auth/refresh", session.refresh_token)).status_code == 401
    assert await alive(app, stranger)
    assert await app.db.fetchval("SELECT token_version FROM users WHERE id = $1", person.id) == 2
    [row] = await app.audit("auth.logout_all", target_user_id=person.id)
    assert json.loads(row["details"]) == {"revokedSessions": 4}
    assert str(row["session_id"]) == person.session_id
    assert await alive(app, await another_session(app, person))


async def test_logout_all_counts_only_sessions_that_were_alive(app: Harness) -> None:
    person = await app.signed_in()
    gone = await another_session(app, person)
    await post(app, "/auth/logout", gone.refresh_token)
    await app.db.execute(
        "UPDATE sessions SET expires_at = created_at WHERE id = $1", (await another_session(app, person)).session_id
    )
    reply = await app.http.post("/auth/logout-all", headers=person.bearer)
    assert reply.json()["data"] == {"revokedSessions": 1}


async def test_logout_all_needs_a_live_bearer(app: Harness) -> None:
    person = await app.signed_in()
    await post(app, "/auth/logout", person.refresh_token)
    reply = await app.http.post("/auth/logout-all", headers=person.bearer)
    assert (reply.status_code, reply.json()["error"]["code"]) == (401, "session_revoked")
    reply = await app.http.post("/auth/logout-all")
    assert (reply.status_code, reply.json()["error"]["code"]) == (401, "unauthorized")
    assert reply.headers["WWW-Authenticate"].startswith("Bearer")


async def test_a_sign_in_under_way_during_logout_all_leaves_nothing_inconsistent(app: Harness) -> None:
    person = await app.signed_in()
    made, _ = await asyncio.gather(
        asyncio.gather(*(app.http.post(
            "/auth/login",
            json={"email": person.email, "password": person.password},
            headers={"X-Forwarded-For": app.fresh_ip()},
        ) for _ in range(8))),
        app.http.post("/auth/logout-all", headers=person.bearer),
    )  # fmt: skip
    version = await app.db.fetchval("SELECT token_version FROM users WHERE id = $1", person.id)
    rows = await app.db.fetch(
        "SELECT token_version, revoked_at FROM sessions WHERE user_id = $1 AND revoked_at IS NULL", person.id
    )
    assert all(row["token_version"] == version for row in rows)
    assert {reply.status_code for reply in made} <= {200, 401}
