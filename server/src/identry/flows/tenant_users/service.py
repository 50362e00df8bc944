"""The people of a tenant: who they are, whether they may come in, which groups they are in (browser-api.md §9)."""

from __future__ import annotations

from uuid import UUID

from identry.core.clock import Clock
from identry.core.db import Database, Executor
from identry.core.origin import Origin
from identry.flows.tenant_users import queries
from identry.flows.tenant_users.queries import Person
from identry.permissions import TenantAccess, hold, keep_admin, require_within
from identry.records import groups, memberships, tenants, users
from identry.records.audit import Audit
from identry.records.groups import Group
from identry.records.users import GlobalRole, User
from identry_kit.apierror import Forbidden, NotFound

MANAGE_USERS, MANAGE_GROUPS = "users:manage", "rbac:manage"


class PersonUnknown(NotFound):
    """404: nobody with this id belongs to the tenant."""

    message = "user not found"


class GroupsUnknown(NotFound):
    """404: this tenant has not all of these groups."""

    message = "group not found"


class NotYourself(Forbidden):
    """403: nobody ends their own membership."""

    code = "permission_denied"
    message = "you cannot end your own membership"


class SharedAccount(Forbidden):
    """403: the account belongs to others as well: its name is not this tenant's to change."""

    code = "permission_denied"
    message = "the account belongs to another tenant or to platform staff as well; its owner changes the name"


class TenantUsers:
    """Looks after the people of a tenant.

    Args:
        access: what is remembered of rights; told of every change.
    """

    def __init__(self, db: Database, clock: Clock, audit: Audit, access: TenantAccess) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._access = access

    async def page(self, tenant_id: UUID, search: str | None, limit: int, offset: int) -> tuple[list[Person], int]:
        """One page of the people, and how many there are."""
        return await queries.page(self._db, tenant_id, search, limit, offset)

    async def get(self, tenant_id: UUID, user_id: UUID) -> Person:
        """One of them.

        Raises:
            PersonUnknown: nobody with this id belongs to the tenant.
        """
        return await _find(self._db, tenant_id, user_id)

    async def change(
        self,
        caller: User,
        tenant_id: UUID,
        user_id: UUID,
        full_name: str | None,
        is_active: bool | None,
        origin: Origin,
    ) -> Person:
        """Change the name, end the membership or open it again; None leaves as it is.

        Raises:
            PermissionDenied, BeyondOwnRights: the caller may not, or the person may do what the caller may not.
            PersonUnknown: nobody with this id belongs to the tenant.
            SharedAccount, NotYourself, OwnerStays, LastAdmin: see there.
        """
        async with self._db.transaction() as tx:
            held = await hold(tx, tenant_id, caller.id, MANAGE_USERS, user_id)
            person = await _find(tx, tenant_id, user_id)
            require_within(held.rights, _keys(person.groups))
            if full_name is not None and full_name != person.user.full_name:
                await self._rename(tx, caller, tenant_id, person, full_name, origin)
            if is_active is not None and is_active != person.is_active:
                await self._open_or_end(tx, caller, tenant_id, person, origin, is_active=is_active)
        self._access.forget(tenant_id)
        return await self.get(tenant_id, user_id)

    async def remove(self, caller: User, tenant_id: UUID, user_id: UUID, origin: Origin) -> None:
        """End a membership and take the person out of every group; the account stays.

        Raises:
            PermissionDenied, BeyondOwnRights: the caller may not, or the person may do what the caller may not.
            PersonUnknown: nobody with this id belongs to the tenant.
            NotYourself, OwnerStays, LastAdmin: see there.
        """
        async with self._db.transaction() as tx:
            held = await hold(tx, tenant_id, caller.id, MANAGE_USERS, user_id)
            person = await _find(tx, tenant_id, user_id)
            require_within(held.rights, _keys(person.groups))
            await self._open_or_end(tx, caller, tenant_id, person, origin, is_active=False)
            for group in person.groups:
                await groups.remove_member(tx, tenant_id, group.id, user_id)
        self._access.forget(tenant_id)

    async def set_groups(
        self, caller: User, tenant_id: UUID, user_id: UUID, group_ids: set[UUID], origin: Origin
    ) -> Person:
        """Put a person into exactly these groups.

        Raises:
            PermissionDenied, BeyondOwnRights: the caller may not, or would give or take what the caller lacks.
            PersonUnknown, GroupsUnknown: the tenant has no such person, or not all of these groups.
            OwnerStays, LastAdmin: the person would leave Admin, but owns the company or is the last.
        """
        async with self._db.transaction() as tx:
            held = await hold(tx, tenant_id, caller.id, MANAGE_GROUPS, user_id)
            person = await _find(tx, tenant_id, user_id)
            wanted = {group.id: group for group in await groups.of_ids(tx, tenant_id, list(group_ids))}
            if wanted.keys() != group_ids:
                raise GroupsUnknown
            has = {group.id: group for group in person.groups}
            added = [group for group_id, group in wanted.items() if group_id not in has]
            removed = [group for group_id, group in has.items() if group_id not in wanted]
            require_within(held.rights, _keys(added + removed))
            if any(group.built_in and group.name == groups.ADMIN for group in removed):
                await keep_admin(tx, tenant_id, user_id)
            for group in added:
                await groups.add_member(tx, tenant_id, group.id, user_id, self._clock.now())
                await self._record(tx, "rbac.member.added", caller, tenant_id, person, origin, _group(group))
            for group in removed:
                await groups.remove_member(tx, tenant_id, group.id, user_id)
                await self._record(tx, "rbac.member.removed", caller, tenant_id, person, origin, _group(group))
            if added or removed:
                await tenants.touch(tx, tenant_id)
        self._access.forget(tenant_id)
        return await self.get(tenant_id, user_id)

    async def _rename(
        self, tx: Executor, caller: User, tenant_id: UUID, person: Person, full_name: str, origin: Origin
    ) -> None:
        user = person.user
        if user.global_role != GlobalRole.NONE or await tenants.belongs_elsewhere(tx, tenant_id, user.id):
            raise SharedAccount
        await users.update(tx, user.id, {"full_name": full_name}, now=self._clock.now())
        await self._record(tx, "user.updated", caller, tenant_id, person, origin, {"fields": ["fullName"]})

    async def _open_or_end(
        self, tx: Executor, caller: User, tenant_id: UUID, person: Person, origin: Origin, *, is_active: bool
    ) -> None:
        """Ending it ends the company membership as well; opening it opens the tenant only, no role in the company."""
        user_id, now = person.user.id, self._clock.now()
        if not is_active:
            if user_id == caller.id:
                raise NotYourself
            if any(group.built_in and group.name == groups.ADMIN for group in person.groups):
                await keep_admin(tx, tenant_id, user_id)
            if await memberships.end_company(tx, tenant_id, user_id, now):
                ended: dict[str, object] = {"isActive": {"from": True, "to": False}}
                await self._record(tx, "membership.company.updated", caller, tenant_id, person, origin, ended)
        await tenants.put_member(tx, tenant_id, user_id, is_active=is_active, now=now)
        await tenants.touch(tx, tenant_id)
        change: dict[str, object] = {"isActive": {"from": person.is_active, "to": is_active}}
        await self._record(tx, "tenant.member.updated", caller, tenant_id, person, origin, change)

    async def _record(
        self,
        tx: Executor,
        event: str,
        caller: User,
        tenant_id: UUID,
        person: Person,
        origin: Origin,
        details: dict[str, object],
    ) -> None:
        await self._audit.record(
            tx, event, origin, actor=caller.id, target=person.user.id, company_id=tenant_id, details=details
        )


async def _find(db: Executor, tenant_id: UUID, user_id: UUID) -> Person:
    person = await queries.find(db, tenant_id, user_id)
    if person is None:
        raise PersonUnknown
    return person


def _keys(found: list[Group]) -> set[str]:
    return {key for group in found for key in group.permissions}


def _group(group: Group) -> dict[str, object]:
    return {"groupId": str(group.id), "name": group.name}
