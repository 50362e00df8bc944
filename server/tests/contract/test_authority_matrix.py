"""The authorization matrix of contracts/platform-api.md §8, every cell over HTTP.

The expectations are written by hand from the contract, not read from the data under test: each case names the kinds of
caller that may; everybody else must get 403 `forbidden`, and nothing may change.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import pytest
from harness import Harness, Person
from rows import every

STAFF = {"SA": "PLATFORM_SUPERADMIN", "AD": "PLATFORM_ADMIN", "MO": "PLATFORM_MODERATOR"}
COMPANY = {"OWNER": "OWNER", "ADMIN": "ADMIN", "MANAGER": "MANAGER", "DELEGATED": "MANAGER", "MEMBER": "MEMBER"}
UNIT = {"UNIT_ADMIN": "ADMIN", "UNIT_MANAGER": "MANAGER"}
OTHERS = ("STRANGER", "FOREIGN_OWNER", "ENDED_OWNER", "ENDED_UNIT_ADMIN")
KINDS = (*STAFF, *COMPANY, *UNIT, *OTHERS)

ALL_STAFF = {"SA", "AD", "MO"}
TOP = {"SA", "AD"}
MANAGERS = {"MANAGER", "DELEGATED"}
ADMINISTRATORS = {"OWNER", "ADMIN"}


@dataclass
class World:
    """One company with a unit, another company, and one signed-in caller of every kind."""

    app: Harness
    company: UUID = field(default_factory=uuid4)
    unit: UUID = field(default_factory=uuid4)
    foreign: UUID = field(default_factory=uuid4)
    callers: dict[str, Person] = field(default_factory=dict)

    async def populate(self) -> World:
        """Make the callers."""
        for kind in KINDS:
            person = await self.app.signed_in(global_role=STAFF.get(kind, "NONE"), full_name=f"Caller {kind}")
            self.callers[kind] = person
            if kind in COMPANY:
                await self.app.join(person, self.company, COMPANY[kind])
            if kind in UNIT or kind == "ENDED_UNIT_ADMIN":
                await self.app.join(person, self.company, "MEMBER", is_active=kind in UNIT)
                await self.app.join_unit(person, self.company, self.unit, UNIT.get(kind, "ADMIN"))
        await self.app.join(self.callers["FOREIGN_OWNER"], self.foreign, "OWNER")
        await self.app.join(self.callers["ENDED_OWNER"], self.company, "OWNER", is_active=False)
        await self.app.db.execute(
            """
            UPDATE company_memberships SET can_manage_users = true, grantable_modules = '{crm,hr}',
                   grantable_permissions = '{crm.lead.read}'
            WHERE company_id = $1 AND user_id = $2
            """,
            self.company,
            self.callers["DELEGATED"].id,
        )
        return self

    async def person(
        self,
        role: str | None = None,
        *,
        active: bool = True,
        unit: str | None = None,
        elsewhere: bool = False,
        **fields: Any,
    ) -> Person:
        """A fresh target, with a role in the company and its unit."""
        person = await self.app.make_user(**fields)
        if role:
            await self.app.join(person, self.company, role, is_active=active)
        if unit:
            await self.app.join_unit(person, self.company, self.unit, unit)
        if elsewhere:
            await self.app.join(person, uuid4(), "MEMBER")
        return person

    async def fingerprint(self, person: Person | None) -> Any:
        """Everything that a refused request must not have changed."""
        if person is None:
            return None
        return await self.app.db.fetch(
            """
            SELECT md5(u::text),
                   (SELECT array_agg(m::text ORDER BY m.id) FROM company_memberships m WHERE user_id = u.id),
                   (SELECT array_agg(b::text ORDER BY b.id) FROM business_unit_memberships b WHERE user_id = u.id)
            FROM users u WHERE id = $1
            """,
            person.id,
        )


@dataclass(frozen=True)
class Ask:
    """One request of a case."""

    method: str
    path: str
    json: Mapping[str, Any] | None = None
    target: Person | None = None


Build = Callable[[World, str], Awaitable[Ask]]
CASES: dict[str, tuple[Build, set[str], dict[str, int]]] = {}


def case(may: set[str], **other: int) -> Callable[[Build], Build]:
    """Register a case: who may; `other` are kinds with a status of their own."""

    def register(build: Build) -> Build:
        CASES[build.__name__] = (build, may, other)
        return build

    return register


def user_case(name: str, method: str, json: Mapping[str, Any] | None, may: set[str], /, **target: Any) -> None:
    """A case about one account."""

    async def build(world: World, kind: str) -> Ask:
        person = await world.person(**target)
        return Ask(method, f"/internal/users/{person.id}", json, person)

    CASES[name] = (build, may, {})


# --- accounts -------------------------------------------------------------------------------------------------------


@case(ALL_STAFF)
async def list_users(world: World, kind: str) -> Ask:
    return Ask("GET", "/internal/users")


@case(set(), SA=404, AD=404, MO=404)
async def read_an_account_that_does_not_exist(world: World, kind: str) -> Ask:
    return Ask("GET", f"/internal/users/{uuid4()}")


@case(set(), SA=404, AD=404, MO=404)
async def change_an_account_that_does_not_exist(world: World, kind: str) -> Ask:
    return Ask("PATCH", f"/internal/users/{uuid4()}", {"approvalStatus": "REJECTED"})


@case(set(), SA=404, AD=404)
async def delete_an_account_that_does_not_exist(world: World, kind: str) -> Ask:
    return Ask("DELETE", f"/internal/users/{uuid4()}")


user_case("read a member", "GET", None, ALL_STAFF | ADMINISTRATORS | MANAGERS, role="MEMBER")
user_case("read an owner", "GET", None, ALL_STAFF | ADMINISTRATORS | MANAGERS, role="OWNER")
user_case("read a stranger", "GET", None, ALL_STAFF)
user_case("read a former member", "GET", None, ALL_STAFF, role="MEMBER", active=False)
user_case("read a superadmin", "GET", None, ALL_STAFF, global_role="PLATFORM_SUPERADMIN")

for wanted, may in {
    "NONE": TOP,
    "PLATFORM_MODERATOR": TOP,
    "PLATFORM_ADMIN": {"SA"},
    "PLATFORM_SUPERADMIN": {"SA"},
}.items():

    async def create(world: World, kind: str, wanted: str = wanted) -> Ask:
        address = f"new-{secrets.token_hex(6)}@example.com"
        body = {"email": address, "password": "a long enough one", "fullName": "New", "globalRole": wanted}
        return Ask("POST", "/internal/users", body)

    CASES[f"create an account with {wanted}"] = (create, may, {})

ANY_FIELD: dict[str, Mapping[str, Any]] = {
    "password": {"password": "quite another one"},
    "globalRole": {"globalRole": "PLATFORM_MODERATOR"},
    "isActive": {"isActive": False},
    "authProvider": {"authProvider": "google"},
    "several fields": {"fullName": "A", "approvalStatus": "APPROVED", "isActive": True},
}
for field_name, body in ANY_FIELD.items():
    user_case(f"change {field_name} of a member", "PATCH", body, TOP, role="MEMBER")
    user_case(f"change {field_name} of a moderator", "PATCH", body, TOP, global_role="PLATFORM_MODERATOR")
    user_case(f"change {field_name} of an admin", "PATCH", body, {"SA"}, global_role="PLATFORM_ADMIN")
    user_case(f"change {field_name} of a superadmin", "PATCH", body, {"SA"}, global_role="PLATFORM_SUPERADMIN")
for wanted, may in {"NONE": TOP, "PLATFORM_ADMIN": {"SA"}, "PLATFORM_SUPERADMIN": {"SA"}}.items():
    user_case(f"give {wanted}", "PATCH", {"globalRole": wanted}, may)
user_case("demote an admin", "PATCH", {"globalRole": "NONE"}, {"SA"}, global_role="PLATFORM_ADMIN")


@case(TOP)
async def change_email(world: World, kind: str) -> Ask:
    person = await world.person("MEMBER")
    body = {"email": f"other-{secrets.token_hex(6)}@example.com"}
    return Ask("PATCH", f"/internal/users/{person.id}", body, person)


PENDING = {"approval_status": "PENDING", "is_active": False}
APPROVE = {"approvalStatus": "APPROVED"}
user_case("approve a registration", "PATCH", APPROVE, ALL_STAFF, **PENDING)
user_case("reject a registration", "PATCH", {"approvalStatus": "REJECTED"}, ALL_STAFF, **PENDING)
user_case("reject a member", "PATCH", {"approvalStatus": "REJECTED"}, ALL_STAFF, role="MEMBER")
user_case("approve and activate a registration", "PATCH", {**APPROVE, "isActive": True}, ALL_STAFF, **PENDING)
user_case("approve without activating", "PATCH", {**APPROVE, "isActive": False}, TOP, **PENDING)
user_case("activate without approving", "PATCH", {"isActive": True}, TOP, **PENDING)
user_case("reject and activate", "PATCH", {"approvalStatus": "REJECTED", "isActive": True}, TOP, **PENDING)
user_case("approve and rename", "PATCH", {**APPROVE, "fullName": "B"}, TOP, **PENDING)
user_case("reactivate under the name of approval", "PATCH", {**APPROVE, "isActive": True}, TOP, is_active=False)
for role, may in {"PLATFORM_MODERATOR": ALL_STAFF, "PLATFORM_ADMIN": TOP, "PLATFORM_SUPERADMIN": {"SA"}}.items():
    user_case(f"reject a {role}", "PATCH", {"approvalStatus": "REJECTED"}, may, global_role=role)

PROFILE: dict[str, Any] = {
    "fullName": "C",
    "phoneNumber": "+65 6123 4567",
    "profilePictureUrl": "https://example.com/c",
}
for name, value in {**PROFILE, "phoneNumber ": None}.items():
    user_case(f"change {name} of a member", "PATCH", {name.strip(): value}, TOP | ADMINISTRATORS, role="MEMBER")
user_case("change the profile of a member", "PATCH", PROFILE, TOP | ADMINISTRATORS, role="MANAGER")
user_case("change the profile of an owner", "PATCH", PROFILE, TOP | {"OWNER"}, role="OWNER")
user_case("change the profile of a former member", "PATCH", PROFILE, TOP, role="MEMBER", active=False)
user_case("change the profile of a shared member", "PATCH", PROFILE, TOP, role="MEMBER", elsewhere=True)
user_case("change the profile of a member on staff", "PATCH", PROFILE, TOP, role="MEMBER", global_role=STAFF["MO"])
user_case("change the profile of a stranger", "PATCH", PROFILE, TOP)
user_case("change the profile of an admin", "PATCH", PROFILE, TOP, global_role="PLATFORM_ADMIN")
user_case("change the profile of a superadmin", "PATCH", PROFILE, {"SA"}, global_role="PLATFORM_SUPERADMIN")

user_case("delete a member", "DELETE", None, TOP, role="MEMBER")
user_case("delete a moderator", "DELETE", None, TOP, global_role="PLATFORM_MODERATOR")
user_case("delete an admin", "DELETE", None, {"SA"}, global_role="PLATFORM_ADMIN")
user_case("delete a superadmin", "DELETE", None, {"SA"}, global_role="PLATFORM_SUPERADMIN")


@case(set())
async def delete_oneself(world: World, kind: str) -> Ask:
    person = world.callers[kind]
    return Ask("DELETE", f"/internal/users/{person.id}", None, person)


# --- companies ------------------------------------------------------------------------------------------------------


@case(ALL_STAFF | ADMINISTRATORS | MANAGERS)
async def list_company_users(world: World, kind: str) -> Ask:
    return Ask("GET", f"/internal/companies/{world.company}/users")


@case(ALL_STAFF | ADMINISTRATORS | MANAGERS | set(UNIT))
async def list_unit_users(world: World, kind: str) -> Ask:
    return Ask("GET", f"/internal/companies/{world.company}/business-units/{world.unit}/users")


@case(ALL_STAFF | ADMINISTRATORS | MANAGERS)
async def list_users_of_another_unit(world: World, kind: str) -> Ask:
    return Ask("GET", f"/internal/companies/{world.company}/business-units/{uuid4()}/users")


def company_case(name: str, role: str, may: set[str], /, *, is_active: bool = True, **target: Any) -> None:
    """A case about a company membership."""

    async def build(world: World, kind: str) -> Ask:
        person = await world.person(**target)
        body = {"userId": str(person.id), "role": role, "isActive": is_active}
        return Ask("POST", f"/internal/companies/{world.company}/memberships", body, person)

    CASES[name] = (build, may, {})


for role, may in {
    "OWNER": TOP | {"OWNER"},
    "ADMIN": TOP | ADMINISTRATORS,
    "MANAGER": TOP | ADMINISTRATORS,
    "MEMBER": TOP | ADMINISTRATORS,
    "VIEWER": TOP | ADMINISTRATORS,
    "AUDITOR": TOP | ADMINISTRATORS,
}.items():
    company_case(f"make a stranger {role}", role, may)
    company_case(f"make a member {role}", role, may, role="MEMBER")
    company_case(f"make an owner {role}", role, TOP | {"OWNER"}, role="OWNER", is_active=False)
    company_case(f"make a former owner {role}", role, TOP | {"OWNER"}, role="OWNER", active=False)
company_case("end the membership of an admin", "ADMIN", TOP | ADMINISTRATORS, role="ADMIN", is_active=False)


@case(set(), SA=404, AD=404, OWNER=404, ADMIN=404)
async def make_nobody_a_member(world: World, kind: str) -> Ask:
    body = {"userId": str(uuid4()), "role": "MEMBER"}
    return Ask("POST", f"/internal/companies/{world.company}/memberships", body)


@case({"OWNER"})
async def make_oneself_owner(world: World, kind: str) -> Ask:
    """Who is OWNER already changes nothing; nobody else becomes it."""
    person = world.callers[kind]
    body = {"userId": str(person.id), "role": "OWNER"}
    return Ask("POST", f"/internal/companies/{world.company}/memberships", body, person)


@case(set())
async def make_oneself_something_without_rank(world: World, kind: str) -> Ask:
    person = world.callers[kind]
    body = {"userId": str(person.id), "role": "GRAND_VIZIER"}
    return Ask("POST", f"/internal/companies/{world.company}/memberships", body, person)


def unit_case(name: str, role: str, may: set[str], /, **target: Any) -> None:
    """A case about a business-unit membership."""

    async def build(world: World, kind: str) -> Ask:
        person = await world.person(**{"role": "MEMBER", **target})
        body = {"userId": str(person.id), "role": role}
        return Ask("POST", f"/internal/companies/{world.company}/business-units/{world.unit}/memberships", body, person)

    CASES[name] = (build, may, {})


unit_case("make a member unit ADMIN", "ADMIN", TOP | ADMINISTRATORS)
unit_case("make a member unit MANAGER", "MANAGER", TOP | ADMINISTRATORS | {"UNIT_ADMIN"})
unit_case("make a member unit MEMBER", "MEMBER", TOP | ADMINISTRATORS | MANAGERS | set(UNIT))
unit_case("make a member unit VIEWER", "VIEWER", TOP | ADMINISTRATORS | MANAGERS | set(UNIT))
unit_case("make a member unit AUDITOR", "AUDITOR", TOP | ADMINISTRATORS | MANAGERS | set(UNIT))
unit_case("demote a unit ADMIN", "MEMBER", TOP | ADMINISTRATORS, unit="ADMIN")
unit_case("demote a unit MANAGER", "MEMBER", TOP | ADMINISTRATORS | {"UNIT_ADMIN"}, unit="MANAGER")
unit_case("put an owner into a unit", "MEMBER", TOP | {"OWNER"}, role="OWNER")
unit_case("put an admin into a unit", "MEMBER", TOP | ADMINISTRATORS, role="ADMIN")


@case(ADMINISTRATORS)
async def make_oneself_unit_admin(world: World, kind: str) -> Ask:
    person = world.callers[kind]
    body = {"userId": str(person.id), "role": "ADMIN"}
    return Ask("POST", f"/internal/companies/{world.company}/business-units/{uuid4()}/memberships", body, person)


def grants_case(name: str, body: Mapping[str, Any], may: set[str], /, **target: Any) -> None:
    """A case about grants."""

    async def build(world: World, kind: str) -> Ask:
        person = await world.person(**{"role": "MEMBER", **target})
        return Ask("PUT", f"/internal/companies/{world.company}/users/{person.id}/grants", body, person)

    CASES[name] = (build, may, {})


GRANTERS = TOP | ADMINISTRATORS
DELEGATE = {"canManageUsers": True, "grantableModules": ["crm"], "grantablePermissions": ["crm.lead.read"]}
grants_case("grant a delegated module", {"modules": ["crm"]}, GRANTERS | {"DELEGATED"})
grants_case("grant a delegated permission", {"permissions": ["crm.lead.read"]}, GRANTERS | {"DELEGATED"})
grants_case("grant beyond the delegated modules", {"modules": ["crm", "finance"]}, GRANTERS)
grants_case("grant beyond the delegated permissions", {"permissions": ["crm.lead.write"]}, GRANTERS)
grants_case("hand the delegation on", {"delegation": DELEGATE}, GRANTERS | {"DELEGATED"})
grants_case("delegate beyond", {"delegation": {**DELEGATE, "grantableModules": ["finance"]}}, GRANTERS)
grants_case("delegate add-ons", {"delegation": {"canBuyAddons": True}}, GRANTERS)
grants_case("grant to a manager", {"modules": ["crm"]}, GRANTERS, role="MANAGER")
grants_case("grant to an owner", {"modules": ["crm"]}, TOP | {"OWNER"}, role="OWNER")


@case(set())
async def grant_to_oneself(world: World, kind: str) -> Ask:
    person = world.callers[kind]
    if kind in STAFF or kind in OTHERS:
        person = world.callers["MEMBER"] if kind not in TOP else await world.person("MEMBER")
        if kind in TOP:  # staff without membership have nothing to grant themselves: the row itself says 404
            return Ask(
                "PUT", f"/internal/companies/{world.foreign}/users/{world.callers['MO'].id}/grants", {"modules": []}
            )
    return Ask("PUT", f"/internal/companies/{world.company}/users/{person.id}/grants", {"modules": ["crm"]}, person)


CASES["grant_to_oneself"] = (grant_to_oneself, set(), {"SA": 404, "AD": 404})


# --- invitations ----------------------------------------------------------------------------------------------------

INVITERS = TOP | ADMINISTRATORS | MANAGERS
for role, may in {
    "OWNER": TOP | {"OWNER"},
    "ADMIN": TOP | ADMINISTRATORS,
    "MANAGER": TOP | ADMINISTRATORS,
    "MEMBER": INVITERS,
    "VIEWER": INVITERS,
    "AUDITOR": INVITERS,
}.items():

    async def invite(world: World, kind: str, role: str = role) -> Ask:
        body = {"email": f"guest-{secrets.token_hex(6)}@example.com", "role": role}
        return Ask("POST", f"/internal/companies/{world.company}/invitations", body)

    async def revoke(world: World, kind: str, role: str = role) -> Ask:
        path = f"/internal/companies/{world.company}/invitations"
        body = {"email": f"guest-{secrets.token_hex(6)}@example.com", "role": role}
        reply = await world.app.http.post(path, json=body, headers=world.callers["SA"].bearer)
        assert reply.status_code == 201, reply.text
        return Ask("DELETE", f"{path}/{reply.json()['data']['invitation']['id']}")

    CASES[f"invite a {role}"] = (invite, may, {})
    CASES[f"revoke the invitation of a {role}"] = (revoke, may, {})


@case(INVITERS)
async def list_invitations(world: World, kind: str) -> Ask:
    return Ask("GET", f"/internal/companies/{world.company}/invitations")


# --- the walk -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
async def world(shared_app: Harness) -> World:
    """Every kind of caller, made once."""
    return await World(shared_app).populate()


@every("name", CASES)
async def test_exactly_those_may(world: World, name: str) -> None:
    build, may, other = CASES[name]
    wrong: list[str] = []
    for kind in KINDS:
        ask = await build(world, kind)
        before = await world.fingerprint(ask.target)
        reply = await world.app.http.request(ask.method, ask.path, json=ask.json, headers=world.callers[kind].bearer)
        expected = {other[kind]} if kind in other else {200, 201} if kind in may else {403}
        if reply.status_code not in expected:
            wrong.append(f"{kind}: {reply.status_code}, expected {expected}: {reply.text[:200]}")
        elif reply.status_code == 403:
            if reply.json()["error"]["code"] != "forbidden":
                wrong.append(f"{kind}: code {reply.text[:200]}")
            if await world.fingerprint(ask.target) != before:
                wrong.append(f"{kind}: refused, and yet something changed")
    assert not wrong, "\n".join(wrong)


@every("name", CASES)
async def test_without_a_token_everything_is_401(world: World, name: str) -> None:
    ask = await CASES[name][0](world, "MO")
    reply = await world.app.http.request(ask.method, ask.path, json=ask.json)
    assert reply.status_code == 401
    assert reply.json()["error"]["code"] == "unauthorized"
