"""Why may somebody do something, or not? Every check that decides, in its order, in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from identry.core.db import Executor
from identry.entitlements import Entitlements, EntitlementsUnavailable, Owned
from identry.flows.rbac.service import MemberUnknown
from identry.permissions import Rights
from identry.records import groups, memberships, passkeys, tenants, users
from identry.records.groups import Group
from identry.records.memberships import Grants
from identry.records.tenants import Tenant, TenantMember
from identry.records.users import ApprovalStatus, User


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: `account`, `tenant`, `membership`, `policy`, `groups`, `grants` or `entitlement`.
        passed: whether it lets through.
        reason: in words.
        change: what would have to change; empty when it passed.
        decides: whether the permission hangs on it (else: it only tells about the neighbouring surface).
    """

    name: str
    passed: bool
    reason: str
    change: str = ""
    decides: bool = True


@dataclass(frozen=True, slots=True)
class GroupFinding:
    """A group of the user, and those of its permissions that allow what was asked."""

    id: UUID
    name: str
    by_ownership: bool
    granted_by: list[str]


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer: allowed when every check that decides passed."""

    permission: str
    allowed: bool
    checks: list[Check]
    groups: list[GroupFinding]
    changes: list[str]


class Explain:
    """Explains a decision from the same rows that the decision is made from.

    Args:
        entitlements: knows what a company owns.
        auth_policy: the platform's; a tenant's may be stricter.
    """

    def __init__(self, db: Executor, entitlements: Entitlements, auth_policy: str) -> None:
        self._db = db
        self._entitlements = entitlements
        self._auth_policy = auth_policy

    async def __call__(self, tenant_id: UUID, user_id: UUID, permission: str) -> Explanation:
        """Explain why a user may, or may not, do what a canonical key names.

        Raises:
            MemberUnknown: the user never belonged to the tenant (or there is no such tenant).
        """
        tenant = await tenants.find(self._db, tenant_id)
        member = await tenants.find_member(self._db, tenant_id, user_id)
        user = await users.find(self._db, user_id)
        if tenant is None or member is None or user is None:
            raise MemberUnknown
        found = (await groups.of_users(self._db, tenant_id, [user_id]))[user_id]
        owner = await groups.owns(self._db, tenant_id, user_id)
        findings = [_finding(group, permission, owner=owner) for group in found]
        checks = [
            _account(user),
            _tenant(tenant),
            _membership(member),
            self._policy(tenant, secured=user.mfa_enabled or await passkeys.has_any(self._db, user_id)),
            await self._groups(tenant_id, permission, findings),
            *await self._platform(tenant_id, user_id, permission),
        ]
        return Explanation(
            permission,
            all(check.passed for check in checks if check.decides),
            checks,
            findings,
            [check.change for check in checks if check.decides and not check.passed],
        )

    def _policy(self, tenant: Tenant, *, secured: bool) -> Check:
        restricted = "restricted" in (self._auth_policy, tenant.auth_policy)
        demands = [
            *(["sign-in with single sign-on only"] if restricted else []),
            *(["a second factor"] if tenant.mfa_required and not secured else []),
        ]
        if demands:
            return Check("policy", True, f"does not decide this, but the tenant demands {' and '.join(demands)}")
        return Check("policy", True, "asks for nothing that stands in the way")

    async def _groups(self, tenant_id: UUID, permission: str, findings: list[GroupFinding]) -> Check:
        if granting := [finding.name for finding in findings if finding.granted_by]:
            return Check("groups", True, f"granted by {', '.join(granting)}")
        every = await groups.of_tenant(self._db, tenant_id)
        able = [group.name for group, _ in every if Rights(group.permissions).allows(permission)]
        member_of = ", ".join(finding.name for finding in findings) or "no group"
        return Check(
            "groups",
            False,
            f"a member of {member_of}: nothing there grants it",
            f"put the user into {' or '.join(able)}, or add {permission} to one of the user's groups",
        )

    async def _platform(self, tenant_id: UUID, user_id: UUID, permission: str) -> list[Check]:
        """What the other surface (`/auth/me/access`) says of the same key: granted in the company, owned by it."""
        company = await memberships.find_company(self._db, tenant_id, user_id)
        grants = await memberships.grants_of(self._db, tenant_id, user_id)
        try:
            owned = await self._entitlements.owned(tenant_id)
        except EntitlementsUnavailable:
            return [Check("entitlement", False, "what the company owns cannot be told now", decides=False)]
        role = company.role if company and company.is_active else None
        return list(_platform_checks(permission, role, grants, owned))


def _platform_checks(permission: str, role: str | None, grants: Grants | None, owned: Owned) -> Iterator[Check]:
    if role is None or grants is None:
        yield Check("grants", False, "no active membership of the company", decides=False)
    elif role in {"OWNER", "ADMIN"}:
        yield Check("grants", True, f"as {role} of the company: whatever it owns", decides=False)
    else:
        granted = permission in grants.permissions
        reason = f"as {role} of the company: {'granted' if granted else 'not granted'} by name"
        yield Check("grants", granted, reason, decides=False)
    has = permission in owned.permissions
    yield Check("entitlement", has, f"the company's plan {'has' if has else 'does not name'} it", decides=False)


def _finding(group: Group, permission: str, *, owner: bool) -> GroupFinding:
    by_ownership = owner and group.built_in and group.name == groups.ADMIN
    return GroupFinding(group.id, group.name, by_ownership, Rights(group.permissions).granting(permission))


def _account(user: User) -> Check:
    if user.approval_status != ApprovalStatus.APPROVED:
        state = user.approval_status.lower()
        return Check("account", False, f"the registration is {state}", "platform staff approve the registration")
    if not user.is_active:
        return Check("account", False, "the account is deactivated", "platform staff activate the account")
    return Check("account", True, "active and approved")


def _tenant(tenant: Tenant) -> Check:
    if tenant.is_active:
        return Check("tenant", True, "active")
    return Check("tenant", False, "the tenant is closed", "an operator opens the tenant")


def _membership(member: TenantMember) -> Check:
    if member.is_active:
        return Check("membership", True, "an active member of the tenant")
    return Check("membership", False, "the membership of the tenant has ended", "activate the user in the tenant")
