"""Accepting an invitation of a tenant: GET and POST /api/v1/auth/invitations/{token} (contracts/browser-api.md §2)."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from browser import Browser, assert_error
from guests import accept, address, invite, look, newest_token
from harness import PASSWORD, Harness, Servers, running
from letters import letters
from offers import offer
from second_factor import secured
from tenants import Tenant

from identry.core.ids import uuid7
from identry.core.limits import INVITATION_LOOK
from identry.core.secrets import new_token, token_hash
from identry.records import groups, invitations, memberships, tenants, users
from identry.records.invitations import Invitation


async def groups_of(tenant: Tenant, email: str) -> list[str]:
    """The names of the groups whose rights somebody has."""
    user = await users.find_by_email(tenant.app.db, email)
    assert user is not None
    return [group.name for group in await groups.of_user(tenant.app.db, tenant.id, user.id)]


async def test_the_holder_sees_who_invites_where_to_and_how_to_accept(tenant: Tenant) -> None:
    guest = await invite(tenant, await tenant.built_in("Admin"))
    reply = await look(tenant.app, guest.token)
    assert reply.status_code == 200
    body = reply.json()
    assert set(body) == {"email", "tenant_name", "invited_by", "methods", "expires_at"}
    assert (body["email"], body["tenant_name"], body["invited_by"]) == (guest.email, "Acme", "Test Person")
    assert body["methods"] == ["password"]
    assert reply.headers["cache-control"] == "no-store"
    person = await tenant.app.make_user()
    known = await invite(tenant, email=person.email)
    assert set((await look(tenant.app, known.token)).json()) == set(body), "the same whether or not there is an account"


async def test_a_newcomer_gets_an_account_the_groups_and_a_session(tenant: Tenant) -> None:
    desk = await tenant.group("incidents:read", name="Desk")
    guest, browser = await invite(tenant, desk), Browser(tenant.app)
    reply = await accept(tenant.app, guest.token, "a long enough one", browser)
    assert reply.status_code == 200, reply.text
    assert set(reply.json()) == {"access_token", "expires_in", "token_type", "user"}
    me = reply.json()["user"]
    assert (me["email"], me["full_name"], me["tenant_id"]) == (guest.email, "Gil Guest", str(tenant.id))
    assert (me["groups"], me["permissions"]) == ([{"id": str(desk.id), "name": "Desk"}], ["incidents:read"])
    assert "HttpOnly" in reply.headers["set-cookie"]
    assert (await browser.post("/refresh")).status_code == 200
    user = await users.find_by_email(tenant.app.db, guest.email)
    assert user is not None
    assert (user.email_verified, user.approval_status, user.global_role) == (True, "APPROVED", "NONE")
    assert await memberships.companies_of(tenant.app.db, user.id) == [], "no role in the company"
    events = [row["event"] for row in await tenant.app.audit(target_user_id=user.id)]
    assert events[:4] == ["user.created", "tenant.member.created", "invitation.accepted", "auth.login.succeeded"]
    [row] = await tenant.app.audit("invitation.accepted", company_id=tenant.id)
    told = {"invitationId": guest.id, "groupIds": [str(desk.id)], "newAccount": True}
    assert json.loads(row["details"]) == told


async def test_an_account_that_exists_joins_by_its_password_and_by_nothing_less(tenant: Tenant) -> None:
    person = await tenant.app.make_user(full_name="Old Name", email_verified=False)
    guest = await invite(tenant, await tenant.built_in("Read only"), email=person.email)
    assert_error(await accept(tenant.app, guest.token, "not its password"), 401, "invalid_credentials")
    assert await tenants.find_member(tenant.app.db, tenant.id, person.id) is None
    reply = await accept(tenant.app, guest.token)
    assert reply.status_code == 200
    assert reply.json()["user"]["full_name"] == "Old Name"
    assert await groups_of(tenant, person.email) == ["Read only"]
    user = await users.find(tenant.app.db, person.id)
    assert user is not None
    assert user.email_verified is True


async def test_an_account_without_a_password_is_not_taken_over_by_the_link(tenant: Tenant) -> None:
    person = await tenant.app.make_user(password_hash=None, auth_provider="microsoft")
    guest = await invite(tenant, email=person.email)
    assert_error(await accept(tenant.app, guest.token), 401, "invalid_credentials")
    assert await tenants.find_member(tenant.app.db, tenant.id, person.id) is None


async def test_a_second_factor_is_asked_for_before_any_token(tenant: Tenant) -> None:
    ada = await secured(tenant.app)
    guest, browser = await invite(tenant, email=ada.person.email), Browser(tenant.app)
    reply = await accept(tenant.app, guest.token, browser=browser)
    assert reply.status_code == 200
    assert set(reply.json()) == {"mfa_required", "session_token", "methods", "expires_in"}
    assert browser.cookie == ""
    told = {"session_token": reply.json()["session_token"], "totp_code": ada.code(tenant.app)}
    done = await browser.post("/mfa/verify", told)
    assert done.json()["user"]["tenant_id"] == str(tenant.id)


async def test_a_tenant_that_demands_a_second_factor_has_it_set_up_first(tenant: Tenant) -> None:
    await tenant.app.db.execute("UPDATE tenants SET mfa_required = true WHERE id = $1", tenant.id)
    guest, browser = await invite(tenant), Browser(tenant.app)
    reply = await accept(tenant.app, guest.token, browser=browser)
    assert (reply.status_code, reply.json()["mfa_setup_required"]) == (200, True)
    assert browser.cookie == browser.access_token == ""


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"is_active": False}, "account_inactive"),
        ({"approval_status": "REJECTED"}, "registration_rejected"),
        ({"approval_status": "PENDING", "is_active": False}, "pending_approval"),
    ],
    ids=["inactive", "rejected", "pending"],
)
async def test_a_closed_gate_stops_acceptance_and_keeps_the_invitation(
    tenant: Tenant, fields: dict[str, Any], code: str
) -> None:
    person = await tenant.app.make_user(**fields)
    guest = await invite(tenant, email=person.email)
    assert_error(await accept(tenant.app, guest.token), 403, code)
    assert await tenants.find_member(tenant.app.db, tenant.id, person.id) is None
    assert (await look(tenant.app, guest.token)).status_code == 200


async def test_a_link_works_once_and_for_seven_days(tenant: Tenant) -> None:
    guest, late = await invite(tenant), await invite(tenant)
    assert (await accept(tenant.app, guest.token)).status_code == 200
    assert_error(await accept(tenant.app, guest.token), 410, "invitation_used")
    assert_error(await look(tenant.app, guest.token), 410, "invitation_used")
    tenant.app.clock.advance(timedelta(days=7, seconds=1))
    assert_error(await accept(tenant.app, late.token), 410, "invitation_expired")
    assert_error(await look(tenant.app, late.token), 410, "invitation_expired")


@pytest.mark.parametrize("token", ["x", "A" * 43, "%C3%A9", "x" * 1000])
async def test_an_unknown_token_is_404(tenant: Tenant, token: str) -> None:
    assert_error(await look(tenant.app, token), 404, "not_found")
    assert_error(await accept(tenant.app, token), 404, "not_found")


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ({}, {"password": "required", "full_name": "required"}),
        ({"password": 1, "full_name": 2}, {"password": "type", "full_name": "type"}),
        ({"password": "x\u0000", "full_name": "a\nb"}, {"password": "format", "full_name": "format"}),
        ({"password": "short", "full_name": "Gil"}, {"password": "min_length"}),
    ],
    ids=["empty", "types", "control characters", "weak"],
)
async def test_a_bad_body_is_400_and_keeps_the_invitation(
    tenant: Tenant, body: dict[str, Any], faults: dict[str, str]
) -> None:
    guest = await invite(tenant)
    reply = await Browser(tenant.app).post(f"/invitations/{guest.token}/accept", body)
    assert_error(reply, 400, "validation_error")
    assert {f["field"]: f["rule"] for f in reply.json()["error"]["details"]["fields"]} == faults
    assert (await accept(tenant.app, guest.token)).status_code == 200


async def test_the_body_cannot_change_the_offer(tenant: Tenant) -> None:
    other, group = await Tenant(tenant.app).made(), await tenant.built_in("Admin")
    guest = await invite(tenant)
    more = {"group_ids": [str(group.id)], "tenant_id": str(other.id), "email": address(), "role": "OWNER"}
    body = {"password": PASSWORD, "full_name": "Gil", **more}
    reply = await Browser(tenant.app).post(f"/invitations/{guest.token}/accept", body)
    assert reply.json()["user"]["email"] == guest.email
    assert (reply.json()["user"]["tenant_id"], reply.json()["user"]["groups"]) == (str(tenant.id), [])


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE users SET is_active = false WHERE id = $1",
        "UPDATE users SET approval_status = 'REJECTED' WHERE id = $1",
        "UPDATE tenant_members SET is_active = false WHERE user_id = $1",
        "DELETE FROM group_members WHERE user_id = $1",
        "DELETE FROM users WHERE id = $1",
        "UPDATE tenants SET is_active = false WHERE id = (SELECT tenant_id FROM tenant_members WHERE user_id = $1)",
    ],
    ids=["deactivated", "rejected", "ended", "without groups", "deleted", "tenant closed"],
)
async def test_who_may_not_invite_any_more_leaves_dead_links(tenant: Tenant, change: str) -> None:
    inviter = await tenant.person("Admin")
    guest = await invite(tenant, await tenant.group("incidents:read"), by=inviter)
    await tenant.app.db.execute(change, inviter.id)
    assert_error(await look(tenant.app, guest.token), 410, "invitation_expired")
    assert_error(await accept(tenant.app, guest.token), 410, "invitation_expired")
    assert await users.find_by_email(tenant.app.db, guest.email) is None


async def test_a_group_that_has_grown_beyond_the_inviter_gives_nothing(tenant: Tenant) -> None:
    inviter = await tenant.person(may=("users:invite", "incidents:read"))
    group = await tenant.group("incidents:read", name="Desk")
    guest = await invite(tenant, group, by=inviter)
    grown = {"name": "Desk", "permissions": ["incidents:read", "rbac:manage"]}
    assert (await tenant.ask("PUT", f"/rbac/groups/{group.id}", grown))[0] == 200
    assert_error(await accept(tenant.app, guest.token), 410, "invitation_expired")
    assert (await tenant.ask("POST", f"/users/invitations/{guest.id}/resend"))[0] == 200, "who may do more vouches"
    assert (await accept(tenant.app, await newest_token(tenant.app, guest.email))).status_code == 200
    assert await groups_of(tenant, guest.email) == ["Desk"]


async def test_a_group_that_is_gone_gives_nothing_and_the_others_do(tenant: Tenant) -> None:
    gone, kept = await tenant.group("assets:read"), await tenant.group("incidents:read", name="Kept")
    guest = await invite(tenant, gone, kept)
    assert (await tenant.ask("DELETE", f"/rbac/groups/{gone.id}"))[0] == 204
    assert (await accept(tenant.app, guest.token)).status_code == 200
    assert await groups_of(tenant, guest.email) == ["Kept"]


async def test_what_a_member_holds_is_neither_raised_nor_lowered(tenant: Tenant) -> None:
    person = await tenant.app.make_user()
    guest = await invite(tenant, await tenant.built_in("Admin"), email=person.email)
    await tenants.put_member(tenant.app.db, tenant.id, person.id, is_active=True, now=tenant.app.clock.now())
    reader = await tenant.built_in("Read only")
    await groups.add_member(tenant.app.db, tenant.id, reader.id, person.id, tenant.app.clock.now())
    assert (await accept(tenant.app, guest.token)).status_code == 200
    assert await groups_of(tenant, person.email) == ["Read only"]


@pytest.mark.parametrize("by_role", [False, True], ids=["groups", "role"])
async def test_who_comes_back_has_nothing_of_what_there_was(tenant: Tenant, by_role: bool) -> None:
    person = await tenant.person("Admin")
    assert (await tenant.ask("PATCH", f"/users/{person.id}", {"is_active": False}))[0] == 200
    tenant.app.clock.advance(1)
    if by_role:
        manager = await tenant.app.signed_in()
        await tenant.app.join(manager, tenant.id, "MANAGER")
        body = {"email": person.email, "role": "MEMBER"}
        path = f"/internal/companies/{tenant.id}/invitations"
        assert (await tenant.app.http.post(path, json=body, headers=manager.bearer)).status_code == 201
        token = (await letters(tenant.app, person.email, "invitation"))[0].context["token"]
    else:
        inviter = await tenant.person(may=("users:invite", "incidents:read"))
        token = (await invite(tenant, await tenant.group("incidents:read"), email=person.email, by=inviter)).token
    assert (await accept(tenant.app, token)).status_code == 200
    assert "Admin" not in await groups_of(tenant, person.email)


async def test_an_old_link_does_not_undo_a_later_dismissal(tenant: Tenant) -> None:
    person = await tenant.app.make_user()
    guest = await invite(tenant, email=person.email)
    tenant.app.clock.advance(1)
    now = tenant.app.clock.now()
    await tenants.put_member(tenant.app.db, tenant.id, person.id, is_active=True, now=now)
    assert (await tenant.ask("DELETE", f"/users/{person.id}"))[0] == 204
    assert_error(await accept(tenant.app, guest.token), 410, "invitation_expired")
    assert await groups_of(tenant, person.email) == []


async def test_a_tenant_that_wants_single_sign_on_accepts_nobody_by_password_on_either_surface(tenant: Tenant) -> None:
    guest = await invite(tenant)
    await tenant.app.db.execute("UPDATE tenants SET auth_policy = 'restricted' WHERE id = $1", tenant.id)
    assert (await look(tenant.app, guest.token)).json()["methods"] == []
    assert_error(await accept(tenant.app, guest.token), 403, "password_login_disabled")
    joining = {"email": guest.email, "password": PASSWORD, "full_name": "Gil", "invitation_token": guest.token}
    assert_error(await Browser(tenant.app).post("/register", joining), 403, "password_login_disabled")
    body = {"token": guest.token, "password": PASSWORD, "fullName": "Gil"}
    platform = await tenant.app.http.post("/auth/invitations/accept", json=body)
    assert (platform.status_code, platform.json()["error"]["code"]) == (403, "password_login_disabled")
    assert await users.find_by_email(tenant.app.db, guest.email) is None


async def test_a_domain_that_was_shut_out_since_stays_out_on_either_surface(tenant: Tenant) -> None:
    guest = await invite(tenant)
    await tenant.app.db.execute("UPDATE tenants SET allowed_email_domains = '{acme.com}' WHERE id = $1", tenant.id)
    assert_error(await accept(tenant.app, guest.token), 403, "email_domain_not_allowed")
    joining = {"email": guest.email, "password": PASSWORD, "full_name": "Gil", "invitation_token": guest.token}
    assert_error(await Browser(tenant.app).post("/register", joining), 403, "email_domain_not_allowed")
    body = {"token": guest.token, "password": PASSWORD, "fullName": "Gil"}
    platform = await tenant.app.http.post("/auth/invitations/accept", json=body)
    assert (platform.status_code, platform.json()["error"]["code"]) == (403, "email_domain_not_allowed")


async def test_microsoft_is_offered_where_it_is_configured_and_alone_where_passwords_are_not(servers: Servers) -> None:
    env = {"MS_CLIENT_ID": "id", "MS_CLIENT_SECRET": "secret"}
    async with running(servers, **env) as app:
        offered = await offer(app)
        assert (await look(app, offered.token)).json()["methods"] == ["password", "microsoft"]
        await app.db.execute("UPDATE tenants SET auth_policy = 'restricted' WHERE id = $1", offered.company)
        assert (await look(app, offered.token)).json()["methods"] == ["microsoft"]
    async with running(servers, AUTH_POLICY="restricted", AUTH_ALLOWED_EMAIL_DOMAINS="example.com", **env) as app:
        offered = await offer_without_login(app)
        assert (await look(app, offered)).json()["methods"] == ["microsoft"]
        assert_error(await accept(app, offered), 403, "password_login_disabled")


async def offer_without_login(app: Harness) -> str:
    """The token of an invitation that was sent before passwords were switched off."""
    inviter, token = await app.make_user(global_role="PLATFORM_ADMIN"), new_token()
    now = app.clock.now()
    row = Invitation(
        uuid7(app.clock), uuid4(), None, address(), "OWNER", inviter.id, now, now + timedelta(days=7), None, None
    )
    await invitations.put(app.db, row, token_hash(token))
    return token


async def test_a_company_without_a_tenant_yet_is_joined_and_named(app: Harness) -> None:
    token = await offer_without_login(app)
    body = (await look(app, token)).json()
    assert body["tenant_name"].startswith("Company ")
    reply = await accept(app, token)
    assert reply.status_code == 200, reply.text
    assert reply.json()["user"]["tenant_name"] == body["tenant_name"]
    assert [group["name"] for group in reply.json()["user"]["groups"]] == ["Admin"]


async def test_looking_is_limited(tenant: Tenant) -> None:
    browser = Browser(tenant.app, ip=tenant.app.fresh_ip())
    for _ in range(INVITATION_LOOK.limit):
        assert (await browser.get("/invitations/x")).status_code == 404
    assert_error(await browser.get("/invitations/x"), 429, "rate_limited")


async def test_guessing_the_password_meets_the_limit_of_sign_in(tenant: Tenant) -> None:
    person = await tenant.app.make_user()
    guest, browser = await invite(tenant, email=person.email), Browser(tenant.app, ip=tenant.app.fresh_ip())
    for _ in range(10):
        assert_error(await accept(tenant.app, guest.token, "wrong", browser), 401, "invalid_credentials")
    assert_error(await accept(tenant.app, guest.token, browser=browser), 429, "rate_limited")


async def test_the_token_of_the_path_is_not_logged(servers: Servers, capsys: pytest.CaptureFixture[str]) -> None:
    async with running(servers) as app:
        token = (await offer(app)).token
        await look(app, token)
        await accept(app, token, "short")
    out, err = capsys.readouterr()
    assert out.count("/api/v1/auth/invitations/…") == 2
    assert token not in out + err


async def test_tokens_of_other_purposes_are_worthless(tenant: Tenant) -> None:
    guest = await invite(tenant)
    for path, body in (
        ("/password-reset/confirm", {"token": guest.token, "new_password": "a much better passphrase"}),
        ("/mfa/verify", {"session_token": guest.token, "totp_code": "123456"}),
    ):
        assert (await Browser(tenant.app).post(path, body)).status_code in {400, 401}, path
    for token in (tenant.admin.access_token[:900], tenant.admin.refresh_token):
        assert_error(await look(tenant.app, token), 404, "not_found")
    assert (await look(tenant.app, guest.token)).status_code == 200
