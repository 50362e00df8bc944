"""What must hold of every decision, whatever the matrix says: nobody climbs, nobody reaches above."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from identry.authority import (
    MATRIX,
    Actor,
    Column,
    Delegated,
    Grants,
    Situation,
    Target,
    Wanted,
    columns_of,
    refusal,
    update_refusal,
)

GLOBAL = ["NONE", "PLATFORM_MODERATOR", "PLATFORM_ADMIN", "PLATFORM_SUPERADMIN"]
COMPANY = [None, "AUDITOR", "VIEWER", "MEMBER", "MANAGER", "ADMIN", "OWNER"]
UNIT = [None, "AUDITOR", "VIEWER", "MEMBER", "MANAGER", "ADMIN"]
ADMINISTRATIVE = ["MANAGER", "ADMIN", "OWNER"]
FIELDS = [
    "email", "password", "fullName", "globalRole", "isActive", "approvalStatus", "phoneNumber", "profilePictureUrl",
    "authProvider",
]  # fmt: skip
WRITES = ["company_memberships.put", "unit_memberships.put", "grants.put"]

ME, SOMEBODY = UUID(int=1), UUID(int=2)
some = st.sets(st.sampled_from(["crm", "hr", "finance"])).map(frozenset)
grants = st.builds(Grants, modules=some, permissions=some)
actors = st.builds(
    Actor,
    id=st.just(ME),
    global_role=st.sampled_from(GLOBAL),
    company_role=st.sampled_from(COMPANY),
    unit_role=st.sampled_from(UNIT),
)
targets = st.builds(
    Target,
    id=st.sampled_from([ME, SOMEBODY]),
    global_role=st.sampled_from(GLOBAL),
    approval_status=st.sampled_from(["PENDING", "APPROVED", "REJECTED"]),
    company_role=st.sampled_from(COMPANY),
    unit_role=st.sampled_from(UNIT),
    active_member=st.booleans(),
    active_in_unit=st.booleans(),
    elsewhere=st.booleans(),
)
wishes = st.builds(
    Wanted,
    fields=st.sets(st.sampled_from(FIELDS), min_size=1).map(frozenset),
    global_role=st.sampled_from([None, *GLOBAL]),
    approval_status=st.sampled_from([None, "PENDING", "APPROVED", "REJECTED"]),
    is_active=st.sampled_from([None, True, False]),
    role=st.sampled_from(COMPANY[1:]),
    granted=grants,
    taken=grants,
    touches_addons=st.booleans(),
    owned=st.none() | grants,
    delegated=st.builds(Delegated, st.booleans(), st.booleans(), grants),
)


def _consistent(s: Situation) -> Situation:
    """A caller who asks about oneself is one person, with the roles of that person."""
    target = s.target
    if target is None or target.id != ME:
        return s
    actor = replace(
        s.actor,
        global_role=target.global_role,
        company_role=target.company_role if target.active_member else None,
        unit_role=target.unit_role if target.active_member and target.active_in_unit else None,
    )
    return replace(s, actor=actor)


situations = st.builds(Situation, actors, targets, wishes).map(_consistent)
Property = Callable[[Situation, str], None]
PROPERTIES: list[Property] = []


def holds(check: Property) -> Property:
    """Note a property; each is asked of every situation, with a row of the matrix beside it."""
    PROPERTIES.append(check)
    return check


def height(ladder: list[str | None], role: str | None) -> int:
    return ladder.index(role)


def is_top_staff(actor: Actor) -> bool:
    return actor.global_role in {"PLATFORM_ADMIN", "PLATFORM_SUPERADMIN"}


@holds
def nobody_gives_a_global_role_above_their_own(s: Situation, row: str) -> None:
    for allowed in (
        refusal("users.create", replace(s, target=None)) is None,
        update_refusal(replace(s, wanted=replace(s.wanted, fields=s.wanted.fields | {"globalRole"}))) is None,
    ):
        if allowed and s.wanted.global_role is not None:
            assert GLOBAL.index(s.wanted.global_role) <= GLOBAL.index(s.actor.global_role)


@holds
def nobody_changes_an_account_of_higher_global_role(s: Situation, row: str) -> None:
    assert s.target is not None
    if GLOBAL.index(s.target.global_role) > GLOBAL.index(s.actor.global_role):
        assert update_refusal(s) is not None
        assert refusal("users.delete", s) is not None


@holds
def only_top_staff_touch_credentials_roles_and_state(s: Situation, row: str) -> None:
    if update_refusal(s) is None and not is_top_staff(s.actor):
        assert s.wanted.fields <= {"approvalStatus", "isActive", "fullName", "phoneNumber", "profilePictureUrl"}
        if "isActive" in s.wanted.fields:
            assert s.target is not None
            assert s.wanted.is_active is True
            assert (s.target.approval_status, s.wanted.approval_status) == ("PENDING", "APPROVED")


@holds
def an_allowed_change_is_allowed_in_every_part(s: Situation, row: str) -> None:
    if update_refusal(s) is None:
        for name in s.wanted.fields - {"isActive"}:
            assert update_refusal(replace(s, wanted=replace(s.wanted, fields=frozenset({name})))) is None


@holds
def nobody_deletes_their_own_account(s: Situation, row: str) -> None:
    if s.target is not None and s.target.id == ME:
        assert refusal("users.delete", s) is not None


@holds
def nobody_gives_a_company_role_above_their_own(s: Situation, row: str) -> None:
    if row not in ["company_memberships.put", "invitations"]:
        return
    if refusal(row, s) is None and not is_top_staff(s.actor):
        assert height(COMPANY, s.wanted.role) <= height(COMPANY, s.actor.company_role)


@holds
def nobody_reaches_a_member_who_ranks_above(s: Situation, row: str) -> None:
    if row not in WRITES:
        return
    assert s.target is not None
    if refusal(row, s) is None and not is_top_staff(s.actor) and s.target.company_role in ADMINISTRATIVE:
        assert height(COMPANY, s.target.company_role) <= height(COMPANY, s.actor.company_role)


@holds
def nobody_raises_their_own_role_in_a_company(s: Situation, row: str) -> None:
    s = replace(s, target=replace(s.target, id=ME)) if s.target else s
    s = _consistent(s)
    if refusal("company_memberships.put", s) is None and s.wanted.is_active is not False:
        assert s.target is not None
        assert s.target.active_member
        assert height(COMPANY, s.wanted.role) <= height(COMPANY, s.target.company_role)


@holds
def in_a_unit_nobody_gives_or_takes_more_than_they_are(s: Situation, row: str) -> None:
    assert s.target is not None
    if refusal("unit_memberships.put", s) is not None or is_top_staff(s.actor):
        return
    ceiling = max(
        UNIT.index(s.actor.unit_role),
        {"OWNER": 5, "ADMIN": 5, "MANAGER": 4}.get(s.actor.company_role or "", 0),
    )
    wanted = UNIT.index(s.wanted.role) if s.wanted.role in UNIT else 0
    if s.target.id == ME and s.wanted.role == s.target.unit_role:
        return
    assert wanted <= ceiling
    if s.actor.company_role not in {"OWNER", "ADMIN"}:
        assert wanted < ceiling


@holds
def grants_stay_within_what_the_caller_may_give(s: Situation, row: str) -> None:
    assert s.target is not None
    if refusal("grants.put", s) is not None:
        return
    assert s.target.id != ME
    if is_top_staff(s.actor):
        return
    if s.wanted.owned is not None:
        assert s.wanted.granted.within(s.wanted.owned)
    if s.actor.company_role == "MANAGER":
        assert s.wanted.delegated.can_manage_users
        assert s.wanted.granted.within(s.wanted.delegated.grantable)
        assert s.wanted.taken.within(s.wanted.delegated.grantable)
        assert s.wanted.delegated.can_buy_addons or not s.wanted.touches_addons


@holds
def who_stands_in_no_column_is_always_refused(s: Situation, row: str) -> None:
    nobody = replace(s.actor, global_role="NONE", company_role="MEMBER", unit_role="MEMBER")
    assert columns_of(nobody) == frozenset()
    assert refusal(row, replace(s, actor=nobody)) is not None


@holds
def a_role_more_never_takes_a_right_away(s: Situation, row: str) -> None:
    if s.target is not None and s.target.id == ME:
        return
    if refusal(row, s) is None:
        assert refusal(row, replace(s, actor=replace(s.actor, global_role="PLATFORM_SUPERADMIN"))) is None


rows = st.sampled_from(sorted(MATRIX))


@settings(max_examples=1000, deadline=None)
@given(situations, rows)
def test_every_property_holds(s: Situation, row: str) -> None:
    for check in PROPERTIES:
        check(s, row)


@pytest.mark.slow
@pytest.mark.timeout(600)
@settings(max_examples=10_000, deadline=None)
@given(situations, rows)
def test_every_property_holds_of_many_situations(s: Situation, row: str) -> None:
    for check in PROPERTIES:
        check(s, row)


def test_every_cell_belongs_to_a_column_and_says_when_it_allows() -> None:
    for name, row in MATRIX.items():
        assert row.route
        assert row.cells, name
        for column, rule in row.cells.items():
            assert isinstance(column, Column)
            assert rule.name
            assert rule.text
