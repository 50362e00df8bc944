"""What a decision is made from: who asks, about whom, wanting what. Plain values; nothing here reads anything."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from identry.records.memberships import BUSINESS_UNIT_RANKS, COMPANY_RANKS, rank
from identry.records.users import GlobalRole

GLOBAL_RANKS = {
    GlobalRole.PLATFORM_SUPERADMIN: 3,
    GlobalRole.PLATFORM_ADMIN: 2,
    GlobalRole.PLATFORM_MODERATOR: 1,
    GlobalRole.NONE: 0,
}
PLATFORM_AUTHORITY = 9
"""Where platform staff who may write memberships stand on the ladder of a company: above every role in it."""


def global_rank(role: str | None) -> int:
    """The rank of a `globalRole`; an unknown one has none."""
    return GLOBAL_RANKS.get(role or "", 0)  # type: ignore[call-overload, no-any-return]  # StrEnum keys equal their text


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks, as the database tells it now.

    Attributes:
        id: the caller.
        global_role: the caller's `globalRole`.
        company_role: role in the company in question, only while that membership is active.
        unit_role: role in the business unit in question, only while it and the company membership are active.
    """

    id: UUID
    global_role: str
    company_role: str | None = None
    unit_role: str | None = None

    @property
    def company_authority(self) -> int:
        """How high the caller stands in the company: staff above all, else the rank of the role."""
        if self.global_role in {GlobalRole.PLATFORM_SUPERADMIN, GlobalRole.PLATFORM_ADMIN}:
            return PLATFORM_AUTHORITY
        return rank(self.company_role, COMPANY_RANKS)

    @property
    def unit_authority(self) -> int:
        """How high the caller stands in the business unit: administrators of the company count there as well."""
        return max(administrative(self.company_authority), rank(self.unit_role, BUSINESS_UNIT_RANKS))


@dataclass(frozen=True, slots=True)
class Target:
    """About whom. Roles are the stored ones, whether the membership is active or not.

    Attributes:
        id: the account.
        global_role, approval_status: of the account.
        company_role, unit_role: in the company and business unit in question.
        active_member: whether the membership of that company is active.
        active_in_unit: whether the membership of that business unit is active.
        elsewhere: whether the account belongs to any other company.
    """

    id: UUID
    global_role: str
    approval_status: str
    company_role: str | None = None
    unit_role: str | None = None
    active_member: bool = False
    active_in_unit: bool = False
    elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class Grants:
    """What a membership was granted, what it may hand on, or what a company owns: modules and permissions."""

    modules: frozenset[str] = frozenset()
    permissions: frozenset[str] = frozenset()

    def within(self, other: Grants) -> bool:
        """Whether all of this is also in `other`."""
        return self.modules <= other.modules and self.permissions <= other.permissions

    def union(self, other: Grants) -> Grants:
        """Everything in either."""
        return Grants(self.modules | other.modules, self.permissions | other.permissions)

    def without(self, other: Grants) -> Grants:
        """What is not in `other`."""
        return Grants(self.modules - other.modules, self.permissions - other.permissions)


@dataclass(frozen=True, slots=True)
class Delegated:
    """What the caller's own membership may hand on to others."""

    can_manage_users: bool = False
    can_buy_addons: bool = False
    grantable: Grants = Grants()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for; a part that the request does not touch keeps its default.

    Attributes:
        fields: names of the account's fields that a PATCH carries, as on the wire.
        global_role, approval_status, is_active: the values asked for.
        role: the membership role asked for.
        granted: modules and permissions that the target would hold or could hand on.
        taken: those that it holds or could hand on and would lose.
        touches_addons: whether the right to buy add-ons is given or taken.
        owned: what the company owns; None: nothing bounds it.
        delegated: what the caller may hand on.
    """

    fields: frozenset[str] = frozenset()
    global_role: str | None = None
    approval_status: str | None = None
    is_active: bool | None = None
    role: str | None = None
    granted: Grants = Grants()
    taken: Grants = Grants()
    touches_addons: bool = False
    owned: Grants | None = None
    delegated: Delegated = Delegated()


@dataclass(frozen=True, slots=True)
class Situation:
    """One question for the matrix. `target` None: nobody in particular, or an account still to be made."""

    actor: Actor
    target: Target | None = None
    wanted: Wanted = field(default_factory=Wanted)


def administrative(company_rank: int) -> int:
    """The rank, or 0 when it carries no administrative right (below MANAGER)."""
    return company_rank if company_rank >= COMPANY_RANKS["MANAGER"] else 0
