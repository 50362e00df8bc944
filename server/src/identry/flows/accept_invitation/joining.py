"""What an invitation gives: a role in the company (and business unit), or membership of the tenant with its groups."""

from __future__ import annotations

from uuid import UUID

from identry import tenancy
from identry.core.clock import Clock
from identry.core.db import Executor
from identry.core.ids import uuid7
from identry.core.origin import Origin
from identry.records import groups, memberships, tenants
from identry.records.audit import Audit
from identry.records.invitations import Invitation
from identry.records.tenants import TenantMember
from identry.records.users import User


class Joining:
    """Writes the memberships of an accepted invitation; the tenant's row is held by the caller."""

    def __init__(self, clock: Clock, audit: Audit) -> None:
        self._clock = clock
        self._audit = audit

    async def __call__(self, tx: Executor, invitation: Invitation, user: User, origin: Origin) -> bool:
        """Join; False when staff ended the membership after the invitation was sent: an old link does not undo that.

        What the user holds already stays as it is, neither raised nor lowered. Who belonged to the tenant once comes
        back with what the invitation offers and nothing of what there was: the inviter vouched for no more.
        """
        member = await tenants.find_member(tx, invitation.company_id, user.id)
        if _ended_since(member, invitation):
            return False
        if invitation.group_ids is None:
            return await self._company(tx, invitation, user, origin)
        if member is None or not member.is_active:
            await self._tenant(tx, invitation, invitation.group_ids, user, origin, is_new=member is None)
        return True

    async def _tenant(
        self, tx: Executor, invitation: Invitation, group_ids: list[UUID], user: User, origin: Origin, *, is_new: bool
    ) -> None:
        """Open the tenant, no role in the company; a group that was deleted meanwhile gives nothing."""
        tenant_id, now = invitation.company_id, self._clock.now()
        await groups.leave_all(tx, tenant_id, user.id)
        await tenants.put_member(tx, tenant_id, user.id, is_active=True, now=now)
        found = await groups.of_ids(tx, tenant_id, group_ids)
        for group in found:
            await groups.add_member(tx, tenant_id, group.id, user.id, now)
        await tenants.touch(tx, tenant_id)
        await self._audit.record(
            tx,
            f"tenant.member.{'created' if is_new else 'updated'}",
            origin,
            actor=user.id,
            target=user.id,
            company_id=tenant_id,
            details={"isActive": True, "groupIds": [group.id for group in found], "by": "invitation"},
        )

    async def _company(self, tx: Executor, invitation: Invitation, user: User, origin: Origin) -> bool:
        """The company, then the business unit."""
        now = self._clock.now()
        roles = await memberships.roles_in(tx, user.id, invitation.company_id, invitation.business_unit_id)
        if _ended_since(roles.company, invitation) or _ended_since(roles.unit, invitation):
            return False
        if roles.company is None or not roles.company.is_active:
            company, is_new = await memberships.put_company(
                tx, uuid7(self._clock), invitation.company_id, user.id, invitation.role, is_active=True, now=now
            )
            await tenancy.follow(tx, self._clock, (invitation.company_id,), (user.id,))
            await self._audit_membership(tx, "company", company.role, is_new, invitation, user, origin)
        if invitation.business_unit_id is not None and (roles.unit is None or not roles.unit.is_active):
            unit, is_new = await memberships.put_business_unit(
                tx,
                uuid7(self._clock),
                invitation.company_id,
                invitation.business_unit_id,
                user.id,
                invitation.role,
                is_active=True,
                now=now,
            )
            await self._audit_membership(tx, "business_unit", unit.role, is_new, invitation, user, origin)
        return True

    async def _audit_membership(
        self, tx: Executor, kind: str, role: str, is_new: bool, invitation: Invitation, user: User, origin: Origin
    ) -> None:
        details = {"role": role, "isActive": True, "by": "invitation"}
        if kind == "business_unit":
            details["businessUnitId"] = str(invitation.business_unit_id)
        await self._audit.record(
            tx,
            f"membership.{kind}.{'created' if is_new else 'updated'}",
            origin,
            actor=user.id,
            target=user.id,
            company_id=invitation.company_id,
            details=details,
        )


def _ended_since(
    membership: memberships.CompanyMembership | memberships.BusinessUnitMembership | TenantMember | None,
    invitation: Invitation,
) -> bool:
    """Whether staff ended the membership after the invitation was sent: an old link does not undo that."""
    return membership is not None and not membership.is_active and membership.updated_at > invitation.created_at
