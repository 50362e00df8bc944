"""Groups of a tenant and their members (contracts/browser-api.md §9)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

from identry.core.clock import Clock
from identry.core.db import Database, Executor
from identry.core.ids import uuid7
from identry.core.origin import Origin
from identry.permissions import TenantAccess, hold, keep_admin, require_within
from identry.records import groups, tenants
from identry.records.audit import Audit
from identry.records.groups import Group
from identry.records.users import User
from identry_kit.apierror import Conflict, NotFound

MANAGE = "rbac:manage"


class GroupUnknown(NotFound):
    """404: this tenant has no such group."""

    message = "group not found"


class MemberUnknown(NotFound):
    """404: the user is no member, of the tenant or of the group that is named."""

    message = "member not found"


class GroupExists(Conflict):
    """409: the tenant has a group of this name."""

    code = "group_exists"
    message = "a group of this name exists"


class GroupBuiltIn(Conflict):
    """409: built-in groups stay as they are; only their members change."""

    code = "group_built_in"
    message = "a built-in group cannot be changed or deleted"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A group as somebody wants it; the permissions are canonical keys."""

    name: str
    description: str
    permissions: frozenset[str]


class Rbac:
    """Looks after the groups of a tenant.

    Args:
        access: what is remembered of rights; told of every change.
    """

    def __init__(self, db: Database, clock: Clock, audit: Audit, access: TenantAccess) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._access = access

    async def all(self, tenant_id: UUID) -> list[tuple[Group, int]]:
        """Every group, each with the number of its active members."""
        return await groups.of_tenant(self._db, tenant_id)

    async def get(self, tenant_id: UUID, group_id: UUID) -> tuple[Group, int]:
        """One group and the number of its active members.

        Raises:
            GroupUnknown: this tenant has no such group.
        """
        group = await _find(self._db, tenant_id, group_id)
        return group, await groups.count_members(self._db, tenant_id, group_id)

    async def create(self, caller: User, tenant_id: UUID, wanted: Wanted, origin: Origin) -> Group:
        """Make a group.

        Raises:
            PermissionDenied, BeyondOwnRights: the caller may not, or not this much.
            GroupExists: the name is taken.
        """
        now = self._clock.now()
        group = Group(
            uuid7(self._clock), tenant_id, wanted.name, wanted.description, sorted(wanted.permissions), False, now, now
        )
        async with self._db.transaction() as tx:
            require_within((await hold(tx, tenant_id, caller.id, MANAGE)).rights, wanted.permissions)
            if not await groups.insert(tx, group):
                raise GroupExists
            await self._changed(tx, "rbac.group.created", origin, caller, group, permissions_added=group.permissions)
        self._access.forget(tenant_id)
        return group

    async def update(
        self, caller: User, tenant_id: UUID, group_id: UUID, wanted: Wanted, origin: Origin
    ) -> tuple[Group, int]:
        """Replace name, description and permissions of a group.

        Raises:
            PermissionDenied, BeyondOwnRights: the caller may not; or it would add or remove what the caller lacks.
            GroupUnknown, GroupBuiltIn, GroupExists: there is no such group to change, or the name is taken.
        """
        async with self._db.transaction() as tx:
            held = await hold(tx, tenant_id, caller.id, MANAGE)
            before = await _find(tx, tenant_id, group_id)
            if before.built_in:
                raise GroupBuiltIn
            had = frozenset(before.permissions)
            require_within(held.rights, had ^ wanted.permissions)
            if await groups.name_is_taken(tx, tenant_id, wanted.name, besides=group_id):
                raise GroupExists
            after = replace(
                before,
                name=wanted.name,
                description=wanted.description,
                permissions=sorted(wanted.permissions),
                updated_at=self._clock.now(),
            )
            count = await groups.count_members(tx, tenant_id, group_id)
            if replace(after, updated_at=before.updated_at) == before:
                return before, count
            await groups.update(tx, after)
            await self._changed(
                tx,
                "rbac.group.updated",
                origin,
                caller,
                after,
                permissions_added=sorted(wanted.permissions - had),
                permissions_removed=sorted(had - wanted.permissions),
            )
        self._access.forget(tenant_id)
        return after, count

    async def delete(self, caller: User, tenant_id: UUID, group_id: UUID, origin: Origin) -> None:
        """Delete a group; its members lose what it gave them.

        Raises:
            PermissionDenied, BeyondOwnRights: the caller may not, or it would take away what the caller lacks.
            GroupUnknown, GroupBuiltIn: there is no such group to delete.
        """
        async with self._db.transaction() as tx:
            held = await hold(tx, tenant_id, caller.id, MANAGE)
            group = await _find(tx, tenant_id, group_id)
            if group.built_in:
                raise GroupBuiltIn
            require_within(held.rights, group.permissions)
            await groups.delete(tx, tenant_id, group_id)
            await self._changed(tx, "rbac.group.deleted", origin, caller, group, permissions_removed=group.permissions)
        self._access.forget(tenant_id)

    async def owns_membership(self, tenant_id: UUID, group_id: UUID, user_id: UUID) -> bool:
        """Whether the member owns the company, which is then why; raises when the user is not in the group.

        Raises:
            GroupUnknown: this tenant has no such group.
            MemberUnknown: the user is not in it.
        """
        group = await _find(self._db, tenant_id, group_id)
        found = await groups.of_users(self._db, tenant_id, [user_id])
        if all(other.id != group_id for other in found[user_id]):
            raise MemberUnknown
        return group.built_in and group.name == groups.ADMIN and await groups.owns(self._db, tenant_id, user_id)

    async def add_member(self, caller: User, tenant_id: UUID, group_id: UUID, user_id: UUID, origin: Origin) -> None:
        """Put a member of the tenant into a group; nothing happens when the member is in it already.

        Raises:
            PermissionDenied, BeyondOwnRights: the caller may not, or the group may do what the caller may not.
            GroupUnknown, MemberUnknown: no such group, or the user does not belong to the tenant.
        """
        async with self._db.transaction() as tx:
            held = await hold(tx, tenant_id, caller.id, MANAGE, user_id)
            group = await _find(tx, tenant_id, group_id)
            if await tenants.find_member(tx, tenant_id, user_id) is None:
                raise MemberUnknown
            require_within(held.rights, group.permissions)
            if not await groups.add_member(tx, tenant_id, group_id, user_id, self._clock.now()):
                return
            await self._changed(tx, "rbac.member.added", origin, caller, group, target=user_id)
        self._access.forget(tenant_id)

    async def remove_member(self, caller: User, tenant_id: UUID, group_id: UUID, user_id: UUID, origin: Origin) -> None:
        """Take a member out of a group.

        Raises:
            PermissionDenied, BeyondOwnRights: the caller may not, or the group may do what the caller may not.
            GroupUnknown, MemberUnknown: no such group, or the user is not in it.
            OwnerStays, LastAdmin: the group is Admin, and the member owns the company or is the last.
        """
        async with self._db.transaction() as tx:
            held = await hold(tx, tenant_id, caller.id, MANAGE, user_id)
            group = await _find(tx, tenant_id, group_id)
            found = await groups.of_users(tx, tenant_id, [user_id])
            if group not in found[user_id]:
                raise MemberUnknown
            require_within(held.rights, group.permissions)
            if group.built_in and group.name == groups.ADMIN:
                await keep_admin(tx, tenant_id, user_id)
            await groups.remove_member(tx, tenant_id, group_id, user_id)
            await self._changed(tx, "rbac.member.removed", origin, caller, group, target=user_id)
        self._access.forget(tenant_id)

    async def _changed(
        self,
        tx: Executor,
        event: str,
        origin: Origin,
        caller: User,
        group: Group,
        *,
        target: UUID | None = None,
        **lists: list[str],
    ) -> None:
        """The tenant's version goes up and the audit log tells why, in the transaction of the change."""
        await tenants.touch(tx, group.tenant_id)
        details: dict[str, object] = {"groupId": str(group.id), "name": group.name}
        details |= {name: keys for name, keys in lists.items() if keys}
        await self._audit.record(
            tx, event, origin, actor=caller.id, target=target, company_id=group.tenant_id, details=details
        )


async def _find(db: Executor, tenant_id: UUID, group_id: UUID) -> Group:
    group = await groups.find(db, tenant_id, group_id)
    if group is None:
        raise GroupUnknown
    return group
