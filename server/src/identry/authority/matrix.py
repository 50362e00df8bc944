"""Who may do what to whom, as data: contracts/platform-api.md §8, row by row and column by column.

A column that is absent from a row is the contract's "–". The guards hold whatever a cell says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from identry.authority import rules
from identry.authority.rules import Rule
from identry.authority.situation import Actor, Situation, administrative, global_rank
from identry.records.memberships import BUSINESS_UNIT_RANKS, rank
from identry.records.users import GlobalRole


class Column(Enum):
    """The kinds of caller; one caller can be of several."""

    SA = "PLATFORM_SUPERADMIN"
    AD = "PLATFORM_ADMIN"
    MO = "PLATFORM_MODERATOR"
    OWNER = "own OWNER"
    ADMIN = "own ADMIN"
    MANAGER = "own MANAGER"
    UNIT = "BU ADMIN/MANAGER of that BU"


PLATFORM = frozenset({Column.SA, Column.AD, Column.MO})
_GLOBAL = {
    GlobalRole.PLATFORM_SUPERADMIN: Column.SA,
    GlobalRole.PLATFORM_ADMIN: Column.AD,
    GlobalRole.PLATFORM_MODERATOR: Column.MO,
}
_COMPANY = {"OWNER": Column.OWNER, "ADMIN": Column.ADMIN, "MANAGER": Column.MANAGER}


def columns_of(actor: Actor) -> frozenset[Column]:
    """Every column that the caller stands in; empty for the contract's "others"."""
    found = {_GLOBAL.get(GlobalRole(actor.global_role)), _COMPANY.get(actor.company_role or "")}
    if actor.unit_role in {"ADMIN", "MANAGER"}:
        found.add(Column.UNIT)
    return frozenset(column for column in found if column is not None)


def _target_is_not_above(s: Situation) -> bool:
    return s.target is None or global_rank(s.target.global_role) <= global_rank(s.actor.global_role)


def _given_global_role_is_not_above(s: Situation) -> bool:
    return global_rank(s.wanted.global_role) <= global_rank(s.actor.global_role)


def _member_is_not_above(s: Situation) -> bool:
    return s.target is None or administrative(rank(s.target.company_role)) <= s.actor.company_authority


def _given_company_role_is_not_above(s: Situation) -> bool:
    return rank(s.wanted.role) <= s.actor.company_authority


def _given_unit_role_is_not_above(s: Situation) -> bool:
    return rank(s.wanted.role, BUSINESS_UNIT_RANKS) <= s.actor.unit_authority


def _own_company_role_is_not_raised(s: Situation) -> bool:
    """Kept, lowered on the ladder, or ended. A role without rank says nothing about its height: nobody takes one."""
    if s.target is None or s.target.id != s.actor.id or s.wanted.is_active is False:
        return True
    current = s.target.company_role if s.target.active_member else None
    return s.wanted.role == current or 0 < rank(s.wanted.role) < rank(current)


def _own_unit_role_is_not_raised(s: Situation) -> bool:
    """As for the company; an administrator of the company may step into a unit up to the height held there."""
    if s.target is None or s.target.id != s.actor.id or s.wanted.is_active is False:
        return True
    current = s.target.unit_role if s.target.active_in_unit else None
    ceiling = max(rank(current, BUSINESS_UNIT_RANKS) - 1, administrative(rank(s.actor.company_role)))
    return s.wanted.role == current or 0 < rank(s.wanted.role, BUSINESS_UNIT_RANKS) <= ceiling


def _is_not_about_self(s: Situation) -> bool:
    return s.target is None or s.target.id != s.actor.id


NOT_ABOVE = Rule("not-above", "the account does not rank above you", _target_is_not_above)
NO_HIGHER_GLOBAL_ROLE = Rule(
    "no-higher-global-role", "the globalRole given is not above your own", _given_global_role_is_not_above
)
MEMBER_NOT_ABOVE = Rule("member-not-above", "the member does not rank above you in the company", _member_is_not_above)
NO_HIGHER_COMPANY_ROLE = Rule(
    "no-higher-company-role", "the role given is not above your own", _given_company_role_is_not_above
)
NO_HIGHER_UNIT_ROLE = Rule("no-higher-unit-role", "the role given is not above your own", _given_unit_role_is_not_above)
NO_SELF_RAISE = Rule("no-self-raise", "you do not raise your own role", _own_company_role_is_not_raised)
NO_SELF_RAISE_IN_UNIT = Rule("no-self-raise-in-unit", "you do not raise your own role", _own_unit_role_is_not_raised)
NO_SELF_GRANT = Rule("no-self-grant", "the grants are not your own", _is_not_about_self)


@dataclass(frozen=True, slots=True)
class Row:
    """One row.

    Attributes:
        route: the contract's words.
        cells: who may, under which rule.
        guards: what must hold besides, for everybody.
    """

    route: str
    cells: Mapping[Column, Rule]
    guards: tuple[Rule, ...] = ()


def _row(route: str, guards: tuple[Rule, ...] = (), /, **cells: Rule) -> Row:
    return Row(route, {Column[name]: rule for name, rule in cells.items()}, guards)


YES = rules.YES
_ACCOUNT = (NOT_ABOVE, NO_HIGHER_GLOBAL_ROLE)

MATRIX: Mapping[str, Row] = {
    "users.list": _row("GET /internal/users", SA=YES, AD=YES, MO=YES),
    "users.read": _row(
        "GET /internal/users/{id}",
        SA=YES,
        AD=YES,
        MO=YES,
        OWNER=rules.SHARED_COMPANY,
        ADMIN=rules.SHARED_COMPANY,
        MANAGER=rules.SHARED_COMPANY,
    ),
    "users.create": _row("POST /internal/users", _ACCOUNT, SA=YES, AD=rules.NONE_OR_MODERATOR),
    "users.update": _row("PATCH any field", _ACCOUNT, SA=YES, AD=rules.BELOW_ADMINS),
    "users.update.approval": _row(
        "PATCH approvalStatus", _ACCOUNT, SA=rules.MODERATION, AD=rules.MODERATION, MO=rules.MODERATION
    ),
    "users.update.profile": _row(
        "PATCH fullName, phoneNumber, profilePictureUrl",
        (NOT_ABOVE, MEMBER_NOT_ABOVE),
        SA=YES,
        AD=YES,
        OWNER=rules.OWN_MEMBER_ONLY,
        ADMIN=rules.OWN_MEMBER_ONLY,
    ),
    "users.delete": _row("DELETE /internal/users/{id}", _ACCOUNT, SA=rules.NOT_SELF, AD=rules.NOT_SELF_BELOW_ADMINS),
    "company_users.list": _row("GET company users", SA=YES, AD=YES, MO=YES, OWNER=YES, ADMIN=YES, MANAGER=YES),
    "company_memberships.put": _row(
        "POST company membership",
        (MEMBER_NOT_ABOVE, NO_HIGHER_COMPANY_ROLE, NO_SELF_RAISE),
        SA=YES,
        AD=YES,
        OWNER=YES,
        ADMIN=rules.BELOW_OWNER,
    ),
    "unit_users.list": _row("GET BU users", SA=YES, AD=YES, MO=YES, OWNER=YES, ADMIN=YES, MANAGER=YES, UNIT=YES),
    "unit_memberships.put": _row(
        "POST BU membership",
        (MEMBER_NOT_ABOVE, NO_HIGHER_UNIT_ROLE, NO_SELF_RAISE_IN_UNIT),
        SA=YES,
        AD=YES,
        OWNER=YES,
        ADMIN=YES,
        MANAGER=rules.UNIT_BELOW_MANAGER,
        UNIT=rules.UNIT_BELOW_OWN,
    ),
    "grants.put": _row(
        "PUT grants",
        (MEMBER_NOT_ABOVE, NO_SELF_GRANT),
        SA=YES,
        AD=YES,
        OWNER=rules.WITHIN_OWNED,
        ADMIN=rules.WITHIN_OWNED,
        MANAGER=rules.WITHIN_GRANTABLE,
    ),
    "invitations": _row(
        "invitations",
        (NO_HIGHER_COMPANY_ROLE,),
        SA=YES,
        AD=YES,
        OWNER=YES,
        ADMIN=rules.INVITE_BELOW_OWNER,
        MANAGER=rules.INVITE_BELOW_MANAGER,
    ),
}

FIELD_ROWS: Mapping[str, str] = {
    "approvalStatus": "users.update.approval",
    "isActive": "users.update.approval",
    "fullName": "users.update.profile",
    "phoneNumber": "users.update.profile",
    "profilePictureUrl": "users.update.profile",
}
"""The fields of a PATCH that a row of their own opens to more callers than "any field" does."""
