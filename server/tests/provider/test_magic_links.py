"""Links that sign in: asked for by an application, redeemed by POST (contracts/provider-api.md §7, §10)."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from harness import Harness, Servers, running
from letters import letters
from provider.account import kept
from provider.applications import App, application, claims_of
from provider.callers import MANAGE, bearer, service_token, user_token
from provider.people import log_in, member, post, public_app, sign_up, somebody, user_row
from second_factor import secured

from identry.records import app_members, clients, passkeys

PAGE = "https://reports.example.com/welcome?from=mail"
GRANTS = ["authorization_code", "refresh_token", "client_credentials"]


def error_of(reply: Any) -> tuple[int, str]:
    return reply.status_code, reply.json()["error"]


async def sending_app(app: Harness, **values: Any) -> tuple[App, dict[str, str]]:
    """An application with a page for links, and the header of its own token."""
    made = await application(app, **{"magic_link_url": PAGE, "grant_types": GRANTS, **values})
    return made, bearer(await service_token(app, made))


async def send(app: Harness, made: App, header: dict[str, str], email: object) -> Any:
    path = f"{MANAGE}/api/apps/{made.client.number}/service/magic-link"
    return await app.http.post(path, json={"email": email}, headers=header)


def token_of(url: str) -> str:
    return parse_qs(urlsplit(url).query)["token"][0]


async def redeem(app: Harness, made: App, token: str, ip: str = "", **fields: object) -> Any:
    body = {"token": token, "client_id": made.client.client_id, **fields}
    return await post(app, "/api/auth/magic-link/verify", body, ip)


async def link_for(app: Harness, made: App, header: dict[str, str], email: str) -> str:
    """The token of a new link."""
    reply = await send(app, made, header, email)
    assert reply.status_code == 202, reply.text
    return token_of(reply.json()["magic_url"])


async def test_a_member_signs_in_by_link_once(app: Harness) -> None:
    made, header = await sending_app(app)
    person = await member(app, made, "viewer")

    sent = await send(app, made, header, person.email)

    assert (sent.status_code, set(sent.json())) == (202, {"message", "magic_url"})
    url = sent.json()["magic_url"]
    assert url.startswith(PAGE + "&token=")
    assert parse_qs(urlsplit(url).query)["client_id"] == [made.client.client_id]
    token = token_of(url)
    assert len(bytes.fromhex(token)) == 32
    (letter,) = await letters(app, person.email, "magic_link")
    assert letter.context["url"] == url
    assert url in (await app.mails(person.email))[0]["links"]

    reply = await redeem(app, made, token)

    assert reply.status_code == 200, reply.text
    assert reply.headers["cache-control"] == "no-store"
    assert reply.json()["app_roles"] == {made.client.client_id: "viewer"}
    assert claims_of(reply.json()["access_token"])["amr"] == ["otp"]
    assert error_of(await redeem(app, made, token)) == (422, "the link was used before")


async def test_unknown_addresses_and_strangers_get_the_same_answer_and_no_mail(app: Harness) -> None:
    made, header = await sending_app(app)
    stranger, blocked = await app.make_user(), await member(app, made, is_active=False)
    known = await send(app, made, header, (await member(app, made)).email)
    for email in (somebody(), stranger.email, blocked.email):
        reply = await send(app, made, header, email)
        assert (reply.status_code, reply.json()["message"]) == (202, known.json()["message"])
        assert len(reply.content) == len(known.content)
        assert await letters(app, email) == []
        assert (await redeem(app, made, token_of(reply.json()["magic_url"]))).status_code == 401


async def test_only_the_newest_link_works(app: Harness) -> None:
    made, header = await sending_app(app)
    person = await member(app, made)
    first, second = [await link_for(app, made, header, person.email) for _ in "12"]
    assert error_of(await redeem(app, made, first)) == (401, "the link is invalid or has expired")
    assert (await redeem(app, made, second)).status_code == 200


async def test_of_many_at_once_one_signs_in(app: Harness) -> None:
    made, header = await sending_app(app)
    for fields in ({}, {"email_verified": False}):
        person = await member(app, made, **fields)
        token = await link_for(app, made, header, person.email)
        replies = await asyncio.gather(*(redeem(app, made, token) for _ in range(20)))
        assert sorted(reply.status_code for reply in replies) == [200] + [422] * 19
        assert await app.db.fetchval("SELECT count(*) FROM sessions WHERE user_id = $1", person.id) == 1


async def test_a_link_ends_after_a_quarter_of_an_hour(app: Harness) -> None:
    made, header = await sending_app(app)
    token = await link_for(app, made, header, (await member(app, made)).email)
    app.clock.advance(15 * 60)
    assert (await redeem(app, made, token)).status_code == 401


async def test_a_link_belongs_to_its_application(app: Harness) -> None:
    made, header = await sending_app(app)
    other = await public_app(app)
    person = await member(app, made)
    await app_members.insert(app.db, other.client.id, person.id, "user", invite_sent=False, now=app.clock.now())
    token = await link_for(app, made, header, person.email)
    assert (await redeem(app, other, token)).status_code == 401
    assert (await redeem(app, made, token, client_id="nobody")).status_code == 401
    assert (await redeem(app, made, token)).status_code == 200
    assert (await redeem(app, other, token)).status_code == 401


async def test_a_link_skips_no_second_factor_and_waits_for_its_code(app: Harness) -> None:
    made, header = await sending_app(app)
    found = await secured(app)
    await app_members.insert(app.db, made.client.id, found.person.id, "user", invite_sent=False, now=app.clock.now())
    token = await link_for(app, made, header, found.person.email)
    assert error_of(await redeem(app, made, token)) == (401, "mfa_required")
    assert error_of(await redeem(app, made, token, mfa_code=found.wrong(app))) == (401, "invalid mfa code")
    reply = await redeem(app, made, token, mfa_code=found.code(app))
    assert reply.status_code == 200, reply.text
    claims = claims_of(reply.json()["access_token"])
    assert (claims["amr"], claims["acr"]) == (["otp", "mfa"], "mfa")


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ("UPDATE users SET email = 'x' || email WHERE id = $1", 401),
        ("UPDATE users SET is_active = false WHERE id = $1", 403),
        ("UPDATE users SET approval_status = 'REJECTED' WHERE id = $1", 403),
        ("DELETE FROM app_members WHERE user_id = $1", 403),
    ],
)
async def test_a_link_opens_nothing_for_who_may_not_come_any_more(app: Harness, change: str, status: int) -> None:
    made, header = await sending_app(app)
    person = await member(app, made)
    token = await link_for(app, made, header, person.email)
    await app.db.execute(change, person.id)
    assert (await redeem(app, made, token)).status_code == status
    assert await app.db.fetchval("SELECT count(*) FROM sessions WHERE user_id = $1", person.id) == 0


async def test_who_reads_the_mailbox_takes_an_account_whose_address_was_never_proven(app: Harness) -> None:
    made, header = await sending_app(app)
    person = await member(app, made, email_verified=False)
    squatter = await app.sign_in(person)
    await kept(app, person, "Squatter's key")
    reply = await redeem(app, made, await link_for(app, made, header, person.email))
    assert reply.status_code == 200, reply.text
    row = await user_row(app, person.email)
    assert (row["email_verified"], row["password_hash"]) == (True, None)
    assert not await passkeys.has_any(app.db, person.id)
    assert (await app.http.get("/auth/me", headers=squatter.bearer)).status_code == 401
    assert (await log_in(app, made, person.email)).status_code == 401


async def test_a_sixth_link_within_an_hour_waits_for_its_address_and_application_alone(app: Harness) -> None:
    made, header = await sending_app(app)
    other, other_header = await sending_app(app)
    email = somebody()
    for _ in range(5):
        assert (await send(app, made, header, email)).status_code == 202
    reply = await send(app, made, header, email.upper())
    assert error_of(reply) == (429, "too_many_requests")
    assert int(reply.headers["retry-after"]) > 3000
    assert (await send(app, other, other_header, email)).status_code == 202
    assert (await send(app, made, header, somebody())).status_code == 202


async def test_six_tokens_within_a_minute_from_one_address_are_one_too_many(app: Harness) -> None:
    made, ip = await public_app(app), app.fresh_ip()
    statuses = [(await redeem(app, made, "f" * 64, ip)).status_code for _ in "123456"]
    assert statuses == [401] * 5 + [429]


async def test_who_may_ask_for_a_link(app: Harness) -> None:
    made, header = await sending_app(app)
    other, _ = await sending_app(app)
    person = await member(app, made, "admin")
    mine = bearer(await user_token(app, person, made.client))
    no_page, no_page_header = await sending_app(app, magic_link_url=None)

    assert (await send(app, made, {}, person.email)).status_code == 401
    assert (await send(app, made, bearer("nonsense"), person.email)).status_code == 401
    assert (await send(app, made, mine, person.email)).status_code == 403
    assert (await send(app, other, header, person.email)).status_code == 403
    assert error_of(await send(app, no_page, no_page_header, person.email))[0] == 409
    assert (await send(app, made, header, "not an address")).status_code == 400
    assert (await send(app, made, header, None)).status_code == 400
    path = f"{MANAGE}/api/apps/nonsense/service/magic-link"
    assert (await app.http.post(path, json={"email": person.email}, headers=header)).status_code == 400
    await clients.update(app.db, made.client.id, {"is_active": False}, now=app.clock.now())
    assert (await send(app, made, header, person.email)).status_code in {401, 403}


async def test_a_link_is_redeemed_by_post_alone_and_named_in_full(app: Harness) -> None:
    assert (await app.http.get("/api/auth/magic-link/verify?token=x&client_id=y")).status_code == 405
    for body in ({}, {"token": "x"}, {"client_id": "y"}, {"token": "", "client_id": "y"}):
        assert (await post(app, "/api/auth/magic-link/verify", body)).status_code == 400


async def test_where_it_is_switched_off_nobody_signs_up_and_no_link_is_sent(servers: Servers) -> None:
    async with running(servers, redis=False, AUTH_POLICY="restricted", SIGNUP_ENABLED="false") as app:
        made, header = await sending_app(app)
        reply = await send(app, made, header, somebody())
        assert error_of(reply) == (403, "password_login_disabled")
        assert error_of(await sign_up(app, made)) == (403, "sign-up is disabled")
        assert error_of(await log_in(app, made, somebody())) == (403, "password_login_disabled")
