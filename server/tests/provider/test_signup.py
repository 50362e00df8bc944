"""Signing up at an application, and proving the address (contracts/provider-api.md §7, §14)."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qs, urlsplit

import pytest
from harness import Harness, Servers, running
from letters import letters
from provider.applications import application
from provider.people import public_app, sign_up, somebody, user_row, verify

from identry.records import app_members, clients


def error_of(reply: object) -> tuple[int, str]:
    return reply.status_code, reply.json()["error"]  # type: ignore[attr-defined]  # a response


async def test_an_account_is_made_and_its_address_proven(app: Harness) -> None:
    made, email = await public_app(app), somebody()

    reply = await sign_up(app, made, email)

    assert reply.status_code == 201, reply.text
    body, row = reply.json(), await user_row(app, email)
    assert set(body) == {"user_id", "message", "verify_url"}
    assert body["user_id"] == row["number"]
    assert (row["full_name"], row["email_verified"], row["is_active"]) == ("Ada Lovelace", False, True)
    assert row["approval_status"] == "APPROVED"
    membership = await app_members.find(app.db, made.client.id, row["id"])
    assert membership is not None
    assert membership.role == "user"
    (letter,) = await letters(app, email, "verify_email")
    token = parse_qs(urlsplit(body["verify_url"]).query)["token"][0]
    assert letter.context["token"] == token
    assert body["verify_url"].startswith("https://auth.example.com/api/auth/verify-email?")

    proven = await verify(app, token)

    assert (proven.status_code, set(proven.json())) == (200, {"message"})
    assert (await user_row(app, email))["email_verified"] is True
    assert error_of(await verify(app, token)) == (400, "the link is invalid, was used before or has expired")
    events = [row["event"] for row in await app.audit(target_user_id=row["id"])]
    assert events == ["user.signed_up", "user.email_verified"]


async def test_a_taken_address_is_told_in_the_words_that_clients_look_for(app: Harness) -> None:
    made, person = await public_app(app), await app.make_user()
    assert error_of(await sign_up(app, made, person.email.upper())) == (400, "email already exists")
    assert await letters(app, person.email) == []


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"client_id": "nobody"}, "unknown application"),
        ({"password": "short"}, "password: "),
        ({"password": "password1"}, "password: "),
        ({"email": "not an address"}, "email: "),
        ({"name": "  "}, "name: must not be empty"),
        ({"name": None}, "name: "),
    ],
)
async def test_what_is_wrong_is_said_in_a_sentence(app: Harness, fields: dict[str, object], text: str) -> None:
    reply = await sign_up(app, await public_app(app), **fields)
    assert reply.status_code == 400
    assert reply.json()["error"].startswith(text)
    assert set(reply.json()) == {"error"}


async def test_an_application_that_is_switched_off_takes_nobody(app: Harness) -> None:
    made = await application(app)
    await clients.update(app.db, made.client.id, {"is_active": False}, now=app.clock.now())
    assert error_of(await sign_up(app, made)) == (400, "unknown application")


async def test_a_fourth_sign_up_within_an_hour_from_one_address_waits(app: Harness) -> None:
    made, ip = await public_app(app), app.fresh_ip()
    for _ in range(3):
        assert (await sign_up(app, made, ip=ip)).status_code == 201
    reply = await sign_up(app, made, ip=ip)
    assert error_of(reply) == (429, "too_many_requests")
    assert int(reply.headers["retry-after"]) > 3000


async def test_of_many_at_once_one_gets_the_address(app: Harness) -> None:
    made, email = await public_app(app), somebody()
    replies = await asyncio.gather(*(sign_up(app, made, email) for _ in range(5)))
    assert sorted(reply.status_code for reply in replies) == [201, 400, 400, 400, 400]
    assert len(await letters(app, email, "verify_email")) == 1


async def test_of_many_at_once_one_proves_the_address(app: Harness) -> None:
    made, email = await public_app(app), somebody()
    await sign_up(app, made, email)
    token = (await letters(app, email))[0].context["token"]
    replies = await asyncio.gather(*(verify(app, token) for _ in range(20)))
    assert sorted(reply.status_code for reply in replies) == [200] + [400] * 19


@pytest.mark.parametrize("change", ["email = 'x' || email", "is_active = false", "approval_status = 'REJECTED'"])
async def test_a_link_proves_nothing_for_an_account_that_changed(app: Harness, change: str) -> None:
    made, email = await public_app(app), somebody()
    await sign_up(app, made, email)
    token = (await letters(app, email))[0].context["token"]
    row = await user_row(app, email)
    await app.db.execute(f"UPDATE users SET {change} WHERE id = $1", row["id"])
    assert (await verify(app, token)).status_code == 400
    assert await app.db.fetchval("SELECT email_verified FROM users WHERE id = $1", row["id"]) is False


async def test_a_link_ends_after_a_day(app: Harness) -> None:
    made, email = await public_app(app), somebody()
    await sign_up(app, made, email)
    token = (await letters(app, email))[0].context["token"]
    app.clock.advance(24 * 3600)
    assert (await verify(app, token)).status_code == 400


async def test_where_taken_addresses_are_hidden_nothing_tells_one(servers: Servers) -> None:
    hidden = {"SIGNUP_HIDE_EXISTING": "true", "AUTH_ALLOWED_EMAIL_DOMAINS": "example.com"}
    async with running(servers, redis=False, **hidden) as app:
        made, person, email = await public_app(app), await app.make_user(), somebody()
        free, taken = await sign_up(app, made, email), await sign_up(app, made, person.email)
        assert free.status_code == taken.status_code == 201
        assert set(free.json()) == set(taken.json()) == {"message", "verify_url"}
        assert len(free.content) == len(taken.content)
        assert [letter.template for letter in await letters(app, email)] == ["verify_email"]
        (notice,) = await letters(app, person.email)
        assert notice.template == "signup_existing"
        assert (await verify(app, parse_qs(urlsplit(taken.json()["verify_url"]).query)["token"][0])).status_code == 400
        assert (await user_row(app, person.email))["password_hash"] == await app.password_hash()
        other = await sign_up(app, made, "ada@elsewhere.org")
        assert error_of(other) == (400, "addresses of this domain are not allowed here")
