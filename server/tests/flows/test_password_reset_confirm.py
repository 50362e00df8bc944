"""POST /auth/password-reset/confirm: once, and everything old ends."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from harness import PASSWORD, Harness, Person
from letters import letters
from resets import NEW, assert_dead, confirm, login, mailed_token

from identry.records import users


async def test_a_new_password_ends_everything_old_and_signs_nobody_in(app: Harness) -> None:
    person = await app.signed_in(email_verified=False)
    other = await app.sign_in(Person(person.id, person.email, person.password))
    reply = await confirm(app, await mailed_token(app, person))
    assert reply.status_code == 200
    assert reply.json() == {
        "success": True,
        "data": {"message": "the password was changed; sign in with the new one"},
    }
    for session in (person, other):
        me = await app.http.get("/auth/me", headers=session.bearer)
        assert (me.status_code, me.json()["error"]["code"]) == (401, "session_revoked")
        again = await app.http.post("/auth/refresh", json={"refreshToken": session.refresh_token})
        assert again.status_code == 401
    assert (await login(app, person, PASSWORD)).status_code == 401
    assert (await login(app, person, NEW)).status_code == 200
    user = await users.find(app.db, person.id)
    assert (user.token_version, user.email_verified) == (2, True)
    assert (await letters(app, person.email))[0].template == "password_changed"
    [row] = await app.audit("auth.password_reset.completed", target_user_id=person.id)
    assert (row["actor_user_id"], json.loads(row["details"])) == (person.id, {"revokedSessions": 2})


async def test_a_token_works_once(app: Harness) -> None:
    person = await app.make_user()
    token = await mailed_token(app, person)
    assert (await confirm(app, token)).status_code == 200
    assert_dead(await confirm(app, token, "yet another passphrase"))
    assert (await login(app, person, NEW)).status_code == 200


async def test_of_a_hundred_at_once_one_succeeds(app: Harness) -> None:
    person = await app.make_user()
    token = await mailed_token(app, person)
    replies = await asyncio.gather(*(confirm(app, token, f"passphrase number {i}") for i in range(100)))
    won = [i for i, reply in enumerate(replies) if reply.status_code == 200]
    assert len(won) == 1
    assert {reply.status_code for reply in replies} <= {200, 400, 503}
    assert (await login(app, person, f"passphrase number {won[0]}")).status_code == 200
    assert (await users.find(app.db, person.id)).token_version == 2
    assert len(await app.audit("auth.password_reset.completed", target_user_id=person.id)) == 1
    assert len(await letters(app, person.email, "password_changed")) == 1


async def test_a_token_ends_after_an_hour(app: Harness) -> None:
    person = await app.make_user()
    token = await mailed_token(app, person)
    app.clock.advance(timedelta(minutes=60, seconds=1))
    assert_dead(await confirm(app, token))


@pytest.mark.parametrize("token", ["x", "A" * 43, "é", "x" * 1024])
async def test_an_unknown_token_is_the_same_400_and_audited(app: Harness, token: str) -> None:
    before = len(await app.audit("auth.password_reset.failed"))
    assert_dead(await confirm(app, token))
    [row] = (await app.audit("auth.password_reset.failed"))[before:]
    assert (row["outcome"], row["actor_type"], row["target_user_id"]) == ("failure", "anonymous", None)
    assert token not in row["details"] or len(token) < 4


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE users SET is_active = false WHERE id = $1",
        "UPDATE users SET approval_status = 'REJECTED' WHERE id = $1",
        "UPDATE users SET email = 'moved-' || email WHERE id = $1",
        "UPDATE one_time_tokens SET consumed_at = now() WHERE user_id = $1",
        "DELETE FROM users WHERE id = $1",
    ],
)
async def test_a_token_dies_with_the_state_it_was_made_for(app: Harness, change: str) -> None:
    person = await app.make_user()
    token = await mailed_token(app, person)
    await app.db.execute(change, person.id)
    assert_dead(await confirm(app, token))


async def test_a_registration_that_waits_may_reset_and_still_waits(app: Harness) -> None:
    person = await app.make_user(approval_status="PENDING", is_active=False, email_verified=False)
    assert (await confirm(app, await mailed_token(app, person))).status_code == 200
    reply = await login(app, person, NEW)
    assert (reply.status_code, reply.json()["error"]["code"]) == (403, "pending_approval")
    assert (await users.find(app.db, person.id)).email_verified is True


async def test_an_account_without_password_gets_its_first(app: Harness) -> None:
    person = await app.make_user(password_hash=None, auth_provider="google")
    assert (await login(app, person, PASSWORD)).status_code == 401
    assert (await confirm(app, await mailed_token(app, person))).status_code == 200
    assert (await login(app, person, NEW)).status_code == 200


async def test_the_owner_who_guessed_too_often_gets_in_with_the_new_password(app: Harness) -> None:
    person, ip = await app.make_user(), app.fresh_ip()

    async def sign_in(password: str) -> int:
        body = {"email": person.email, "password": password}
        reply = await app.http.post("/auth/login", json=body, headers={"X-Forwarded-For": ip})
        return reply.status_code

    assert [await sign_in("wrong password") for _ in range(11)] == [401] * 10 + [429]
    assert (await confirm(app, await mailed_token(app, person), ip=ip)).status_code == 200
    assert await sign_in(NEW) == 200


async def test_a_second_factor_stays(app: Harness) -> None:
    person = await app.make_user(mfa_enabled=True)
    assert (await confirm(app, await mailed_token(app, person))).status_code == 200
    reply = await login(app, person, NEW)
    assert (reply.status_code, reply.json()["error"]["code"]) == (403, "mfa_required")


async def test_an_mfa_ticket_of_the_old_password_dies(app: Harness) -> None:
    person = await app.make_user(mfa_enabled=True)
    ticket = (await login(app, person, PASSWORD)).json()["error"]["details"]["mfaToken"]
    await confirm(app, await mailed_token(app, person))
    reply = await app.http.post("/auth/mfa/verify", json={"mfaToken": ticket, "code": "123456"})
    assert reply.status_code == 401


@pytest.mark.parametrize(
    ("password", "rule"),
    [("short", "min_length"), ("x" * 300, "max_length"), ("password1", "common"), ("qwertyuiop", "common")],
)
async def test_a_refused_password_leaves_the_token_open(app: Harness, password: str, rule: str) -> None:
    person = await app.make_user()
    token = await mailed_token(app, person)
    reply = await confirm(app, token, password)
    assert reply.status_code == 400
    [fault] = reply.json()["error"]["details"]["fields"]
    assert (fault["field"], fault["rule"]) == ("newPassword", rule)
    assert password not in reply.text
    assert (await confirm(app, token)).status_code == 200


async def test_the_policy_is_not_told_to_who_has_no_token(app: Harness) -> None:
    assert_dead(await confirm(app, "A" * 43, "short"))


async def test_tokens_of_other_purposes_are_worthless(app: Harness) -> None:
    person = await app.signed_in()
    secured = await app.make_user(mfa_enabled=True)
    ticket = (await login(app, secured, PASSWORD)).json()["error"]["details"]["mfaToken"]
    for token in (ticket, person.refresh_token, person.access_token[:1000]):
        assert_dead(await confirm(app, token))


async def test_thirty_confirmations_a_minute_for_each_client_address(app: Harness) -> None:
    ip = app.fresh_ip()
    replies = await asyncio.gather(*(confirm(app, "x", ip=ip) for _ in range(33)))
    assert sorted(reply.status_code for reply in replies) == [400] * 30 + [429] * 3


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ({}, {"token": "required", "newPassword": "required"}),
        ({"token": None, "newPassword": 12345678}, {"token": "type", "newPassword": "type"}),
        ({"token": "", "newPassword": "x" * 1025}, {"token": "length", "newPassword": "length"}),
        ({"token": "a\u0000", "newPassword": "a\u0000"}, {"token": "format", "newPassword": "format"}),
    ],
)
async def test_a_bad_confirmation_is_400(app: Harness, body: dict[str, Any], faults: dict[str, str]) -> None:
    reply = await app.http.post("/auth/password-reset/confirm", json=body)
    assert reply.status_code == 400
    assert {f["field"]: f["rule"] for f in reply.json()["error"]["details"]["fields"]} == faults
