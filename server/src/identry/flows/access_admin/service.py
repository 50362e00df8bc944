"""Replace the grants of a membership, within what the caller may give (contracts/platform-api.md §5, §6, §8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from identry import authority
from identry.authority import Actor, Delegated, Situation, Target, Wanted
from identry.authority import Grants as Held
from identry.core.clock import Clock
from identry.core.db import Database, Executor
from identry.core.origin import Origin
from identry.records import memberships, users
from identry.records.audit import Audit
from identry.records.memberships import Grants
from identry.records.users import User
from identry_kit.apierror import NotFound

ROW = "grants.put"


class MemberUnknown(NotFound):
    """404: the user has no membership of the company."""

    message = "the user has no membership of this company"


class Entitlements(Protocol):
    """Who knows what a company owns."""

    async def owned(self, company_id: UUID) -> Held | None:
        """Modules and permissions that the company owns; None: nothing bounds it.

        Raises:
            ServiceUnavailable: it cannot be told.
        """


@dataclass(frozen=True, slots=True)
class Delegation:
    """What a member may hand on."""

    can_manage_users: bool = False
    can_buy_addons: bool = False
    grantable_modules: frozenset[str] = frozenset()
    grantable_permissions: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class NewGrants:
    """The sets to replace; None: as it is."""

    modules: frozenset[str] | None = None
    permissions: frozenset[str] | None = None
    delegation: Delegation | None = None

    def over(self, current: Grants) -> Grants:
        """The grants of a membership after the replacement."""
        delegation = self.delegation or Delegation(
            current.can_manage_users,
            current.can_buy_addons,
            frozenset(current.grantable_modules),
            frozenset(current.grantable_permissions),
        )
        return Grants(
            modules=sorted(current.modules if self.modules is None else self.modules),
            permissions=sorted(current.permissions if self.permissions is None else self.permissions),
            can_manage_users=delegation.can_manage_users,
            can_buy_addons=delegation.can_buy_addons,
            grantable_modules=sorted(delegation.grantable_modules),
            grantable_permissions=sorted(delegation.grantable_permissions),
            access_version=current.access_version,
        )

    def names(self) -> list[str]:
        """The sets that are replaced, as on the wire."""
        named = {"delegation": self.delegation, "modules": self.modules, "permissions": self.permissions}
        return [name for name, value in named.items() if value is not None]


class AccessAdmin:
    """Grants modules and permissions to members.

    Args:
        entitlements: knows what a company owns.
    """

    def __init__(self, db: Database, clock: Clock, audit: Audit, entitlements: Entitlements) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._entitlements = entitlements

    async def put(self, caller: User, company_id: UUID, user_id: UUID, new: NewGrants, origin: Origin) -> Grants:
        """Replace the grants of a member; every cached access decision about the member becomes old.

        Raises:
            NotAllowed: the caller may not grant there, not to this member, or not all of this.
            MemberUnknown: there is no such membership.
            ServiceUnavailable: what the company owns, or the database, cannot be asked.
        """
        await self._decide(self._db, caller, company_id, user_id, new, None)
        owned = await self._entitlements.owned(company_id)
        async with self._db.transaction() as tx:
            locked = await users.lock_all(tx, caller.id, user_id)
            caller = authority.still_acting(locked.get(caller.id))
            grants = await self._decide(tx, caller, company_id, user_id, new, owned)
            grants = await memberships.put_grants(tx, company_id, user_id, grants, self._clock.now())
            await self._audit.record(
                tx,
                "grants.updated",
                origin,
                actor=caller.id,
                target=user_id,
                company_id=company_id,
                details={"fields": new.names(), "accessVersion": grants.access_version},
            )
        return grants

    async def _decide(
        self, db: Executor, caller: User, company_id: UUID, user_id: UUID, new: NewGrants, owned: Held | None
    ) -> Grants:
        """The grants to write, once the matrix has allowed them.

        Raises:
            NotAllowed, MemberUnknown: the latter only for a caller whose roles reach this row.
        """
        roles = await memberships.roles_in(db, caller.id, company_id)
        actor = Actor(caller.id, caller.global_role, roles.company_role)
        authority.require_standing((ROW,), (actor,))
        user = await users.find(db, user_id)
        member = await memberships.find_company(db, company_id, user_id)
        current = await memberships.grants_of(db, company_id, user_id)
        if user is None or member is None or current is None:
            raise MemberUnknown
        target = Target(user.id, user.global_role, user.approval_status, member.role, active_member=member.is_active)
        own = await memberships.grants_of(db, company_id, caller.id) if roles.company_role else None
        grants = new.over(current)
        authority.require(ROW, Situation(actor, target, _wanted(current, grants, own, owned)))
        return grants


def _wanted(current: Grants, grants: Grants, own: Grants | None, owned: Held | None) -> Wanted:
    """What the change gives and takes, beside what the caller may hand on."""
    before, after = _held(current), _held(grants)
    return Wanted(
        granted=after,
        taken=before.without(after),
        touches_addons=current.can_buy_addons != grants.can_buy_addons,
        owned=owned,
        delegated=Delegated(
            own.can_manage_users,
            own.can_buy_addons,
            Held(frozenset(own.grantable_modules), frozenset(own.grantable_permissions)),
        )
        if own
        else Delegated(),
    )


def _held(grants: Grants) -> Held:
    """Everything that a membership may use or hand on."""
    return Held(
        frozenset(grants.modules) | frozenset(grants.grantable_modules),
        frozenset(grants.permissions) | frozenset(grants.grantable_permissions),
    )
