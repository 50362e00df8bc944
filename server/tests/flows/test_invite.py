"""Inviting: POST and GET /internal/companies/{companyId}/invitations, DELETE …/{id}."""

from __future__ import annotations

import asyncio
import json
import secrets
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from harness import Harness, Person
from letters import letters

from identry.core.secrets import token_hash

Reply = Any
VIEW = {
    "id", "companyId", "businessUnitId", "email", "role", "invitedBy", "createdAt", "expiresAt", "acceptedAt",
    "revokedAt", "state",
}  # fmt: skip


def address() -> str:
    return f"guest-{secrets.token_hex(6)}@example.com"


def path(company: UUID, invitation: object = "") -> str:
    return f"/internal/companies/{company}/invitations" + (f"/{invitation}" if invitation else "")


async def invite(
    app: Harness, who: Person, company: UUID, email: object, role: object = "MEMBER", **more: Any
) -> Reply:
    return await app.http.post(path(company), json={"email": email, "role": role, **more}, headers=who.bearer)


async def member(app: Harness, company: UUID, role: str) -> Person:
    person = await app.signed_in(full_name="Ina Inviter")
    await app.join(person, company, role)
    return person


async def test_an_invitation_is_stored_mailed_and_audited(app: Harness) -> None:
    company, unit, email = uuid4(), uuid4(), address()
    owner = await member(app, company, "OWNER")
    reply = await invite(app, owner, company, f" {email.upper()} ", "MANAGER", businessUnitId=str(unit))
    assert reply.status_code == 201, reply.text
    assert set(reply.json()["data"]) == {"invitation"}
    view = reply.json()["data"]["invitation"]
    assert set(view) == VIEW
    assert (view["companyId"], view["businessUnitId"], view["email"]) == (str(company), str(unit), email)
    assert (view["role"], view["invitedBy"], view["state"]) == ("MANAGER", str(owner.id), "OPEN")
    assert (view["acceptedAt"], view["revokedAt"]) == (None, None)
    [letter] = await letters(app, email)
    assert letter.template == "invitation"
    assert (letter.context["inviter_name"], letter.context["role"]) == ("Ina Inviter", "MANAGER")
    [row] = await app.audit("invitation.created", company_id=company)
    assert (row["actor_user_id"], row["outcome"]) == (owner.id, "success")
    assert json.loads(row["details"]) == {"invitationId": view["id"], "role": "MANAGER", "renewed": False}


async def test_the_raw_token_is_only_in_the_mail(app: Harness) -> None:
    company, email = uuid4(), address()
    owner = await member(app, company, "OWNER")
    created = await invite(app, owner, company, email)
    token = (await letters(app, email))[0].context["token"]
    listed = await app.http.get(path(company), headers=owner.bearer)
    revoked = await app.http.delete(path(company, created.json()["data"]["invitation"]["id"]), headers=owner.bearer)
    for reply in (created, listed, revoked):
        assert token not in reply.text
        assert token_hash(token).hex() not in reply.text
    rows = await app.db.fetch("SELECT i::text AS text FROM invitations i WHERE company_id = $1", company)
    audit = await app.db.fetch("SELECT a::text AS text FROM auth_audit_logs a WHERE company_id = $1", company)
    assert all(token not in row["text"] for row in (*rows, *audit))


async def test_inviting_again_renews_and_voids_the_older_link(app: Harness) -> None:
    company, email = uuid4(), address()
    owner = await member(app, company, "OWNER")
    first = (await invite(app, owner, company, email, "MEMBER")).json()["data"]["invitation"]
    app.clock.advance(60)
    second = (await invite(app, owner, company, email, "VIEWER")).json()["data"]["invitation"]
    assert (second["id"], second["role"]) == (first["id"], "VIEWER")
    assert second["expiresAt"] > first["expiresAt"]
    newer, older = [letter.context["token"] for letter in await letters(app, email)]
    assert (await app.http.get(f"/auth/invitations/{older}")).status_code == 404
    assert (await app.http.get(f"/auth/invitations/{newer}")).status_code == 200
    assert [
        json.loads(row["details"])["renewed"] for row in await app.audit("invitation.created", company_id=company)
    ] == [
        False,
        True,
    ]


async def test_invitations_at_once_leave_one_open(app: Harness) -> None:
    company, email = uuid4(), address()
    owner = await member(app, company, "OWNER")
    replies = await asyncio.gather(*(invite(app, owner, company, email) for _ in range(8)))
    assert {reply.status_code for reply in replies} == {201}
    tokens = [letter.context["token"] for letter in await letters(app, email)]
    answers = [await app.http.get(f"/auth/invitations/{token}") for token in tokens]
    assert sorted(answer.status_code for answer in answers) == [200] + [404] * 7


async def test_an_active_member_is_409_and_a_former_one_is_not(app: Harness) -> None:
    company, unit = uuid4(), uuid4()
    owner = await member(app, company, "OWNER")
    colleague, former = await app.make_user(), await app.make_user()
    await app.join(colleague, company, "VIEWER")
    await app.join(former, company, "VIEWER", is_active=False)
    reply = await invite(app, owner, company, colleague.email)
    assert (reply.status_code, reply.json()["error"]["code"]) == (409, "conflict")
    assert await letters(app, colleague.email) == []
    assert (await invite(app, owner, company, former.email)).status_code == 201
    into_unit = await invite(app, owner, company, colleague.email, businessUnitId=str(unit))
    assert into_unit.status_code == 201, "the business unit is still to be joined"
    await app.join_unit(colleague, company, unit, "MEMBER")
    assert (await invite(app, owner, company, colleague.email, businessUnitId=str(unit))).status_code == 409


ROLES = ("OWNER", "ADMIN", "MANAGER", "MEMBER", "VIEWER", "CUSTOM_ROLE")
MAY: dict[str, set[str]] = {
    "PLATFORM_SUPERADMIN": set(ROLES),
    "PLATFORM_ADMIN": set(ROLES),
    "PLATFORM_MODERATOR": set(),
    "OWNER": set(ROLES),
    "ADMIN": set(ROLES) - {"OWNER"},
    "MANAGER": {"MEMBER", "VIEWER", "CUSTOM_ROLE"},
    "MEMBER": set(),
    "VIEWER": set(),
    "CUSTOM_ROLE": set(),
    "nobody": set(),
}


@pytest.mark.parametrize("who", MAY)
async def test_nobody_offers_a_role_beyond_reach(app: Harness, who: str) -> None:
    company = uuid4()
    caller = await app.signed_in(global_role=who if who.startswith("PLATFORM") else "NONE")
    if who in ROLES:
        await app.join(caller, company, who)
    for role in ROLES:
        reply = await invite(app, caller, company, address(), role)
        assert reply.status_code == (201 if role in MAY[who] else 403), (who, role)
        if reply.status_code == 403:
            assert reply.json()["error"]["code"] == "forbidden"
    listed = await app.http.get(path(company), headers=caller.bearer)
    assert listed.status_code == (200 if MAY[who] else 403)


async def test_authority_is_read_from_the_database_and_only_while_active(app: Harness) -> None:
    company = uuid4()
    owner = await member(app, company, "OWNER")
    await app.join(owner, company, "OWNER", is_active=False)
    assert (await invite(app, owner, company, address())).status_code == 403
    await app.join(owner, company, "OWNER")
    assert (await invite(app, owner, company, address())).status_code == 201
    assert (await invite(app, owner, uuid4(), address())).status_code == 403, "another company"


async def test_a_manager_replaces_and_revokes_no_higher_invitation(app: Harness) -> None:
    company, email = uuid4(), address()
    owner, manager = await member(app, company, "OWNER"), await member(app, company, "MANAGER")
    created = (await invite(app, owner, company, email, "ADMIN")).json()["data"]["invitation"]
    assert (await invite(app, manager, company, email, "VIEWER")).status_code == 403
    assert (await app.http.delete(path(company, created["id"]), headers=manager.bearer)).status_code == 403
    token = (await letters(app, email))[0].context["token"]
    assert (await app.http.get(f"/auth/invitations/{token}")).json()["data"]["role"] == "ADMIN"


async def test_the_list_is_paged_newest_first_and_of_one_company(app: Harness) -> None:
    company, other = uuid4(), uuid4()
    owner = await member(app, company, "OWNER")
    await app.join(owner, other, "OWNER")
    emails = [address() for _ in range(5)]
    for email in emails:
        app.clock.advance(1)
        await invite(app, owner, company, email)
    await invite(app, owner, other, address())
    reply = await app.http.get(path(company), params={"page": 1, "pageSize": 3}, headers=owner.bearer)
    data = reply.json()["data"]
    assert set(data) == {"invitations", "page", "pageSize", "totalCount"}
    assert (data["page"], data["pageSize"], data["totalCount"]) == (1, 3, 5)
    assert [view["email"] for view in data["invitations"]] == emails[:1:-1]
    assert all(set(view) == VIEW for view in data["invitations"])
    rest = await app.http.get(path(company), params={"page": 2, "pageSize": 3}, headers=owner.bearer)
    assert [view["email"] for view in rest.json()["data"]["invitations"]] == emails[1::-1]


async def test_states_are_told(app: Harness) -> None:
    company, email = uuid4(), address()
    staff = await app.make_user(global_role="PLATFORM_ADMIN")
    await app.sign_in(staff)
    await invite(app, staff, company, email)
    app.clock.advance(timedelta(days=7, seconds=1))
    await app.sign_in(staff)
    [view] = (await app.http.get(path(company), headers=staff.bearer)).json()["data"]["invitations"]
    assert view["state"] == "EXPIRED"


async def test_revoking_kills_the_link_and_is_repeatable(app: Harness) -> None:
    company, email = uuid4(), address()
    owner = await member(app, company, "OWNER")
    created = (await invite(app, owner, company, email)).json()["data"]["invitation"]
    first = await app.http.delete(path(company, created["id"]), headers=owner.bearer)
    app.clock.advance(5)
    second = await app.http.delete(path(company, created["id"]), headers=owner.bearer)
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json() == second.json()
    assert first.json()["data"]["invitation"]["state"] == "REVOKED"
    token = (await letters(app, email))[0].context["token"]
    assert (await app.http.get(f"/auth/invitations/{token}")).status_code == 404
    assert len(await app.audit("invitation.revoked", company_id=company)) == 1
    assert (await invite(app, owner, company, email)).status_code == 201, "and may be invited anew"


async def test_an_invitation_of_another_company_is_404(app: Harness) -> None:
    company, other = uuid4(), uuid4()
    owner = await member(app, company, "OWNER")
    await app.join(owner, other, "OWNER")
    created = (await invite(app, owner, company, address())).json()["data"]["invitation"]
    for wrong in (path(other, created["id"]), path(company, uuid4())):
        reply = await app.http.delete(wrong, headers=owner.bearer)
        assert (reply.status_code, reply.json()["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ({}, {"email": "required", "role": "required"}),
        ({"email": "nobody", "role": "MEMBER"}, {"email": "format"}),
        ({"email": "a@example.com\r\nBcc: x@example.com", "role": "MEMBER"}, {"email": "format"}),
        ({"email": 1, "role": 2}, {"email": "type", "role": "type"}),
        ({"email": "a@example.com", "role": "member"}, {"role": "format"}),
        ({"email": "a@example.com", "role": "X" * 65}, {"role": "length"}),
        ({"email": "a@example.com", "role": "MEMBER", "businessUnitId": "x"}, {"businessUnitId": "format"}),
    ],
)
async def test_a_bad_body_is_400(app: Harness, body: dict[str, Any], faults: dict[str, str]) -> None:
    company = uuid4()
    owner = await member(app, company, "OWNER")
    reply = await app.http.post(path(company), json=body, headers=owner.bearer)
    assert reply.status_code == 400, reply.text
    assert {f["field"]: f["rule"] for f in reply.json()["error"]["details"]["fields"]} == faults


@pytest.mark.parametrize("query", ["page=0", "page=x", "pageSize=0", "page=-1", "page=99999999999999"])
async def test_what_is_no_page_counts_as_the_default(app: Harness, query: str) -> None:
    company = uuid4()
    owner = await member(app, company, "OWNER")
    reply = await app.http.get(f"{path(company)}?{query}", headers=owner.bearer)
    assert reply.status_code == 200
    assert (reply.json()["data"]["page"], reply.json()["data"]["pageSize"]) == (1, 20)


async def test_ids_that_are_no_uuids_are_400_and_no_token_is_401(app: Harness) -> None:
    owner = await app.signed_in()
    reply = await app.http.get("/internal/companies/x/invitations", headers=owner.bearer)
    assert reply.status_code == 400
    assert (await app.http.post(path(uuid4()), json={})).status_code == 401
    assert (await app.http.get(path(uuid4()))).status_code == 401
    assert (await app.http.delete(path(uuid4(), uuid4()))).status_code == 401
