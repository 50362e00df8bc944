"""POST /auth/mfa/verify: the way through, and what a ticket is worth."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from harness import Harness, Person
from letters import letters
from second_factor import assert_wrong, login, secured, ticket_for, verify

from identry.core.secrets import token_hash
from identry.records import users


async def events_of(app: Harness, person: Person) -> list[str]:
    return [row["event"] for row in await app.audit(target_user_id=person.id)]


async def test_the_password_alone_gets_a_ticket_and_no_token(app: Harness) -> None:
    user = await secured(app)
    reply = await login(app, user.person)
    assert reply.status_code == 403
    error = reply.json()["error"]
    assert error["code"] == "mfa_required"
    assert set(error["details"]) == {"mfaToken", "methods"}
    assert error["details"]["methods"] == ["totp", "recovery_code"]
    assert len(error["details"]["mfaToken"]) == 43
    assert "accessToken" not in reply.text
    assert "set-cookie" not in reply.headers
    assert await app.db.fetchval("SELECT count(*) FROM sessions WHERE user_id = $1", user.person.id) == 0
    assert (await users.find(app.db, user.person.id)).last_login_at is None
    assert await events_of(app, user.person) == ["auth.mfa.challenged"]


async def test_a_right_code_is_a_sign_in_with_both_factors(app: Harness) -> None:
    user = await secured(app)
    reply = await verify(app, await ticket_for(app, user.person), user.code(app))
    assert reply.status_code == 200, reply.text
    data = reply.json()["data"]
    assert set(data) == {
        "accessToken", "tokenType", "expiresIn", "refreshToken", "refreshExpiresIn", "sessionId", "user",
    }  # fmt: skip
    assert data["user"]["mfaEnabled"] is True
    claims = json.loads(base64.urlsafe_b64decode(data["accessToken"].split(".")[1] + "=="))
    assert claims["amr"] == ["pwd", "otp", "mfa"]
    me = await app.http.get("/auth/me", headers={"Authorization": f"Bearer {data['accessToken']}"})
    assert me.status_code == 200
    assert await events_of(app, user.person) == [
        "auth.mfa.challenged",
        "auth.mfa.succeeded",
        "auth.login.succeeded",
    ]
    [row] = await app.audit("auth.mfa.succeeded", target_user_id=user.person.id)
    assert json.loads(row["details"]) == {"factor": "totp"}


@pytest.mark.parametrize("steps", [-1, 0, 1])
async def test_one_step_of_drift_either_way_is_accepted(app: Harness, steps: int) -> None:
    user = await secured(app)
    assert (await verify(app, await ticket_for(app, user.person), user.code(app, steps))).status_code == 200


@pytest.mark.parametrize("steps", [-2, 2])
async def test_two_steps_are_too_many(app: Harness, steps: int) -> None:
    user = await secured(app)
    while int(app.clock.timestamp()) % 30 in {0, 28, 29}:  # keep away from the edge of a step
        app.clock.advance(1)
    assert_wrong(await verify(app, await ticket_for(app, user.person), user.code(app, steps)))


async def test_spaces_and_dashes_do_not_matter(app: Harness) -> None:
    user = await secured(app)
    code = user.code(app)
    typed = f" {code[:3]} {code[3:5]}-{code[5:]}\t"
    assert (await verify(app, await ticket_for(app, user.person), typed)).status_code == 200


async def test_a_ticket_works_once(app: Harness) -> None:
    user = await secured(app)
    ticket = await ticket_for(app, user.person)
    assert (await verify(app, ticket, user.code(app))).status_code == 200
    app.clock.advance(60)
    assert_wrong(await verify(app, ticket, user.code(app)))


async def test_a_ticket_ends_after_five_minutes(app: Harness) -> None:
    user = await secured(app)
    ticket = await ticket_for(app, user.person)
    app.clock.advance(timedelta(minutes=5, seconds=1))
    assert_wrong(await verify(app, ticket, user.code(app)))


async def test_a_ticket_has_five_tries(app: Harness) -> None:
    user = await secured(app)
    ticket = await ticket_for(app, user.person)
    for _ in range(5):
        assert_wrong(await verify(app, ticket, user.wrong(app)))
    assert_wrong(await verify(app, ticket, user.code(app)))
    assert (await verify(app, await ticket_for(app, user.person), user.code(app))).status_code == 200


async def test_the_fifth_try_may_be_the_right_one(app: Harness) -> None:
    user = await secured(app)
    ticket = await ticket_for(app, user.person)
    for _ in range(4):
        assert_wrong(await verify(app, ticket, user.wrong(app)))
    assert (await verify(app, ticket, user.code(app))).status_code == 200


async def test_a_newer_ticket_voids_the_older(app: Harness) -> None:
    user = await secured(app)
    older, newer = await ticket_for(app, user.person), await ticket_for(app, user.person)
    assert_wrong(await verify(app, older, user.code(app)))
    assert (await verify(app, newer, user.code(app))).status_code == 200


async def test_a_ticket_is_bound_to_its_user(app: Harness) -> None:
    mine, theirs = await secured(app), await secured(app)
    assert_wrong(await verify(app, await ticket_for(app, mine.person), theirs.code(app)))


async def test_a_ticket_is_stored_as_a_hash_with_its_purpose(app: Harness) -> None:
    user = await secured(app)
    ticket = await ticket_for(app, user.person)
    row = await app.db.fetchrow("SELECT * FROM one_time_tokens WHERE user_id = $1", user.person.id)
    assert (row["token_hash"], row["purpose"], row["attempts_left"]) == (token_hash(ticket), "mfa_ticket", 5)


@pytest.mark.parametrize("ticket", ["x", "A" * 43, "é", "x" * 1024])
async def test_an_unknown_ticket_is_the_same_401(app: Harness, ticket: str) -> None:
    assert_wrong(await verify(app, ticket, "123456"))


async def test_tickets_of_other_purposes_are_worthless(app: Harness) -> None:
    user = await secured(app)
    where = {"X-Forwarded-For": app.fresh_ip()}
    await app.http.post("/auth/password-reset/request", json={"email": user.person.email}, headers=where)
    reset = (await letters(app, user.person.email, "password_reset"))[0].context["token"]
    assert_wrong(await verify(app, reset, user.code(app)))


async def test_a_ticket_opens_nothing_else(app: Harness) -> None:
    user = await secured(app)
    ticket = await ticket_for(app, user.person)
    for method, path in (("GET", "/auth/me"), ("POST", "/auth/logout-all"), ("GET", "/internal/users")):
        reply = await app.http.request(method, path, headers={"Authorization": f"Bearer {ticket}"})
        assert reply.status_code == 401, path
    assert (await app.http.post("/auth/refresh", json={"refreshToken": ticket})).status_code == 401


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ("UPDATE users SET token_version = token_version + 1 WHERE id = $1", 401),
        ("UPDATE users SET is_active = false, token_version = token_version + 1 WHERE id = $1", 401),
        ("UPDATE users SET is_active = false WHERE id = $1", 403),
        ("UPDATE users SET approval_status = 'REJECTED' WHERE id = $1", 403),
        ("UPDATE one_time_tokens SET consumed_at = now() WHERE user_id = $1", 401),
        ("UPDATE totp_factors SET confirmed_at = NULL WHERE user_id = $1", 401),
        ("DELETE FROM totp_factors WHERE user_id = $1", 401),
        ("DELETE FROM users WHERE id = $1", 401),
    ],
)
async def test_a_ticket_dies_with_the_state_it_was_made_for(app: Harness, change: str, status: int) -> None:
    user = await secured(app)
    ticket = await ticket_for(app, user.person)
    await app.db.execute(change, user.person.id)
    assert (await verify(app, ticket, user.code(app))).status_code == status
    assert await app.db.fetchval("SELECT count(*) FROM sessions WHERE user_id = $1", user.person.id) == 0


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ({}, {"mfaToken": "required", "code": "required"}),
        ({"mfaToken": None, "code": 123456}, {"mfaToken": "type", "code": "type"}),
        ({"mfaToken": "", "code": ""}, {"mfaToken": "length", "code": "length"}),
        ({"mfaToken": "x" * 1025, "code": "1" * 65}, {"mfaToken": "length", "code": "length"}),
    ],
)
async def test_a_bad_body_is_400(app: Harness, body: dict[str, Any], faults: dict[str, str]) -> None:
    reply = await app.http.post("/auth/mfa/verify", json=body)
    assert reply.status_code == 400
    assert {f["field"]: f["rule"] for f in reply.json()["error"]["details"]["fields"]} == faults
