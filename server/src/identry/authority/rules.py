"""The cells of the matrix: each a rule with the contract's words and a pure predicate over a `Situation`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from identry.authority.situation import Situation
from identry.records.memberships import BUSINESS_UNIT_RANKS, COMPANY_RANKS, rank
from identry.records.users import ApprovalStatus, GlobalRole

STAFF_ROLES = frozenset({GlobalRole.PLATFORM_SUPERADMIN, GlobalRole.PLATFORM_ADMIN})
GIVEN_BY_ADMINS = frozenset({GlobalRole.NONE, GlobalRole.PLATFORM_MODERATOR})


@dataclass(frozen=True, slots=True)
class Rule:
    """One cell.

    Attributes:
        name: a short name, for the reference and the tests.
        text: completes "allowed when …"; shown to a caller whom it refuses.
        allows: the predicate.
    """

    name: str
    text: str
    allows: Callable[[Situation], bool]


def _target_is_below_admins(s: Situation) -> bool:
    return s.target is not None and s.target.global_role not in STAFF_ROLES


def _gives_what_admins_give(s: Situation) -> bool:
    return s.wanted.global_role is None or s.wanted.global_role in GIVEN_BY_ADMINS


def _only_moderates(s: Situation) -> bool:
    """`isActive` may ride along only as `true`, and only with the approval of a pending registration."""
    if s.target is None or not s.wanted.fields <= {"approvalStatus", "isActive"}:
        return False
    if "isActive" not in s.wanted.fields:
        return True
    return (
        s.wanted.is_active is True
        and s.wanted.approval_status == ApprovalStatus.APPROVED
        and s.target.approval_status == ApprovalStatus.PENDING
    )


def _is_member(s: Situation) -> bool:
    return s.target is not None and s.target.active_member


def _is_own_member_only(s: Situation) -> bool:
    return _is_member(s) and s.target is not None and s.target.global_role == GlobalRole.NONE and not s.target.elsewhere


def _is_not_self(s: Situation) -> bool:
    return s.target is not None and s.target.id != s.actor.id


def _is_below_owner(s: Situation) -> bool:
    target_rank = rank(s.target.company_role) if s.target else 0
    return max(rank(s.wanted.role), target_rank) < COMPANY_RANKS["OWNER"]


def _unit_ranks_are_below(s: Situation, ceiling: int) -> bool:
    current = rank(s.target.unit_role, BUSINESS_UNIT_RANKS) if s.target else 0
    return max(rank(s.wanted.role, BUSINESS_UNIT_RANKS), current) < ceiling


def _invites_below_manager(s: Situation) -> bool:
    return rank(s.wanted.role) < COMPANY_RANKS["MANAGER"]


def _grants_what_is_owned(s: Situation) -> bool:
    return s.wanted.owned is None or s.wanted.granted.within(s.wanted.owned)


def _grants_what_was_delegated(s: Situation) -> bool:
    delegated = s.wanted.delegated
    return (
        delegated.can_manage_users
        and s.wanted.granted.union(s.wanted.taken).within(delegated.grantable)
        and (delegated.can_buy_addons or not s.wanted.touches_addons)
        and _grants_what_is_owned(s)
        and s.target is not None
        and rank(s.target.company_role) < COMPANY_RANKS["MANAGER"]
    )


YES = Rule("yes", "your role is one of those that may", lambda _: True)
NONE_OR_MODERATOR = Rule("none-or-moderator", "globalRole is NONE or PLATFORM_MODERATOR", _gives_what_admins_give)
BELOW_ADMINS = Rule(
    "below-admins",
    "the account is neither PLATFORM_SUPERADMIN nor PLATFORM_ADMIN, and globalRole becomes NONE or PLATFORM_MODERATOR",
    lambda s: _target_is_below_admins(s) and _gives_what_admins_give(s),
)
MODERATION = Rule(
    "moderation",
    "only approvalStatus changes (isActive may be true together with the approval of a pending registration)",
    _only_moderates,
)
SHARED_COMPANY = Rule("shared-company", "the account is an active member of your company", _is_member)
OWN_MEMBER_ONLY = Rule(
    "own-member-only",
    "the account is an active member of your company, of no other company, and has globalRole NONE",
    _is_own_member_only,
)
NOT_SELF = Rule("not-self", "the account is not your own", _is_not_self)
NOT_SELF_BELOW_ADMINS = Rule(
    "not-self-below-admins",
    "the account is not your own, and neither PLATFORM_SUPERADMIN nor PLATFORM_ADMIN",
    lambda s: _is_not_self(s) and _target_is_below_admins(s),
)
BELOW_OWNER = Rule("below-owner", "both the role and the member rank below OWNER", _is_below_owner)
UNIT_BELOW_MANAGER = Rule(
    "unit-below-manager",
    "both the role and the member rank below MANAGER in the business unit",
    lambda s: _unit_ranks_are_below(s, BUSINESS_UNIT_RANKS["MANAGER"]),
)
UNIT_BELOW_OWN = Rule(
    "unit-below-own",
    "both the role and the member rank below your own role in the business unit",
    lambda s: _unit_ranks_are_below(s, rank(s.actor.unit_role, BUSINESS_UNIT_RANKS)),
)
INVITE_BELOW_MANAGER = Rule("invite-below-manager", "the role ranks below MANAGER", _invites_below_manager)
INVITE_BELOW_OWNER = Rule("invite-below-owner", "the role ranks below OWNER", _is_below_owner)
WITHIN_OWNED = Rule("within-owned", "everything granted is owned by the company", _grants_what_is_owned)
WITHIN_GRANTABLE = Rule(
    "within-grantable",
    "user management was delegated to you, the member ranks below MANAGER, and everything granted or taken away is "
    "among what you may grant",
    _grants_what_was_delegated,
)
