"""POST /auth/password-reset/request and /confirm: the same for everybody, once, and everything old ends."""

from __future__ import annotations

import asyncio
import json
import secrets
from datetime import timedelta
from typing import Any

import pytest
from harness import PASSWORD, Harness, Person, Servers, running
from letters import letters

from identry.core.secrets import token_hash
from identry.records import users

Reply = Any
NEW = "a much better passphrase"
SENT = {
    "success": True,
    "data": {"message": "if this address has an account, a mail with a link to set a new password is on its way"},
}


def nobody() -> str:
    return f"nobody-{secrets.token_hex(5)}@example.com"


async def request(app: Harness, email: object, ip: str = "", **more: object) -> Reply:
    return await app.http.post(
        "/auth/password-reset/request",
        json={"email": email, **more},
        headers={"X-Forwarded-For": ip or app.fresh_ip()},
    )


async def confirm(app: Harness, token: object, password: object = NEW, ip: str = "") -> Reply:
    return await app.http.post(
        "/auth/password-reset/confirm",
        json={"token": token, "newPassword": password},
        headers={"X-Forwarded-For": ip or app.fresh_ip()},
    )


async def login(app: Harness, person: Person, password: str) -> Reply:
    return await app.http.post(
        "/auth/login",
        json={"email": person.email, "password": password},
        headers={"X-Forwarded-For": app.fresh_ip()},
    )


async def mailed_token(app: Harness, person: Person) -> str:
    reply = await request(app, person.email)
    assert reply.json() == SENT
    return (await letters(app, person.email, "password_reset"))[0].context["token"]


def assert_dead(reply: Reply) -> None:
    assert reply.status_code == 400, reply.text
    error = reply.json()["error"]
    assert error["code"] == "validation_error"
    assert error["message"] == "token: is invalid, was used before or has expired; ask for a new link"
    assert [fault["field"] for fault in error["details"]["fields"]] == ["token"]


# -- request ---------------------------------------------------------------------------------------------------


async def test_known_and_unknown_addresses_get_the_same_answer(app: Harness) -> None:
    person = await app.make_user()
    blocked = await app.make_user(is_active=False)
    replies = [await request(app, email) for email in (person.email, nobody(), blocked.email, "x@y")]
    assert [reply.status_code for reply in replies] == [200] * 4
    assert {reply.content for reply in replies} == {json.dumps(SENT, separators=(",", ":")).encode()}


async def test_the_mail_goes_to_the_stored_address_with_a_link_of_the_configured_url(app: Harness) -> None:
    person = await app.make_user(full_name="Ada Lovelace")
    await request(app, f"  {person.email.upper()} ")
    [letter] = await letters(app, person.email)
    assert letter.template == "password_reset"
    assert set(letter.context) == {"full_name", "token", "expires_at"}
    assert len(letter.context["token"]) == 43


async def test_headers_do_not_choose_the_link(app: Harness) -> None:
    person = await app.make_user()
    for hostile in ({"Host": "evil.example"}, {"X-Forwarded-Host": "evil.example"}, {"Forwarded": "host=evil.example"}):
        await app.http.post("/auth/password-reset/request", json={"email": person.email}, headers=hostile)
    for _ in range(100):
        mails = await app.mails(person.email)
        if len(mails) == 3:
            break
        await asyncio.sleep(0.05)
    assert len(mails) == 3
    for mail in mails:
        assert any(link.startswith("https://app.example.com/reset-password?token=") for link in mail["links"])
        assert "evil.example" not in json.dumps(mail)


async def test_only_the_hash_is_stored(app: Harness) -> None:
    person = await app.make_user()
    token = await mailed_token(app, person)
    rows = await app.db.fetch("SELECT t::text AS text, token_hash FROM one_time_tokens t WHERE user_id = $1", person.id)
    assert [row["token_hash"] for row in rows] == [token_hash(token)]
    assert all(token not in row["text"] for row in rows)
    outbox = await app.db.fetch("SELECT m::text AS text FROM mail_outbox m WHERE recipient = $1", person.email)
    assert all(token not in row["text"] for row in outbox)


async def test_unknown_addresses_leave_an_audit_row_and_nothing_else(app: Harness) -> None:
    ghost = nobody()
    before = await app.db.fetchval("SELECT count(*) FROM one_time_tokens")
    seen = len(await app.audit("auth.password_reset.requested"))
    await request(app, ghost)
    [row] = (await app.audit("auth.password_reset.requested"))[seen:]
    assert (row["target_user_id"], row["actor_type"], row["outcome"]) == (None, "anonymous", "failure")
    assert json.loads(row["details"]) == {"reason": "unknown address"}
    assert await letters(app, ghost) == []
    assert await app.db.fetchval("SELECT count(*) FROM one_time_tokens") == before


@pytest.mark.parametrize(
    "fields",
    [{"is_active": False}, {"approval_status": "REJECTED"}, {"approval_status": "REJECTED", "is_active": False}],
)
async def test_blocked_accounts_get_no_link(app: Harness, fields: dict[str, Any]) -> None:
    person = await app.make_user(**fields)
    await request(app, person.email)
    assert await letters(app, person.email) == []
    [row] = await app.audit("auth.password_reset.requested", target_user_id=person.id)
    assert (row["outcome"], json.loads(row["details"])) == ("failure", {"reason": "blocked account"})


async def test_a_request_changes_nothing_but_the_older_link(app: Harness) -> None:
    person = await app.signed_in()
    await mailed_token(app, person)
    assert (await app.http.get("/auth/me", headers=person.bearer)).status_code == 200
    assert (await login(app, person, PASSWORD)).status_code == 200


async def test_a_newer_link_voids_the_older(app: Harness) -> None:
    person = await app.make_user()
    first = await mailed_token(app, person)
    second = await mailed_token(app, person)
    assert_dead(await confirm(app, first))
    assert (await confirm(app, second)).status_code == 200


async def test_of_links_asked_for_at_once_one_works(app: Harness) -> None:
    person = await app.make_user()
    await asyncio.gather(*(request(app, person.email) for _ in range(5)))
    tokens = [letter.context["token"] for letter in await letters(app, person.email)]
    assert len(tokens) == 5
    replies = [await confirm(app, token) for token in tokens]
    assert sorted(reply.status_code for reply in replies) == [200, 400, 400, 400, 400]


async def test_vendor_is_501(app: Harness) -> None:
    reply = await request(app, nobody(), accountType="vendor")
    assert (reply.status_code, reply.json()["error"]["code"]) == (501, "not_implemented")
    for account_type in ("", "internal", "auto"):
        assert (await request(app, nobody(), accountType=account_type)).status_code == 200


async def test_five_an_hour_for_each_address_known_or_not(app: Harness) -> None:
    person = await app.make_user()
    for email in (person.email, nobody()):
        codes = [(await request(app, email)).status_code for _ in range(6)]
        assert codes == [200] * 5 + [429]
    assert (await request(app, person.email.upper())).json()["error"]["code"] == "rate_limited"
    assert len(await letters(app, person.email)) == 5
    app.clock.advance(timedelta(hours=1, seconds=1))
    assert (await request(app, person.email)).status_code == 200


async def test_ten_an_hour_for_each_client_address(app: Harness) -> None:
    ip = app.fresh_ip()
    codes = [(await request(app, nobody(), ip)).status_code for _ in range(11)]
    assert codes == [200] * 10 + [429]


async def test_the_token_is_shown_only_where_that_is_switched_on(servers: Servers) -> None:
    async with running(servers, EXPOSE_PASSWORD_RESET_TOKEN="true") as app:
        person = await app.make_user()
        known, unknown = await request(app, person.email), await request(app, nobody())
        for reply in (known, unknown):
            assert set(reply.json()["data"]) == {"message", "resetToken"}
        assert len(known.content) == len(unknown.content)
        assert_dead(await confirm(app, unknown.json()["data"]["resetToken"]))
        assert (await confirm(app, known.json()["data"]["resetToken"])).status_code == 200


@pytest.mark.parametrize(
    ("body", "field", "rule"),
    [
        ({}, "email", "required"),
        ({"email": None}, "email", "type"),
        ({"email": ""}, "email", "format"),
        ({"email": "nobody"}, "email", "format"),
        ({"email": "x" * 255}, "email", "length"),
        ({"email": "a\u0000@example.com"}, "email", "format"),
        ({"email": "a@example.com\r\nBcc: b@example.com"}, "email", "format"),
        ({"email": "a@example.com", "accountType": "admin"}, "accountType", "enum"),
    ],
)
async def test_a_bad_request_is_400(app: Harness, body: dict[str, Any], field: str, rule: str) -> None:
    reply = await app.http.post("/auth/password-reset/request", json=body)
    assert reply.status_code == 400
    assert [(f["field"], f["rule"]) for f in reply.json()["error"]["details"]["fields"]] == [(field, rule)]


# -- confirm ---------------------------------------------------------------------------------------------------


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
