"""Inviting people into a tenant: /api/v1/users/invite and /api/v1/users/invitations (contracts/browser-api.md §9)."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from guests import accept, address, invite, look, newest_token
from harness import Servers, running
from letters import letters
from offers import look as look_on_the_platform
from tenants import Tenant, TenantHeader

from identry.core.limits import INVITATION_MAIL, INVITE
from identry.records import groups, memberships, tenants


async def test_an_invitation_mails_a_link_to_the_app_that_works_for_seven_days(tenant: Tenant) -> None:
    group, email = await tenant.group("incidents:read"), address()
    status, made = await tenant.ask("POST", "/users/invite", {"email": email, "group_ids": [str(group.id)]})
    assert status == 201
    assert set(made) == {"id", "email", "expires_at", "email_sent"}
    assert (made["email"], made["email_sent"]) == (email, True)
    assert made["expires_at"].startswith((tenant.app.clock.now() + timedelta(days=7)).isoformat()[:16])
    token = await newest_token(tenant.app, email)
    [mail] = await tenant.app.mails(email)
    assert mail["links"] == [f"https://app.example.com/invite/{token}"]
    assert "Acme" in mail["subject"]
    assert f"https://app.example.com/invite/{token}" in mail["text"]
    [row] = await tenant.app.audit("invitation.created", company_id=tenant.id)
    assert row["actor_user_id"] == tenant.admin.id
    assert json.loads(row["details"]) == {"invitationId": made["id"], "groupIds": [str(group.id)], "renewed": False}


async def test_links_lead_to_the_single_page_app_wherever_other_mail_leads(servers: Servers) -> None:
    guard = TenantHeader()
    urls = {"APP_BASE_URL": "https://cloud.example.net", "FRONTEND_URL": "https://www.example.net"}
    async with running(servers, browser=guard, **urls) as app:
        guard.app = app
        guest = await invite(await Tenant(app).made())
        assert (await app.mails(guest.email))[0]["links"] == [f"https://cloud.example.net/invite/{guest.token}"]


async def test_where_no_mail_leaves_the_answer_says_so(servers: Servers) -> None:
    guard = TenantHeader()
    async with running(servers, browser=guard, EMAIL_ENABLED="false") as app:
        guard.app = app
        tenant = await Tenant(app).made()
        status, made = await tenant.ask("POST", "/users/invite", {"email": address()})
        assert (status, made["email_sent"]) == (201, False)


async def test_the_list_has_every_state_newest_first_and_no_token(tenant: Tenant) -> None:
    group = await tenant.group("incidents:read", name="Desk")
    expired = await invite(tenant, group)
    tenant.app.clock.advance(timedelta(days=7, seconds=1))
    await tenant.app.sign_in(tenant.admin)
    revoked = await invite(tenant)
    assert await tenant.ask("DELETE", f"/users/invitations/{revoked.id}") == (204, None)
    accepted = await invite(tenant)
    assert (await accept(tenant.app, accepted.token)).status_code == 200
    opened = await invite(tenant, group)
    status, body = await tenant.ask("GET", "/users/invitations?page_size=3")
    assert status == 200
    assert (body["page"], body["page_size"], body["total_count"]) == (1, 3, 4)
    _, rest = await tenant.ask("GET", "/users/invitations?page_size=3&page=2")
    found = {view["email"]: view for view in [*body["data"], *rest["data"]]}
    for guest, state in ((expired, "expired"), (revoked, "revoked"), (accepted, "accepted"), (opened, "open")):
        assert found[guest.email]["state"] == state
        assert guest.token not in json.dumps(found)
    assert list(found) == [opened.email, accepted.email, revoked.email, expired.email]
    assert found[opened.email]["groups"] == [{"id": str(group.id), "name": "Desk"}]
    assert (found[opened.email]["role"], found[opened.email]["invited_by"]) == (None, "Test Person")


async def test_an_invitation_of_the_company_is_listed_with_its_role(tenant: Tenant) -> None:
    staff = await tenant.app.signed_in(global_role="PLATFORM_ADMIN")
    email = address()
    reply = await tenant.app.http.post(
        f"/internal/companies/{tenant.id}/invitations", json={"email": email, "role": "MANAGER"}, headers=staff.bearer
    )
    assert reply.status_code == 201
    _, body = await tenant.ask("GET", "/users/invitations")
    assert [(view["email"], view["role"], view["groups"]) for view in body["data"]] == [(email, "MANAGER", [])]
    where = f"/users/invitations/{body['data'][0]['id']}"
    assert await tenant.code("DELETE", where) == (403, "permission_denied"), "no group gives a role in the company"
    assert await tenant.code("POST", where + "/resend") == (403, "permission_denied")
    again = {"email": email, "group_ids": []}
    assert await tenant.code("POST", "/users/invite", again) == (403, "permission_denied")
    await tenant.app.join(tenant.admin, tenant.id, "OWNER")
    assert (await tenant.ask("POST", where + "/resend"))[0] == 200
    assert (await tenant.ask("DELETE", where))[0] == 204


async def test_sending_again_makes_a_new_link_and_voids_the_old_one(tenant: Tenant) -> None:
    guest = await invite(tenant)
    tenant.app.clock.advance(timedelta(days=8))
    await tenant.app.sign_in(tenant.admin)
    status, again = await tenant.ask("POST", f"/users/invitations/{guest.id}/resend")
    assert (status, again["id"], again["email_sent"]) == (200, guest.id, True)
    assert again["expires_at"].startswith((tenant.app.clock.now() + timedelta(days=7)).isoformat()[:16])
    token = await newest_token(tenant.app, guest.email)
    assert token != guest.token
    assert (await look(tenant.app, guest.token)).status_code == 404
    assert (await accept(tenant.app, guest.token)).status_code == 404
    assert (await accept(tenant.app, token)).status_code == 200
    assert len(await tenant.app.audit("invitation.resent", company_id=tenant.id)) == 1
    assert await tenant.code("POST", f"/users/invitations/{guest.id}/resend") == (409, "already_member")


async def test_inviting_the_same_address_again_replaces_what_was_offered(tenant: Tenant) -> None:
    first = await invite(tenant, await tenant.group("incidents:read"))
    second = await invite(tenant, await tenant.group("assets:read", name="Later"), email=first.email)
    assert first.id == second.id
    assert (await look(tenant.app, first.token)).status_code == 404
    _, body = await tenant.ask("GET", "/users/invitations")
    assert [[group["name"] for group in view["groups"]] for view in body["data"]] == [["Later"]]


async def test_a_revoked_link_is_dead_and_revoking_is_repeatable(tenant: Tenant) -> None:
    guest = await invite(tenant)
    where = f"/users/invitations/{guest.id}"
    assert [await tenant.ask("DELETE", where) for _ in range(2)] == [(204, None)] * 2
    assert (await look(tenant.app, guest.token)).status_code == 404
    assert (await accept(tenant.app, guest.token)).status_code == 404
    assert await tenant.code("POST", where + "/resend") == (409, "conflict")
    assert len(await tenant.app.audit("invitation.revoked", company_id=tenant.id)) == 1
    assert (await invite(tenant, email=guest.email)).id != guest.id


async def test_an_accepted_invitation_is_neither_revoked_nor_sent_again(tenant: Tenant) -> None:
    guest = await invite(tenant)
    assert (await accept(tenant.app, guest.token)).status_code == 200
    assert await tenant.code("DELETE", f"/users/invitations/{guest.id}") == (409, "conflict")
    _, body = await tenant.ask("GET", f"/users?search={guest.email}")
    assert (await tenant.ask("DELETE", f"/users/{body['data'][0]['id']}"))[0] == 204
    assert await tenant.code("POST", f"/users/invitations/{guest.id}/resend") == (409, "conflict")


async def test_an_active_member_is_not_invited_and_a_former_one_is(tenant: Tenant) -> None:
    person = await tenant.person()
    body = {"email": person.email}
    assert await tenant.code("POST", "/users/invite", body) == (409, "already_member")
    assert (await tenant.ask("DELETE", f"/users/{person.id}"))[0] == 204
    assert (await tenant.ask("POST", "/users/invite", body))[0] == 201
    stranger = await tenant.app.make_user()
    assert (await tenant.ask("POST", "/users/invite", {"email": stranger.email}))[0] == 201


async def test_nobody_invites_into_groups_that_may_do_more(tenant: Tenant) -> None:
    lesser = await tenant.person(may=("users:invite", "incidents:read"))
    weak, strong = await tenant.group("incidents:read"), await tenant.group("incidents:*")
    assert (await invite(tenant, weak, by=lesser)).token
    for group in (strong, await tenant.built_in("Admin"), await tenant.built_in("Read only")):
        body = {"email": address(), "group_ids": [str(weak.id), str(group.id)]}
        assert await tenant.code("POST", "/users/invite", body, by=lesser) == (403, "permission_denied")
    guest = await invite(tenant, strong)
    where = f"/users/invitations/{guest.id}"
    assert await tenant.code("DELETE", where, by=lesser) == (403, "permission_denied")
    assert await tenant.code("POST", where + "/resend", by=lesser) == (403, "permission_denied")
    body = {"email": guest.email, "group_ids": []}
    assert await tenant.code("POST", "/users/invite", body, by=lesser) == (403, "permission_denied")
    assert (await look(tenant.app, guest.token)).status_code == 200


async def test_company_roles_reach_no_stronger_invitation_of_the_tenant(tenant: Tenant) -> None:
    guest = await invite(tenant, await tenant.built_in("Admin"))
    manager, owner = await tenant.app.signed_in(), await tenant.app.signed_in()
    await tenant.app.join(manager, tenant.id, "MANAGER")
    await tenant.app.join(owner, tenant.id, "OWNER")
    path = f"/internal/companies/{tenant.id}/invitations"
    body = {"email": guest.email, "role": "VIEWER"}
    assert (await tenant.app.http.post(path, json=body, headers=manager.bearer)).status_code == 403
    assert (await tenant.app.http.delete(f"{path}/{guest.id}", headers=manager.bearer)).status_code == 403
    assert (await look(tenant.app, guest.token)).status_code == 200
    assert (await tenant.app.http.delete(f"{path}/{guest.id}", headers=owner.bearer)).status_code == 200
    assert (await look(tenant.app, guest.token)).status_code == 404


async def test_without_the_permission_nothing_of_it_is_open(tenant: Tenant) -> None:
    guest = await invite(tenant)
    other = await tenant.person("Read only", may=("users:manage", "rbac:manage", "settings:manage"))
    for method, path, body in (
        ("POST", "/users/invite", {"email": address()}),
        ("GET", "/users/invitations", None),
        ("POST", f"/users/invitations/{guest.id}/resend", None),
        ("DELETE", f"/users/invitations/{guest.id}", None),
    ):
        status, answer = await tenant.ask(method, path, body, by=other)
        assert (status, answer["error"]["code"]) == (403, "permission_denied")
        assert answer["error"]["details"] == {"required": "users:invite"}
        assert (await tenant.app.http.request(method, f"/api/v1{path}", json=body)).status_code == 401


async def test_what_is_of_another_tenant_does_not_exist(tenant: Tenant) -> None:
    other = await Tenant(tenant.app).made()
    guest, group = await invite(other), await other.group("incidents:read")
    for invitation_id in (guest.id, uuid4()):
        assert await tenant.code("DELETE", f"/users/invitations/{invitation_id}") == (404, "not_found")
        assert await tenant.code("POST", f"/users/invitations/{invitation_id}/resend") == (404, "not_found")
    body = {"email": address(), "group_ids": [str(group.id)]}
    assert await tenant.code("POST", "/users/invite", body) == (404, "not_found")
    assert (await tenant.ask("GET", "/users/invitations"))[1]["data"] == []
    assert (await look(tenant.app, guest.token)).status_code == 200


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ({}, {"email": "required"}),
        ({"email": "nobody"}, {"email": "format"}),
        ({"email": "a@example.com\r\nBcc: x@example.com"}, {"email": "format"}),
        ({"email": 1, "group_ids": 2}, {"email": "type", "group_ids": "type"}),
        ({"email": "a@example.com", "group_ids": ["x"]}, {"group_ids[0]": "format"}),
        ({"email": "a@example.com", "group_ids": [str(uuid4())] * 101}, {"group_ids": "length"}),
    ],
    ids=["empty", "no address", "header", "types", "no id", "too many"],
)
async def test_a_bad_body_is_400(tenant: Tenant, body: dict[str, Any], faults: dict[str, str]) -> None:
    status, answer = await tenant.ask("POST", "/users/invite", body)
    assert status == 400
    assert {f["field"]: f["rule"] for f in answer["error"]["details"]["fields"]} == faults


async def test_ids_that_are_none_are_400(tenant: Tenant) -> None:
    assert await tenant.code("DELETE", "/users/invitations/x") == (400, "validation_error")
    assert await tenant.code("POST", "/users/invitations/x/resend") == (400, "validation_error")


async def test_only_addresses_of_allowed_domains_are_invited_and_the_tenant_narrows_them(servers: Servers) -> None:
    guard = TenantHeader()
    async with running(servers, browser=guard, AUTH_ALLOWED_EMAIL_DOMAINS="acme.com, *.acme.com") as app:
        guard.app = app
        tenant = await Tenant(app).made()
        guest = await invite(tenant, email=address("acme.com"))
        for domain in ("example.com", "acme.com.example.com", "notacme.com"):
            refused = await tenant.code("POST", "/users/invite", {"email": address(domain)})
            assert refused == (403, "email_domain_not_allowed")
        await app.db.execute("UPDATE tenants SET allowed_email_domains = '{desk.acme.com}' WHERE id = $1", tenant.id)
        refused = await tenant.code("POST", "/users/invite", {"email": address("acme.com")})
        assert refused == (403, "email_domain_not_allowed")
        refused = await tenant.code("POST", f"/users/invitations/{guest.id}/resend")
        assert refused == (403, "email_domain_not_allowed")
        await invite(tenant, email=address("desk.acme.com"))


async def test_mails_are_limited_for_the_inviter_and_for_the_invited(tenant: Tenant) -> None:
    email = address()
    for _ in range(INVITATION_MAIL.limit):
        assert (await tenant.ask("POST", "/users/invite", {"email": email}))[0] == 201
    assert await tenant.code("POST", "/users/invite", {"email": email}) == (429, "rate_limited")
    statuses = [
        (await tenant.ask("POST", "/users/invite", {"email": address()}))[0]
        for _ in range(INVITE.limit - INVITATION_MAIL.limit)
    ]
    assert statuses == [201] * (len(statuses) - 1) + [429]
    assert len(await letters(tenant.app, email)) == INVITATION_MAIL.limit


async def test_a_closed_tenant_invites_nobody(tenant: Tenant) -> None:
    await tenant.app.db.execute("UPDATE tenants SET is_active = false WHERE id = $1", tenant.id)
    assert await tenant.code("POST", "/users/invite", {"email": address()}) == (403, "permission_denied")


async def test_of_many_who_invite_one_address_at_once_the_last_link_works(tenant: Tenant) -> None:
    email, admins = address(), [tenant.admin, *[await tenant.person("Admin") for _ in range(3)]]
    made = await asyncio.gather(*(tenant.ask("POST", "/users/invite", {"email": email}, by=by) for by in admins))
    assert {status for status, _ in made} == {201}
    assert len({body["id"] for _, body in made}) == 1
    tokens = [letter.context["token"] for letter in await letters(tenant.app, email)]
    found = [(await look(tenant.app, token)).status_code for token in tokens]
    assert sorted(found) == [200, 404, 404, 404]


async def test_a_tenants_invitation_is_worth_the_same_on_the_platform_surface(tenant: Tenant) -> None:
    group = await tenant.group("incidents:read")
    guest = await invite(tenant, group)
    seen = await look_on_the_platform(tenant.app, guest.token)
    assert seen.json()["data"]["companyId"] == str(tenant.id)
    reply = await tenant.app.http.post(
        "/auth/invitations/accept",
        json={"token": guest.token, "password": "a long enough one", "fullName": "Gil"},
        headers={"X-Forwarded-For": tenant.app.fresh_ip()},
    )
    assert reply.status_code == 200, reply.text
    [found] = (await tenant.ask("GET", f"/users?search={guest.email}"))[1]["data"]
    assert [g["id"] for g in found["groups"]] == [str(group.id)]
    assert await memberships.companies_of(tenant.app.db, found["id"]) == []
    assert [g.id for g in await groups.of_user(tenant.app.db, tenant.id, found["id"])] == [group.id]
    assert (await tenants.home_of(tenant.app.db, found["id"])).id == tenant.id
