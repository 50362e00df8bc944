"""POST /auth/password-reset/request: the same answer for everybody."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from harness import PASSWORD, Harness, Servers, running
from letters import letters
from resets import SENT, assert_dead, confirm, login, mailed_token, nobody, request

from identry.core.secrets import token_hash


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
        told = {"X-Forwarded-For": app.fresh_ip(), **hostile}
        await app.http.post("/auth/password-reset/request", json={"email": person.email}, headers=told)
    for _ in range(600):
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
    seen = {row["id"] for row in await app.audit("auth.password_reset.requested")}
    await request(app, ghost)
    [row] = [row for row in await app.audit("auth.password_reset.requested") if row["id"] not in seen]
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
