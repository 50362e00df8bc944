"""Tenants for tests: people with groups, and a guard for the browser surface that stands on platform sessions.

The guard proves the caller as the platform does and takes the tenant that the test names; what a browser token is and
proves is tested where those are made.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from harness import Harness, Person

from identry import tenancy
from identry.core.ids import uuid7
from identry.records import groups, tenants
from identry.records.groups import Group
from identry.web.call import Call
from identry.web.guards import Bearer
from identry_kit.apierror import Unauthorized


class TenantHeader:
    """The guard; `app` is set once the application exists. The header `x-tenant` names the tenant of the session."""

    app: Harness

    async def __call__(self, call: Call) -> None:
        """Prove the caller, take the tenant, as far as the caller is an active member there."""
        e = self.app.app.engines
        await Bearer(e.verifier, e.marks, e.db, e.clock).session(call)
        tenant_id = UUID(call.header(b"x-tenant") or "")
        tenant = await tenants.find(e.db, tenant_id)
        member = await tenants.find_member(e.db, tenant_id, call.actor.user.id)
        if tenant is None or member is None or not member.is_active:
            raise Unauthorized
        call.tenant_id = tenant_id
        if call.header(b"x-unversioned") is None:
            call.access_version = tenant.access_version


@dataclass
class Tenant:
    """One tenant, and requests to it.

    Attributes:
        admin: a member of `Admin`, signed in.
    """

    app: Harness
    id: UUID = field(default_factory=uuid4)
    admin: Person = field(init=False)

    async def made(self) -> Tenant:
        """Create it, with its administrator."""
        await tenancy.create(self.app.db, self.app.clock, self.id, slug=str(self.id), name="Acme")
        self.admin = await self.person("Admin")
        return self

    async def built_in(self, name: str) -> Group:
        """A built-in group."""
        return next(group for group, _ in await groups.of_tenant(self.app.db, self.id) if group.name == name)

    async def group(self, *keys: str, name: str = "") -> Group:
        """A group that may do these."""
        now = self.app.clock.now()
        group_id = uuid7(self.app.clock)
        group = Group(group_id, self.id, name or f"Group {group_id}", "", list(keys), False, now, now)
        assert await groups.insert(self.app.db, group)
        return group

    async def person(self, *group_names: str, may: tuple[str, ...] = (), **fields: Any) -> Person:
        """A signed-in member, in built-in groups and in one of its own that may do `may`."""
        person = await self.app.signed_in(**fields)
        now = self.app.clock.now()
        await tenants.put_member(self.app.db, self.id, person.id, is_active=True, now=now)
        found = [await self.built_in(name) for name in group_names]
        if may:
            found.append(await self.group(*may))
        for group in found:
            await groups.add_member(self.app.db, self.id, group.id, person.id, now)
        await tenants.touch(self.app.db, self.id)
        return person

    async def ask(
        self, method: str, path: str, json: Any = None, *, by: Person | None = None, headers: Any = None
    ) -> tuple[int, Any]:
        """A request under /api/v1; its status and decoded body (None without one)."""
        reply = await self.app.http.request(
            method,
            f"/api/v1{path}",
            headers={**(by or self.admin).bearer, "x-tenant": str(self.id), **(headers or {})},
            **({} if json is None else {"json": json}),
        )
        return reply.status_code, reply.json() if reply.content else None

    async def code(self, method: str, path: str, json: Any = None, *, by: Person | None = None) -> tuple[int, str]:
        """A request that is refused: its status and error code."""
        status, body = await self.ask(method, path, json, by=by)
        return status, body["error"]["code"]
