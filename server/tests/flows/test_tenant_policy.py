"""What a tenant demands holds on every path, on both surfaces, whoever's turn it is (contracts/browser-api.md §5).

Acceptance of invitations: flows/tenant/test_accept_tenant_invitation.py.
"""

from __future__ import annotations

import json
from uuid import UUID

import pytest
from browser import Browser, assert_error, settle, signed_in, tenant
from harness import PASSWORD, Harness, Person
from letters import letters
from offers import offer
from second_factor import secured

NEW = "another horse, another battery"


async def restrict(app: Harness, tenant_id: UUID) -> None:
    """Let the tenant want single sign-on only."""
    await app.db.execute("UPDATE tenants SET auth_policy = 'restricted' WHERE id = $1", tenant_id)


async def ask_for_reset(app: Harness, email: str, surface: str) -> int:
    """Ask for a reset link; the status, after the answer was found to be the one for everybody."""
    if surface == "browser":
        reply = await Browser(app).post("/password-reset/request", {"email": email})
        assert set(reply.json()) == {"message"}
    else:
        headers = {"X-Forwarded-For": app.fresh_ip()}
        reply = await app.http.post("/auth/password-reset/request", json={"email": email}, headers=headers)
        assert set(reply.json()["data"]) == {"message"}
    return reply.status_code


async def reset_token(app: Harness, person: Person) -> str:
    """The token of a reset mail that was sent while it was allowed."""
    await ask_for_reset(app, person.email, "browser")
    return (await letters(app, person.email, "password_reset"))[0].context["token"]


@pytest.mark.parametrize(("surface", "status"), [("browser", 202), ("platform", 200)])
async def test_no_reset_link_goes_to_who_may_only_use_single_sign_on(app: Harness, surface: str, status: int) -> None:
    person = await app.make_user()
    await settle(app, person, await tenant(app, auth_policy="restricted"))
    assert await ask_for_reset(app, person.email, surface) == status, "the answer tells nothing"
    assert await letters(app, person.email) == []
    [row] = await app.audit("auth.password_reset.requested", target_user_id=person.id)
    assert (row["outcome"], json.loads(row["details"])) == ("failure", {"reason": "single sign-on only"})


async def test_a_password_that_opens_one_tenant_can_be_reset(app: Harness) -> None:
    person = await app.make_user()
    await settle(app, person, await tenant(app, auth_policy="restricted"))
    await settle(app, person, await tenant(app))
    await ask_for_reset(app, person.email, "browser")
    assert len(await letters(app, person.email, "password_reset")) == 1


async def test_places_that_are_closed_demand_nothing(app: Harness) -> None:
    person = await app.make_user()
    await settle(app, person, await tenant(app, auth_policy="restricted", is_active=False))
    await settle(app, person, await tenant(app, auth_policy="restricted"), is_active=False)
    await ask_for_reset(app, person.email, "platform")
    assert len(await letters(app, person.email, "password_reset")) == 1


async def test_a_link_that_was_sent_before_sets_no_password_any_more(app: Harness) -> None:
    person, home = await app.make_user(), await tenant(app)
    await settle(app, person, home)
    token = await reset_token(app, person)
    await restrict(app, home)
    browser = await Browser(app).post("/password-reset/confirm", {"token": token, "new_password": NEW})
    assert_error(browser, 403, "password_login_disabled")
    platform = await app.http.post("/auth/password-reset/confirm", json={"token": token, "newPassword": NEW})
    assert (platform.status_code, platform.json()["error"]["code"]) == (403, "password_login_disabled")
    assert len(await app.audit("auth.password_reset.failed", target_user_id=person.id)) == 2
    await app.db.execute("UPDATE tenants SET auth_policy = 'standard' WHERE id = $1", home)
    assert (await Browser(app).login(person)).status_code == 200, "the old password was kept"
    done = await Browser(app).post("/password-reset/confirm", {"token": token, "new_password": NEW})
    assert done.status_code == 204, "and the link with it"


async def test_login_is_refused_on_both_surfaces_after_the_proof_and_before_any_ticket(app: Harness) -> None:
    ada, home = await secured(app), await tenant(app)
    await settle(app, ada.person, home)
    await restrict(app, home)
    assert_error(await Browser(app).login(ada.person), 403, "password_login_disabled")
    assert_error(await Browser(app).login(ada.person, "not it"), 401, "invalid_credentials")
    body = {"email": ada.person.email, "password": PASSWORD}
    platform = await app.http.post("/auth/login", json=body)
    assert (platform.status_code, platform.json()["error"]["code"]) == (403, "password_login_disabled")


async def test_a_second_step_that_began_before_is_refused_on_both_surfaces(app: Harness) -> None:
    ada, home = await secured(app), await tenant(app)
    await settle(app, ada.person, home)
    browser = Browser(app)
    ticket = (await browser.login(ada.person)).json()["session_token"]
    body = {"email": ada.person.email, "password": PASSWORD}
    waiting = (await app.http.post("/auth/login", json=body)).json()["error"]["details"]["mfaToken"]
    await restrict(app, home)
    code = {"session_token": ticket, "totp_code": ada.code(app)}
    assert_error(await browser.post("/mfa/verify", code), 403, "password_login_disabled")
    app.clock.advance(60)
    platform = await app.http.post("/auth/mfa/verify", json={"mfaToken": waiting, "code": ada.code(app)})
    assert (platform.status_code, platform.json()["error"]["code"]) == (403, "password_login_disabled")


async def test_a_session_that_began_with_a_password_ends_at_its_next_refresh(app: Harness) -> None:
    home = await tenant(app)
    browser = await signed_in(app, tenant_id=home)
    await restrict(app, home)
    assert (await browser.get("/me")).status_code == 200
    assert_error(await browser.post("/refresh"), 401, "token_revoked")


async def test_registering_with_an_invitation_obeys_the_tenant_that_invites(app: Harness) -> None:
    offered = await offer(app)
    await restrict(app, offered.company)
    body = {"email": offered.email, "password": NEW, "full_name": "Gil", "invitation_token": offered.token}
    assert_error(await Browser(app).post("/register", body), 403, "password_login_disabled")
    await app.db.execute(
        "UPDATE tenants SET auth_policy = 'standard', allowed_email_domains = '{acme.com}' WHERE id = $1",
        offered.company,
    )
    assert_error(await Browser(app).post("/register", body), 403, "email_domain_not_allowed")
    platform = {"token": offered.token, "password": NEW, "fullName": "Gil"}
    reply = await app.http.post("/auth/invitations/accept", json=platform)
    assert (reply.status_code, reply.json()["error"]["code"]) == (403, "email_domain_not_allowed")
