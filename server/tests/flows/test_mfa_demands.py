"""Every path to a token demands the factor, and a demand that is new counts at the next refresh (SECURITY 37, 39)."""

from __future__ import annotations

from typing import Any

import pytest
from browser import Browser, assert_error
from enrolment import Owner, begun, code_of, demanded, newcomer, owner
from harness import PASSWORD, Harness, Person, Servers, running
from letters import letters
from offers import accept, offer


async def assert_no_session(app: Harness, person: Person, reply: Any) -> None:
    """Neither token nor cookie, in whatever words."""
    assert "set-cookie" not in reply.headers, reply.text
    for word in ("access_token", "accessToken", "refreshToken"):
        assert word not in reply.text
    assert (
        await app.db.fetchval(
            "SELECT count(*) FROM sessions WHERE user_id = $1 AND NOT 'mfa' = ANY (amr) AND revoked_at IS NULL",
            person.id,
        )
        == 0
    )


async def reset(app: Harness, found: Owner) -> Any:
    where = {"X-Forwarded-For": app.fresh_ip()}
    await app.http.post("/auth/password-reset/request", json={"email": found.person.email}, headers=where)
    link = (await letters(app, found.person.email, "password_reset"))[0].context["token"]
    return await Browser(app).post("/password-reset/confirm", {"token": link, "new_password": "a new passphrase"})


PATHS = {
    "browser sign-in": lambda app, found: Browser(app).login(found.person),
    "platform sign-in": lambda app, found: app.http.post(
        "/auth/login", json={"email": found.person.email, "password": PASSWORD}
    ),
    "password reset": reset,
}


@pytest.mark.parametrize("path", PATHS)
async def test_no_path_gives_a_session_without_the_factor(app: Harness, path: str) -> None:
    found = await owner(app)
    await assert_no_session(app, found.person, await PATHS[path](app, found))


async def test_an_invitation_gives_no_session_without_the_factor(app: Harness) -> None:
    found = await owner(app)
    invitation = await offer(app, email=found.person.email)
    reply = await accept(app, invitation.token, password=PASSWORD)
    assert (reply.status_code, reply.json()["error"]["code"]) == (403, "mfa_required")
    await assert_no_session(app, found.person, reply)


async def test_a_session_from_before_the_factor_is_not_refreshed_on_any_surface(app: Harness) -> None:
    """Even where enabling failed to end it: what the session began with is held against the account."""
    person, _ = await newcomer(app)
    browser = Browser(app)
    await browser.login(person)
    await app.sign_in(person)
    await app.db.execute("UPDATE users SET mfa_enabled = true WHERE id = $1", person.id)
    assert_error(await browser.post("/refresh"), 401, "token_revoked")
    reply = await app.http.post("/auth/refresh", json={"refreshToken": person.refresh_token})
    assert (reply.status_code, reply.json()["error"]["code"]) == (401, "session_revoked")


async def test_a_tenants_new_demand_counts_at_the_next_refresh(app: Harness) -> None:
    person, home = await newcomer(app)
    browser = Browser(app)
    await browser.login(person)
    await app.db.execute("UPDATE tenants SET mfa_required = true WHERE id = $1", home)
    me = (await browser.get("/me")).json()
    assert (me["mfa_enabled"], me["must_enroll_mfa"]) == (False, True)
    assert (await browser.get("/mfa")).json()["required"] is True
    reply = await browser.post("/refresh")
    assert_error(reply, 401, "token_revoked")
    assert browser.cookie == ""
    ticket = await demanded(app, person)
    secret = await begun(Browser(app), ticket)
    done = await browser.post("/mfa/enable", {"session_token": ticket, "totp_code": code_of(app, secret)})
    assert_error(done, 400, "validation_error")
    fresh = Browser(app)
    done = await fresh.post("/mfa/enable", {"session_token": ticket, "totp_code": code_of(app, secret)})
    assert done.status_code == 200, done.text
    assert (await fresh.post("/refresh")).status_code == 200


async def test_while_the_access_token_lives_the_set_up_is_open_and_the_session_goes_on(app: Harness) -> None:
    """The app that heeds `must_enroll_mfa` loses no session."""
    person, home = await newcomer(app)
    browser = Browser(app)
    await browser.login(person)
    await app.db.execute("UPDATE tenants SET mfa_required = true WHERE id = $1", home)
    secret = await begun(browser)
    assert (await browser.post("/mfa/enable", {"totp_code": code_of(app, secret)})).status_code == 200
    assert (await browser.post("/refresh")).status_code == 200
    assert browser.me["must_enroll_mfa"] is False


async def test_a_retry_inside_the_grace_window_is_held_against_the_demand_as_well(app: Harness) -> None:
    person, home = await newcomer(app)
    browser = Browser(app)
    await browser.login(person)
    predecessor = browser.cookie
    assert (await browser.post("/refresh")).status_code == 200
    assert (await Browser(app, cookie=predecessor).post("/refresh")).status_code == 200
    await app.db.execute("UPDATE tenants SET mfa_required = true WHERE id = $1", home)
    assert_error(await Browser(app, cookie=predecessor).post("/refresh"), 401, "token_revoked")
    await app.db.execute("UPDATE tenants SET mfa_required = false WHERE id = $1", home)
    assert (await browser.post("/refresh")).status_code == 200, "a demand that was taken back ended nothing"


@pytest.mark.parametrize(("active", "status"), [(True, 401), (False, 200)])
async def test_a_platform_session_obeys_every_tenant_that_its_tokens_reach(
    app: Harness, active: bool, status: int
) -> None:
    person, home = await newcomer(app, mfa_required=False)
    await app.sign_in(person)
    await app.db.execute("UPDATE tenants SET mfa_required = true, is_active = $2 WHERE id = $1", home, active)
    reply = await app.http.post("/auth/refresh", json={"refreshToken": person.refresh_token})
    assert reply.status_code == status, reply.text


async def test_a_tenant_that_came_to_want_single_sign_on_ends_passwords_on_the_platform_too(app: Harness) -> None:
    person, home = await newcomer(app)
    await app.sign_in(person)
    await app.db.execute("UPDATE tenants SET auth_policy = 'restricted' WHERE id = $1", home)
    reply = await app.http.post("/auth/refresh", json={"refreshToken": person.refresh_token})
    assert reply.status_code == 401


async def test_the_deployments_new_demand_counts_at_the_next_refresh(app: Harness, servers: Servers) -> None:
    person, _ = await newcomer(app)
    browser = Browser(app)
    await browser.login(person)
    await app.sign_in(person)
    found = await owner(app)
    async with running(servers, MFA_REQUIRED="true") as strict:
        same = Browser(strict, cookie=browser.cookie, access_token=browser.access_token)
        assert (await same.get("/me")).json()["must_enroll_mfa"] is True
        assert_error(await same.post("/refresh"), 401, "token_revoked")
        reply = await strict.http.post("/auth/refresh", json={"refreshToken": person.refresh_token})
        assert reply.status_code == 401
        proven = Browser(strict, cookie=found.browser.cookie)
        assert (await proven.post("/refresh")).status_code == 200


async def test_with_the_factor_a_session_goes_on_under_every_demand(app: Harness) -> None:
    found = await owner(app)
    again = await found.again()
    await app.db.execute("UPDATE tenants SET mfa_required = true WHERE id = $1", found.tenant_id)
    for browser in (found.browser, again):
        assert (await browser.post("/refresh")).status_code == 200
        assert (await browser.get("/me")).status_code == 200
