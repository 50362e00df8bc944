"""Signing in at an application with a password, and out everywhere (contracts/provider-api.md §7, §13)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from browser import settle, tenant
from harness import Harness, Person
from provider.applications import App, application, claims_of
from provider.people import log_in, member, public_app, sign_up, somebody, user_row
from second_factor import secured

from identry.core.limits import APP_LOGIN
from identry.records import app_members, clients


def error_of(reply: Any) -> tuple[int, str]:
    return reply.status_code, reply.json()["error"]


async def enrolled(app: Harness, made: App) -> Any:
    """A member with an authenticator app."""
    found = await secured(app, codes=True)
    await app_members.insert(app.db, made.client.id, found.person.id, "user", invite_sent=False, now=app.clock.now())
    return found


async def info(app: Harness, token: str) -> int:
    reply = await app.http.post("/api/auth/logout", headers={"Authorization": f"Bearer {token}"})
    return int(reply.status_code)


async def test_a_member_signs_in_with_the_shape_and_the_claims_of_the_contract(app: Harness) -> None:
    made = await public_app(app)
    person = await member(app, made, "editor")

    reply = await log_in(app, made, person.email.upper())

    assert reply.status_code == 200, reply.text
    assert reply.headers["cache-control"] == "no-store"
    body, number = reply.json(), (await user_row(app, person.email))["number"]
    assert set(body) == {
        "access_token",
        "refresh_token",
        "id_token",
        "token_type",
        "expires_in",
        "user_id",
        "roles",
        "app_roles",
    }
    assert (body["token_type"], body["expires_in"], body["user_id"]) == ("Bearer", 900, number)
    assert body["app_roles"] == {made.client.client_id: "editor"}
    claims = claims_of(body["access_token"])
    assert (claims["sub"], claims["aud"], claims["amr"], claims["acr"]) == (
        str(number),
        [made.client.client_id],
        ["pwd"],
        "pwd",
    )
    assert claims_of(body["id_token"])["email"] == person.email
    (event,) = await app.audit("auth.login.succeeded", target_user_id=person.id)
    assert event["outcome"] == "success"


async def test_both_factors_come_in_one_call(app: Harness) -> None:
    made = await public_app(app)
    owner = await enrolled(app, made)

    assert error_of(await log_in(app, made, owner.person.email)) == (401, "mfa_required")
    wrong = await log_in(app, made, owner.person.email, mfa_code=owner.wrong(app))
    assert error_of(wrong) == (401, "invalid mfa code")
    code = owner.code(app)
    reply = await log_in(app, made, owner.person.email, mfa_code=code)
    assert reply.status_code == 200, reply.text
    claims = claims_of(reply.json()["access_token"])
    assert (claims["amr"], claims["acr"]) == (["pwd", "otp", "mfa"], "mfa")
    assert error_of(await log_in(app, made, owner.person.email, mfa_code=code)) == (401, "invalid mfa code")
    assert (await log_in(app, made, owner.person.email, mfa_code=owner.codes[0])).status_code == 200
    assert error_of(await log_in(app, made, owner.person.email, mfa_code=owner.codes[0])) == (401, "invalid mfa code")


async def test_one_code_sent_many_times_at_once_signs_in_once(app: Harness) -> None:
    made = await public_app(app)
    owner = await enrolled(app, made)
    code = owner.code(app)
    replies = await asyncio.gather(*(log_in(app, made, owner.person.email, mfa_code=code) for _ in range(8)))
    assert sorted(reply.status_code for reply in replies) == [200] + [401] * 7


async def test_wrong_codes_are_counted_for_the_account_whatever_address_they_come_from(app: Harness) -> None:
    made = await public_app(app)
    owner = await enrolled(app, made)
    app.clock.advance(60)
    wrong = owner.wrong(app)
    for _ in range(10):
        assert error_of(await log_in(app, made, owner.person.email, mfa_code=wrong)) == (401, "invalid mfa code")
    right = owner.code(app)
    assert error_of(await log_in(app, made, owner.person.email, mfa_code=right)) == (429, "too_many_requests")


async def test_whatever_is_wrong_with_address_or_password_is_told_alike(app: Harness) -> None:
    made = await public_app(app)
    person = await member(app, made)
    replies = [
        await log_in(app, made, person.email, "wrong"),
        await log_in(app, made, somebody()),
        await log_in(app, made, (await member(app, made, password_hash=None)).email),
    ]
    assert {(error_of(reply), len(reply.content)) for reply in replies} == {
        ((401, "invalid email or password"), len(replies[0].content))
    }


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"email_verified": False}, "email not verified"),
        ({"is_active": False}, "this account is deactivated"),
        ({"approval_status": "PENDING"}, "your registration is waiting for approval"),
        ({"approval_status": "REJECTED"}, "your registration was rejected"),
    ],
)
async def test_a_closed_gate_is_told_to_who_knows_the_password(app: Harness, fields: dict[str, Any], text: str) -> None:
    made = await public_app(app)
    person = await member(app, made, **fields)
    assert error_of(await log_in(app, made, person.email)) == (403, text)
    assert error_of(await log_in(app, made, person.email, "wrong"))[0] == 401
    (event,) = await app.audit("auth.login.blocked", target_user_id=person.id)
    assert event["outcome"] == "failure"


async def test_who_is_no_member_stays_outside_but_for_administrators_of_the_platform(app: Harness) -> None:
    made = await public_app(app)
    elsewhere = await member(app, await public_app(app))
    admin = await app.make_user(global_role="PLATFORM_ADMIN")
    assert error_of(await log_in(app, made, elsewhere.email)) == (403, "not a member of this application")
    reply = await log_in(app, made, admin.email)
    assert (reply.status_code, reply.json()["roles"][0]) == (200, "admin")


async def test_an_application_of_a_tenant_is_for_the_people_of_that_tenant(app: Harness) -> None:
    home = await tenant(app)
    made = await public_app(app, tenant_id=home)
    person, admin = await member(app, made), await app.make_user(global_role="PLATFORM_ADMIN")
    for who in (person, admin):
        assert error_of(await log_in(app, made, who.email)) == (403, "not a member of this application")
        await settle(app, who, home)
        reply = await log_in(app, made, who.email)
        assert claims_of(reply.json()["access_token"])["tenant_id"] == str(home)


async def test_an_application_that_is_unknown_switched_off_or_bound_to_keys_signs_nobody_in(app: Harness) -> None:
    off, bound = await application(app), await public_app(app, require_dpop=True)
    await clients.update(app.db, off.client.id, {"is_active": False}, now=app.clock.now())
    person = await member(app, off)
    assert error_of(await log_in(app, off, person.email)) == (400, "unknown application")
    assert (await log_in(app, bound, person.email)).status_code == 400
    assert error_of(await log_in(app, off, person.email, app_client_id="nobody")) == (400, "unknown application")
    assert (await log_in(app, off, person.email, app_client_id=None)).status_code == 400


async def test_an_application_without_refresh_tokens_gets_none(app: Harness) -> None:
    made = await public_app(app, grant_types=["authorization_code"], scopes=["api"])
    person = await member(app, made)
    body = (await log_in(app, made, person.email)).json()
    assert "refresh_token" not in body
    assert "id_token" not in body


async def test_who_has_to_change_the_password_is_told(app: Harness) -> None:
    made = await public_app(app)
    person = await member(app, made)
    await app.db.execute("INSERT INTO user_profiles (user_id, must_change_password) VALUES ($1, true)", person.id)
    assert (await log_in(app, made, person.email)).json()["must_change_password"] is True


async def test_six_tries_within_a_minute_from_one_address_are_one_too_many(app: Harness) -> None:
    made, ip = await public_app(app), app.fresh_ip()
    person = await member(app, made)
    first = await log_in(app, made, person.email, ip=ip)
    assert (first.headers["x-ratelimit-limit"], first.headers["x-ratelimit-remaining"]) == ("5", "4")
    for _ in range(4):
        assert (await log_in(app, made, somebody(), ip=ip)).status_code == 401
    reply = await log_in(app, made, somebody(), ip=ip)
    assert (reply.status_code, set(reply.json())) == (429, {"error", "error_description"})
    assert (reply.headers["x-ratelimit-limit"], reply.headers["x-ratelimit-remaining"]) == ("5", "0")
    assert int(reply.headers["x-ratelimit-reset"]) > app.clock.timestamp()
    assert int(reply.headers["retry-after"]) > 0


async def test_an_account_is_locked_for_the_address_that_guessed_and_for_no_other(app: Harness) -> None:
    made, ip = await public_app(app), app.fresh_ip()
    person = await member(app, made)
    for _ in range(5):
        assert (await log_in(app, made, person.email, "wrong", ip=ip)).status_code == 401
    reply = await locked_reply(app, made, person, ip)
    assert error_of(reply) == (403, "account locked; try again later")
    assert int(reply.headers["retry-after"]) > 0
    assert (await log_in(app, made, person.email)).status_code == 200


async def locked_reply(app: Harness, made: App, person: Person, ip: str) -> Any:
    """A sixth try from an address whose tries of the minute are given back."""
    await app.app.engines.login_limiter.forget(APP_LOGIN, ip)
    return await log_in(app, made, person.email, ip=ip)


async def test_signing_out_ends_every_session_at_every_application(app: Harness) -> None:
    made, other = await public_app(app), await public_app(app)
    person = await member(app, made)
    await app_members.insert(app.db, other.client.id, person.id, "user", invite_sent=False, now=app.clock.now())
    here = (await log_in(app, made, person.email)).json()["access_token"]
    there = (await log_in(app, other, person.email)).json()["access_token"]
    before = (await user_row(app, person.email))["token_version"]
    await app.sign_in(person)

    reply = await app.http.post("/api/auth/logout", headers={"Authorization": f"Bearer {here}"})

    assert (reply.status_code, set(reply.json())) == (200, {"message"})
    assert (await user_row(app, person.email))["token_version"] == before + 1
    assert [await info(app, token) for token in (here, there)] == [401, 401]
    assert (await app.http.get("/auth/me", headers=person.bearer)).status_code == 401


@pytest.mark.parametrize("token", ["", "nonsense", "a.b.c"])
async def test_signing_out_needs_a_token(app: Harness, token: str) -> None:
    reply = await app.http.post("/api/auth/logout", headers={"Authorization": f"Bearer {token}"} if token else {})
    assert reply.status_code == 401
    assert reply.headers["www-authenticate"] == 'Bearer realm="oauth2", error="invalid_token"'


async def test_a_newcomer_signs_in_after_the_address_is_proven(app: Harness) -> None:
    made, email = await public_app(app), somebody()
    link = (await sign_up(app, made, email)).json()["verify_url"]
    assert error_of(await log_in(app, made, email)) == (403, "email not verified")
    assert (await app.http.get(link.removeprefix("https://auth.example.com"))).status_code == 200
    assert (await log_in(app, made, email)).status_code == 200
