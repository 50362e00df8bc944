"""Lists of members, and giving, changing or ending a membership (contracts/platform-api.md §6, §8)."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from identry import authority, tenancy
from identry.authority import Actor, Situation, Target, Wanted
from identry.core.clock import Clock
from identry.core.db import Database, Executor
from identry.core.ids import uuid7
from identry.core.origin import Origin
from identry.flows.membership_admin import queries
from identry.records import memberships, users
from identry.records.audit import Audit
from identry.records.memberships import BusinessUnitMembership, CompanyMembership, Roles
from identry.records.users import User
from identry_kit.apierror import Conflict, NotFound


class UserUnknown(NotFound):
    """404: no account has this id."""

    message = "user not found"


class CompanyUnknown(NotFound):
    """404: the directory of companies knows no such company."""

    message = "company not found"


class NotAMember(Conflict):
    """409: a business-unit membership needs an active membership of the company."""

    message = "the user has no active membership of this company"


class CompanyDirectory(Protocol):
    """Who knows which companies exist (the Finance database)."""

    async def exists(self, company_id: UUID) -> bool:
        """Whether there is such a company.

        Raises:
            ServiceUnavailable: it cannot be told.
        """


class MembershipAdmin:
    """Looks after the members of companies and business units.

    Args:
        companies: knows which companies exist; None: every id is taken as it is.
    """

    def __init__(self, db: Database, clock: Clock, audit: Audit, companies: CompanyDirectory | None = None) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._companies = companies

    async def company_page(
        self, caller: User, company_id: UUID, search: str | None, limit: int, offset: int
    ) -> tuple[list[queries.Member], int]:
        """One page of a company's people, and how many there are.

        Raises:
            NotAllowed: the caller neither is platform staff nor administers the company.
        """
        actor = _actor(caller, await memberships.roles_in(self._db, caller.id, company_id))
        authority.require("company_users.list", Situation(actor))
        return await queries.company_page(self._db, company_id, search, limit, offset)

    async def unit_page(
        self, caller: User, company_id: UUID, unit_id: UUID, search: str | None, limit: int, offset: int
    ) -> tuple[list[queries.Member], int]:
        """One page of a business unit's active people, and how many there are.

        Raises:
            NotAllowed: the caller neither is platform staff nor administers company or unit.
        """
        actor = _actor(caller, await memberships.roles_in(self._db, caller.id, company_id, unit_id))
        authority.require("unit_users.list", Situation(actor))
        return await queries.unit_page(self._db, company_id, unit_id, search, limit, offset)

    async def put_company(
        self, caller: User, company_id: UUID, user_id: UUID, role: str, *, is_active: bool, origin: Origin
    ) -> tuple[CompanyMembership, bool]:
        """Give or change a company membership; returns it and whether it is new.

        Raises:
            NotAllowed: the caller may not give this role, or not to this user.
            CompanyUnknown, UserUnknown: no such company or account.
            LastOfItsKind: the company would lose its last active OWNER.
        """
        row, wanted = "company_memberships.put", Wanted(role=role, is_active=is_active)
        await self._roles(self._db, row, caller, company_id, None, user_id, wanted)
        if self._companies is not None and not await self._companies.exists(company_id):
            raise CompanyUnknown
        async with self._db.transaction() as tx:
            caller = await _lock(tx, caller, user_id)
            before = (await self._roles(tx, row, caller, company_id, None, user_id, wanted)).company
            if before is not None and (before.role, before.is_active) == (role, is_active):
                return before, False
            if before is not None and before.role == "OWNER" and before.is_active:
                await users.lock_last_of_its_kind(tx)
                authority.keep_last(owner=company_id in await memberships.companies_solely_owned_by(tx, user_id))
            membership, is_new = await memberships.put_company(
                tx, uuid7(self._clock), company_id, user_id, role, is_active=is_active, now=self._clock.now()
            )
            await tenancy.follow(tx, self._clock, (company_id,), (user_id,))
            await self._audit.record(
                tx,
                "membership.company.created" if is_new else "membership.company.updated",
                origin,
                actor=caller.id,
                target=user_id,
                company_id=company_id,
                details=_change(before, role, is_active),
            )
        return membership, is_new

    async def put_unit(
        self,
        caller: User,
        company_id: UUID,
        unit_id: UUID,
        user_id: UUID,
        role: str,
        *,
        is_active: bool,
        origin: Origin,
    ) -> tuple[BusinessUnitMembership, bool]:
        """Give or change a business-unit membership; returns it and whether it is new.

        Raises:
            NotAllowed: the caller may not give this role, or not to this user.
            UserUnknown: no such account.
            NotAMember: the user has no active membership of the company.
        """
        row, wanted = "unit_memberships.put", Wanted(role=role, is_active=is_active)
        await self._roles(self._db, row, caller, company_id, unit_id, user_id, wanted)
        async with self._db.transaction() as tx:
            caller = await _lock(tx, caller, user_id)
            roles = await self._roles(tx, row, caller, company_id, unit_id, user_id, wanted)
            if roles.company_role is None:
                raise NotAMember
            if roles.unit is not None and (roles.unit.role, roles.unit.is_active) == (role, is_active):
                return roles.unit, False
            membership, is_new = await memberships.put_business_unit(
                tx, uuid7(self._clock), company_id, unit_id, user_id, role, is_active=is_active, now=self._clock.now()
            )
            await self._audit.record(
                tx,
                "membership.business_unit.created" if is_new else "membership.business_unit.updated",
                origin,
                actor=caller.id,
                target=user_id,
                company_id=company_id,
                details={"businessUnitId": str(unit_id), **_change(roles.unit, role, is_active)},
            )
        return membership, is_new

    async def _roles(
        self,
        db: Executor,
        row: str,
        caller: User,
        company_id: UUID,
        unit_id: UUID | None,
        user_id: UUID,
        wanted: Wanted,
    ) -> Roles:
        """What the target is there now, once the matrix has allowed what is wanted.

        Raises:
            NotAllowed, UserUnknown: the latter only for a caller whose roles reach this row.
        """
        actor = _actor(caller, await memberships.roles_in(db, caller.id, company_id, unit_id))
        authority.require_standing((row,), (actor,))
        user = await users.find(db, user_id)
        if user is None:
            raise UserUnknown
        roles = await memberships.roles_in(db, user_id, company_id, unit_id)
        target = Target(
            user.id,
            user.global_role,
            user.approval_status,
            company_role=roles.company.role if roles.company else None,
            unit_role=roles.unit.role if roles.unit else None,
            active_member=roles.company_role is not None,
            active_in_unit=roles.unit_role is not None,
        )
        authority.require(row, Situation(actor, target, wanted))
        return roles


def _actor(caller: User, roles: Roles) -> Actor:
    return Actor(caller.id, caller.global_role, roles.company_role, roles.unit_role)


async def _lock(tx: Executor, caller: User, user_id: UUID) -> User:
    """The caller as it is now; the rows of caller and target stay locked, so neither's roles change before the end."""
    return authority.still_acting((await users.lock_all(tx, caller.id, user_id)).get(caller.id))


def _change(
    before: CompanyMembership | BusinessUnitMembership | None, role: str, is_active: bool
) -> dict[str, dict[str, object]]:
    """What the audit log says of a change: old and new role and state, as far as they differ."""
    old_role, old_active = (before.role, before.is_active) if before else (None, None)
    moves = {"role": (old_role, role), "isActive": (old_active, is_active)}
    return {name: {"from": old, "to": new} for name, (old, new) in moves.items() if old != new}
