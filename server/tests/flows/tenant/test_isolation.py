"""Two tenants, callers of every kind, every operation, ids of both: nothing crosses, nobody does what they may not.

The expectations are worked out from the groups that the callers were put into, not from the code under test. The short
form is part of every run, the long one of `make test-long` (SECURITY F23).
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import pytest
from guests import Guest, address, invite
from harness import Harness, Person
from tenants import Tenant

from identry.records.groups import Group
from identry.web.openapi.document import template
from identry.web.operations import Guard

RIGHTS: dict[str, tuple[str, ...]] = {
    "ADMIN": ("*",),
    "READER": ("users:read", "rbac:read"),
    "PEOPLE": ("users:*",),
    "HOSTS": ("users:invite",),
    "GROUPS": ("rbac:manage",),
    "NOBODY": (),
}
"""Kinds of caller, and all that their group allows."""

_TABLES = {
    "tenants": "id",
    "tenant_members": "tenant_id",
    "groups": "tenant_id",
    "group_members": "tenant_id",
    "company_memberships": "company_id",
    "invitations": "company_id",
}


_OF_TABLES = ", ".join(
    f"(SELECT md5(string_agg(t::text, '' ORDER BY t::text)) FROM {table} t WHERE {column} = $1)"
    for table, column in _TABLES.items()
)
_NAMES = "(SELECT array_agg(full_name || is_active ORDER BY id) FROM users WHERE id = ANY($2))"
_FINGERPRINT = f"SELECT {_OF_TABLES}, {_NAMES}"


@dataclass
class Side:
    """One tenant with a caller of every kind, and what may be named in a request."""

    tenant: Tenant
    callers: dict[str, Person] = field(default_factory=dict)
    people: list[Person] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    guests: list[Guest] = field(default_factory=list)

    async def populate(self) -> Side:
        """Make everything."""
        for kind, may in RIGHTS.items():
            self.callers[kind] = await self.tenant.person(*(["Admin"] if may == ("*",) else []), may=may)
        self.people = [await self.tenant.person("Read only") for _ in range(4)]
        for keys in ((), ("users:read",), ("settings:manage",), ("*",)):
            self.groups.append(await self.tenant.group(*keys))
        self.groups.append(await self.tenant.built_in("Admin"))
        for group in self.groups:
            self.guests.append(await invite(self.tenant, group, by=self.callers["ADMIN"]))
        return self

    @property
    def ids(self) -> set[str]:
        """Every id that may never be shown to the other side."""
        people = [*self.callers.values(), *self.people]
        guests = [found for guest in self.guests for found in (guest.id, guest.email, guest.token)]
        return {str(self.tenant.id), *(str(p.id) for p in people), *(str(g.id) for g in self.groups), *guests}

    async def fingerprint(self) -> list[Any]:
        """Everything that a request of the other side must leave alone."""
        people = [person.id for person in [*self.callers.values(), *self.people]]
        return list(await self.tenant.app.db.fetchrow(_FINGERPRINT, self.tenant.id, people))


def _id(rng: random.Random, own: list[UUID], foreign: list[UUID]) -> tuple[UUID, bool]:
    """An id to name in a request, and whether it is the caller's tenant's."""
    pick = rng.random()
    if pick < 0.45:
        return rng.choice(own), True
    return (rng.choice(foreign), False) if pick < 0.95 else (uuid4(), False)


def _body(rng: random.Random, operation: Any, own: Side, other: Side) -> tuple[Any, bool]:
    """A body for an operation, and whether all the ids in it are the caller's tenant's."""
    if operation.path.endswith("/settings/auth"):
        domains = rng.choice([[], ["example.com"]])
        return {"auth_policy": "standard", "allowed_email_domains": domains, "mfa_required": rng.random() < 0.5}, True
    if "group_ids" in operation.body.__struct_fields__:
        found = [_id(rng, [g.id for g in own.groups], [g.id for g in other.groups]) for _ in range(rng.randint(0, 2))]
        to = {"email": address()} if "email" in operation.body.__struct_fields__ else {}
        return {**to, "group_ids": [str(i) for i, _ in found]}, all(mine for _, mine in found)
    if "/rbac/groups" in operation.path and operation.body:
        keys = rng.sample(["users:read", "incidents:*", "settings:manage", "*"], rng.randint(0, 2))
        return {"name": f"g {rng.getrandbits(60):x}", "permissions": keys}, True
    return ({"full_name": f"P {rng.getrandbits(40):x}"} if rng.random() < 0.7 else {"is_active": True}), True


def _rights(kind: str, permission: str) -> bool:
    resource = permission.split(":")[0]
    return bool({"*", permission, f"{resource}:*"} & set(RIGHTS[kind]))


async def _one(rng: random.Random, operation: Any, own: Side, other: Side) -> str:
    """One call as somebody of `own`; returns what it came to."""
    kind = rng.choice(list(RIGHTS))
    people, foreign = [p.id for p in own.people], [p.id for p in [*other.people, *other.callers.values()]]
    path, mine = template(operation.path).removeprefix("/api/v1"), True
    for name, (ours, theirs) in {
        "{user_id}": (people, foreign),
        "{group_id}": ([g.id for g in own.groups], [g.id for g in other.groups]),
        "{invitation_id}": ([UUID(g.id) for g in own.guests], [UUID(g.id) for g in other.guests]),
    }.items():
        if name in path:
            chosen, is_ours = _id(rng, ours, theirs)
            path, mine = path.replace(name, str(chosen)), mine and is_ours
    if operation.path.endswith("/explain"):
        chosen, mine = _id(rng, people, foreign)
        path += f"?user_id={chosen}&permission=incidents:read"
    elif operation.query:
        path += rng.choice(["", "?page=2&page_size=3", "?search=person"])
    body = None
    if operation.body:
        body, inner = _body(rng, operation, own, other)
        mine = mine and inner
    before = await other.fingerprint() if operation.method != "GET" else None
    status, answer = await own.tenant.ask(operation.method, path, body, by=own.callers[kind])
    where = f"{kind} {operation.method} {path} {body} → {status} {answer}"
    assert status < 500, where
    assert not [i for i in other.ids if i in str(answer)], f"shows the other tenant: {where}"
    if before is not None:
        assert await other.fingerprint() == before, f"changes the other tenant: {where}"
    if not _rights(kind, operation.permission):
        assert (status, answer["error"]["code"]) == (403, "permission_denied"), where
        return "denied"
    if not mine:
        assert status in {403, 404, 409}, where
        assert status != 409 or operation.method != "GET", where
        return "foreign"
    return "done" if status < 300 else "refused"


async def _run(app: Harness, calls: int, seed: int) -> dict[str, int]:
    rng = random.Random(seed)
    sides = [await Side(await Tenant(app).made()).populate() for _ in range(2)]
    operations = [o for o in app.app.operations if o.guard is Guard.BROWSER and o.permission]
    assert len(operations) >= 20
    count: dict[str, int] = {}
    for i in range(calls):
        if i % 500 == 499:  # what was deleted is made again
            sides = [await Side(await Tenant(app).made()).populate() for _ in range(2)]
        operation = operations[i % len(operations)]
        own, other = sides if rng.random() < 0.5 else reversed(sides)
        outcome = await _one(rng, operation, own, other)
        count[outcome] = count.get(outcome, 0) + 1
    return count


async def test_nothing_crosses_between_two_tenants(tenant_app: Harness) -> None:
    count = await _run(tenant_app, 5_000, seed=1)
    assert sum(count.values()) == 5_000
    assert min(count[outcome] for outcome in ("denied", "foreign", "done")) > 500


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
async def test_nothing_crosses_between_two_tenants_in_the_long_form(tenant_app: Harness, seed: int) -> None:
    count = await _run(tenant_app, 5_000, seed=100 + seed)
    assert sum(count.values()) == 5_000
