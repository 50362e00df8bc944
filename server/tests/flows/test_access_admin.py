"""Grants: replaced set by set, bounded by what the company owns and by what was delegated."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from harness import Harness, Person

from identry.authority import Grants as Held
from identry.authority import NotAllowed
from identry.core.origin import SYSTEM
from identry.flows.access_admin.service import AccessAdmin, Delegation, NewGrants
from identry.records import users


async def put(app: Harness, by: Person, company: UUID, person: Person, body: Any) -> Any:
    path = f"/internal/companies/{company}/users/{person.id}/grants"
    return await app.http.put(path, json=body, headers=by.bearer)


@pytest.fixture
async def place(app: Harness) -> tuple[UUID, Person, Person]:
    """A company, its owner, a member."""
    company, owner, member = uuid4(), await app.signed_in(), await app.make_user()
    await app.join(owner, company, "OWNER")
    await app.join(member, company, "MEMBER")
    return company, owner, member


async def test_each_set_sent_replaces_the_one_before(app: Harness, place: tuple[UUID, Person, Person]) -> None:
    company, owner, member = place
    delegation = {
        "canManageUsers": True,
        "grantableModules": ["crm", "crm"],
        "grantablePermissions": ["crm.lead.write"],
    }
    body = {"modules": ["hr", "crm", "hr"], "permissions": ["crm.lead.read"], "delegation": delegation}
    reply = await put(app, owner, company, member, body)
    assert reply.status_code == 200, reply.text
    assert reply.json()["data"] == {
        "grants": {
            "companyId": str(company),
            "userId": str(member.id),
            "modules": ["crm", "hr"],
            "permissions": ["crm.lead.read"],
            "delegation": {
                "canManageUsers": True,
                "canBuyAddons": False,
                "grantableModules": ["crm"],
                "grantablePermissions": ["crm.lead.write"],
            },
            "accessVersion": 2,
        }
    }
    reply = await put(app, owner, company, member, {"modules": []})
    grants = reply.json()["data"]["grants"]
    assert (grants["modules"], grants["permissions"], grants["accessVersion"]) == ([], ["crm.lead.read"], 3)
    assert grants["delegation"]["canManageUsers"] is True
    reply = await put(app, owner, company, member, {"delegation": {}})
    assert reply.json()["data"]["grants"]["delegation"]["canManageUsers"] is False
    rows = await app.audit("grants.updated", target_user_id=member.id)
    assert [row["company_id"] for row in rows] == [company] * 3
    assert '"crm"' not in str(rows)


async def test_every_change_raises_the_version_by_one(app: Harness, place: tuple[UUID, Person, Person]) -> None:
    company, owner, member = place
    replies = await asyncio.gather(
        *(put(app, owner, company, member, {"modules": ["crm"] if n % 2 else []}) for n in range(10))
    )
    assert sorted(reply.json()["data"]["grants"]["accessVersion"] for reply in replies) == list(range(2, 12))


async def test_who_is_no_member_has_no_grants(app: Harness, place: tuple[UUID, Person, Person]) -> None:
    company, owner, _ = place
    for person in (await app.make_user(), Person(uuid4(), "", "")):
        reply = await put(app, owner, company, person, {"modules": []})
        assert (reply.status_code, reply.json()["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body"),
        ([], "body"),
        ({"modules": "crm"}, "modules"),
        ({"modules": [1]}, "modules[0]"),
        ({"modules": ["a b"]}, "modules[0]"),
        ({"modules": ["crm\n"]}, "modules[0]"),
        ({"modules": ["x"] * 501}, "modules"),
        ({"permissions": ["crm"]}, "permissions[0]"),
        ({"permissions": ["crm..read"]}, "permissions[0]"),
        ({"permissions": ["crm.lead.read\n"]}, "permissions[0]"),
        ({"permissions": None}, "permissions"),
        ({"delegation": {"canManageUsers": "yes"}}, "delegation.canManageUsers"),
        ({"delegation": {"grantableModules": [""]}}, "delegation.grantableModules[0]"),
    ],
)
async def test_a_faulty_set_is_named(app: Harness, place: tuple[UUID, Person, Person], body: Any, field: str) -> None:
    company, owner, member = place
    reply = await put(app, owner, company, member, body)
    assert reply.status_code == 400, reply.text
    named = [fault["field"] for fault in reply.json()["error"]["details"]["fields"]]
    assert named[0].replace("[...]", "[0]") == field, reply.text


class Owns:
    """A company that owns little."""

    async def owned(self, company_id: UUID) -> Held | None:
        return Held(frozenset({"crm", "hr"}), frozenset({"crm.lead.read"}))


async def test_nobody_in_a_company_grants_what_it_does_not_own(
    app: Harness, place: tuple[UUID, Person, Person]
) -> None:
    company, owner, member = place
    e = app.app.engines
    admin = AccessAdmin(e.db, e.clock, e.audit, Owns())
    caller, staff = await users.find(app.db, owner.id), await app.make_user(global_role="PLATFORM_ADMIN")
    assert caller is not None
    for new in (
        NewGrants(modules=frozenset({"crm", "finance"})),
        NewGrants(permissions=frozenset({"crm.lead.write"})),
        NewGrants(delegation=Delegation(grantable_modules=frozenset({"finance"}))),
    ):
        with pytest.raises(NotAllowed):
            await admin.put(caller, company, member.id, new, SYSTEM)
    grants = await admin.put(caller, company, member.id, NewGrants(modules=frozenset({"crm"})), SYSTEM)
    assert (grants.modules, grants.access_version) == (["crm"], 2)
    row = await users.find(app.db, staff.id)
    assert row is not None
    grants = await admin.put(row, company, member.id, NewGrants(modules=frozenset({"finance"})), SYSTEM)
    assert grants.modules == ["finance"]


async def test_a_delegate_neither_takes_nor_keeps_what_lies_outside(
    app: Harness, place: tuple[UUID, Person, Person]
) -> None:
    """A PUT replaces: dropping a module that one may not grant would take it away."""
    company, owner, member = place
    manager = await app.signed_in()
    await app.join(manager, company, "MANAGER")
    delegation = {"canManageUsers": True, "grantableModules": ["crm"]}
    assert (await put(app, owner, company, manager, {"delegation": delegation})).status_code == 200
    assert (await put(app, owner, company, member, {"modules": ["finance"]})).status_code == 200
    for modules in ([], ["crm"], ["crm", "finance"]):
        assert (await put(app, manager, company, member, {"modules": modules})).status_code == 403
    assert (await put(app, owner, company, member, {"modules": []})).status_code == 200
    assert (await put(app, manager, company, member, {"modules": ["crm"]})).status_code == 200
    assert (await put(app, owner, company, manager, {"delegation": {}})).status_code == 200
    assert (await put(app, manager, company, member, {"modules": []})).status_code == 403
