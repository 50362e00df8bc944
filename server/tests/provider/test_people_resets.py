"""Resetting a password and accepting an invitation at an application (contracts/provider-api.md §7)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
import resets
from harness import PASSWORD, Harness, Person
from letters import letters
from provider.accessibility import page_faults
from provider.account import kept
from provider.applications import App, claims_of
from provider.page_browser import PageBrowser
from provider.people import log_in, member, post, public_app, somebody, user_row
from second_factor import secured

from identry.core.limits import APP_LOGIN
from identry.oauth import mailed_links
from identry.records import app_members, clients, passkeys, users
from identry.records.one_time_tokens import Purpose

NEW = "a much better passphrase"


def error_of(reply: Any) -> tuple[int, str]:
    return reply.status_code, reply.json()["error"]


async def reset_token(app: Harness, email: str) -> str:
    assert (await post(app, "/api/auth/request-password-reset", {"email": email})).status_code == 200
    return (await letters(app, email, "password_reset"))[0].context["token"]


async def invitation(app: Harness, made: App, person: Person) -> str:
    """An invitation as the admin port issues it."""
    user = await users.find(app.db, person.id)
    assert user is not None
    async with app.db.transaction() as tx:
        return await mailed_links.issue(tx, Purpose.APP_INVITE, user, made.client, app.clock.now(), timedelta(hours=24))


async def accept(app: Harness, token: str, password: str = NEW, **fields: object) -> Any:
    return await post(app, "/api/auth/invite", {"token": token, "password": password, **fields})


async def look(app: Harness, token: str) -> Any:
    return await app.http.get("/api/auth/invite", params={"token": token}, headers={"X-Forwarded-For": app.fresh_ip()})


async def test_a_password_is_reset_and_everything_of_before_ends(app: Harness) -> None:
    made = await public_app(app)
    person = await member(app, made)
    await app.db.execute("INSERT INTO user_profiles (user_id, must_change_password) VALUES ($1, true)", person.id)
    session = (await log_in(app, made, person.email)).json()
    token = await reset_token(app, person.email)

    reply = await post(app, "/api/auth/reset-password", {"token": token, "password": NEW})

    assert (reply.status_code, set(reply.json())) == (200, {"message"})
    bearer = {"Authorization": f"Bearer {session['access_token']}"}
    assert (await app.http.post("/api/auth/logout", headers=bearer)).status_code == 401
    assert (await log_in(app, made, person.email, PASSWORD)).status_code == 401
    again = await log_in(app, made, person.email, NEW)
    assert (again.status_code, "must_change_password" in again.json()) == (200, False)
    spent = await post(app, "/api/auth/reset-password", {"token": token, "password": NEW})
    assert spent.status_code == 400


async def test_asking_for_a_link_tells_nothing(app: Harness) -> None:
    known, unknown = (await app.make_user()).email, somebody()
    replies = [await post(app, "/api/auth/request-password-reset", {"email": email}) for email in (known, unknown)]
    assert replies[0].content == replies[1].content
    assert await letters(app, unknown) == []
    assert (await post(app, "/api/auth/request-password-reset", {})).status_code == 400


async def test_the_link_leads_back_to_where_the_person_asked(app: Harness) -> None:
    async def on_the_page(email: str) -> None:
        browser = PageBrowser(app)
        await browser.open("/forgot-password")
        assert (await browser.submit(email=email)).path == "/forgot-password/sent"

    async def by(path: str, email: str) -> None:
        assert (await post(app, path, {"email": email})).status_code in {200, 202}

    async def link(email: str) -> str:
        return str((await app.mails(email))[0]["links"][0].partition("?")[0])

    one, two, three, four = [(await app.make_user()).email for _ in range(4)]
    await on_the_page(one)
    await by("/api/auth/request-password-reset", two)
    await by("/auth/password-reset/request", three)
    await by("/api/v1/auth/password-reset/request", four)
    assert {await link(one), await link(two)} == {f"{app.env['OAUTH_ISSUER']}/reset-password"}
    assert await link(three) == f"{app.env['FRONTEND_URL']}/reset-password"
    assert await link(four) == f"{app.env['APP_BASE_URL']}/reset-password"


async def test_a_reset_ends_the_lock_of_who_forgot_the_password(app: Harness) -> None:
    made, ip = await public_app(app), app.fresh_ip()
    person = await member(app, made)
    for _ in range(5):
        await log_in(app, made, person.email, "wrong", ip=ip)
    token = await reset_token(app, person.email)
    assert (await post(app, "/api/auth/reset-password", {"token": token, "password": NEW}, ip)).status_code == 200
    await app.app.engines.login_limiter.forget(APP_LOGIN, ip)
    assert (await log_in(app, made, person.email, NEW, ip=ip)).status_code == 200


@pytest.mark.parametrize("path", ["request-password-reset", "reset-password"])
async def test_six_resets_within_a_minute_from_one_address_are_one_too_many(app: Harness, path: str) -> None:
    ip = app.fresh_ip()
    body = {"email": somebody(), "token": "x", "password": NEW}
    statuses = [(await post(app, f"/api/auth/{path}", {**body, "email": somebody()}, ip)).status_code for _ in "123456"]
    assert statuses[-1] == 429
    assert 429 not in statuses[:-1]


async def test_pages_and_json_of_a_reset_count_together_and_the_page_says_when_to_come_back(app: Harness) -> None:
    """contracts/provider-api.md §13; the link that was refused for the limit opens the account afterwards."""
    person = await app.make_user()
    token = await reset_token(app, person.email)
    german = {"Accept-Language": "de"}
    asking, setting = PageBrowser(app), PageBrowser(app, headers=german)
    for browser, page, body, path in (
        (asking, "/forgot-password", {"email": person.email}, "/api/auth/request-password-reset"),
        (setting, f"/reset-password?token={token}", {"token": "x", "password": NEW}, "/api/auth/reset-password"),
    ):
        for _ in range(4):
            status = (await post(app, path, {**body, "email": somebody()}, browser.address)).status_code
            assert status in {200, 400}
        await browser.open(page)
    assert (await asking.submit(email=somebody())).path == "/forgot-password/sent", "the fifth"
    await asking.open("/forgot-password")
    refused = await asking.submit(email=person.email)
    assert refused.status == 429
    assert "Too many attempts. Try again in 1 min." in refused.text
    assert refused.form().fields["email"] == person.email, "nothing has to be typed again"
    assert page_faults(refused) == []

    await post(app, "/api/auth/reset-password", {"token": "x", "password": NEW}, setting.address)
    refused = await setting.submit(new_password=NEW)
    assert refused.status == 429
    assert int(refused.reply.headers["retry-after"]) > 0
    assert "Zu viele Versuche. Versuchen Sie es in 1 Min. noch einmal." in refused.text
    assert page_faults(refused) == []
    app.clock.advance(61)
    assert (await setting.submit(new_password=NEW)).path == "/reset-password/done"


async def test_an_invited_person_chooses_a_password_and_is_signed_in(app: Harness) -> None:
    made = await public_app(app)
    person = await member(app, made, "editor", email_verified=False)
    token = await invitation(app, made, person)

    offer = await look(app, token)
    assert offer.status_code == 200, offer.text
    assert set(offer.json()) == {"valid", "email", "app_name", "expires_at"}
    assert (offer.json()["valid"], offer.json()["email"]) == (True, person.email)

    assert (await accept(app, token, "short")).status_code == 400
    reply = await accept(app, token, name="Grace Hopper")
    assert reply.status_code == 200, reply.text
    assert reply.json()["app_roles"] == {made.client.client_id: "editor"}
    assert claims_of(reply.json()["access_token"])["amr"] == ["pwd"]
    row = await user_row(app, person.email)
    assert (row["email_verified"], row["full_name"]) == (True, "Grace Hopper")
    assert (await log_in(app, made, person.email, NEW)).status_code == 200
    for refused in (await accept(app, token), await look(app, token)):
        assert error_of(refused) == (400, "the invitation is invalid, was used before or has expired")


async def test_who_made_an_account_with_a_strangers_address_keeps_no_passkey_when_its_owner_comes(app: Harness) -> None:
    """SECURITY §2 rows 31, 32: what was added before the mailbox proved the address opens nothing after."""
    made = await public_app(app)
    for invited, proven in ((False, False), (True, False), (False, True)):
        person = await member(app, made, email_verified=proven)
        await kept(app, person, "Mine")
        if invited:
            assert (await accept(app, await invitation(app, made, person))).status_code == 200
        else:
            assert (await resets.confirm(app, await resets.mailed_token(app, person))).status_code == 200
        assert await passkeys.has_any(app.db, person.id) is proven, (invited, proven)


async def test_an_account_in_use_keeps_its_password_and_asks_for_it(app: Harness) -> None:
    made = await public_app(app)
    person = await member(app, made)
    token = await invitation(app, made, person)
    refused = await accept(app, token)
    assert error_of(refused) == (400, "the address has an account already, and this is not its password")
    assert (await accept(app, token, PASSWORD)).status_code == 200
    assert (await user_row(app, person.email))["password_hash"] == await app.password_hash()


async def test_an_invitation_skips_no_second_factor_and_waits_for_its_code(app: Harness) -> None:
    made, somebody_else = await public_app(app), await secured(app)
    person = somebody_else.person
    await app_members.insert(app.db, made.client.id, person.id, "user", invite_sent=True, now=app.clock.now())
    token = await invitation(app, made, person)
    assert error_of(await accept(app, token, PASSWORD)) == (401, "mfa_required")
    assert error_of(await accept(app, token, PASSWORD, mfa_code=somebody_else.wrong(app))) == (401, "invalid mfa code")
    reply = await accept(app, token, PASSWORD, mfa_code=somebody_else.code(app))
    assert claims_of(reply.json()["access_token"])["amr"] == ["pwd", "otp", "mfa"]


async def test_of_many_at_once_one_accepts(app: Harness) -> None:
    made = await public_app(app)
    token = await invitation(app, made, await member(app, made, email_verified=False))
    replies = await asyncio.gather(*(accept(app, token) for _ in range(20)))
    assert sorted(reply.status_code for reply in replies) == [200] + [400] * 19


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE users SET email = 'x' || email WHERE id = $1",
        "UPDATE users SET is_active = false WHERE id = $1",
        "UPDATE users SET approval_status = 'REJECTED' WHERE id = $1",
        "DELETE FROM app_members WHERE user_id = $1",
    ],
)
async def test_an_invitation_opens_nothing_for_who_may_not_come_any_more(app: Harness, change: str) -> None:
    made = await public_app(app)
    person = await member(app, made, email_verified=False)
    token = await invitation(app, made, person)
    await app.db.execute(change, person.id)
    assert (await accept(app, token)).status_code in {400, 403}
    assert await app.db.fetchval("SELECT count(*) FROM sessions WHERE user_id = $1", person.id) == 0
    assert await app.db.fetchval("SELECT email_verified FROM users WHERE id = $1", person.id) is False


async def test_an_invitation_ends_with_its_application_or_its_time(app: Harness) -> None:
    made = await public_app(app)
    person = await member(app, made, email_verified=False)
    token = await invitation(app, made, person)
    await clients.update(app.db, made.client.id, {"is_active": False}, now=app.clock.now())
    assert (await accept(app, token)).status_code == 400
    await clients.update(app.db, made.client.id, {"is_active": True}, now=app.clock.now())
    app.clock.advance(24 * 3600)
    assert (await look(app, token)).status_code == 400
