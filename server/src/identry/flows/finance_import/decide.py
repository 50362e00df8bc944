"""What an import does with each account: compared with what is here, nothing read, nothing written.

An account that is here already follows Finance's newer row (`updatedAt`) in its profile, address, password and
memberships, but what was closed or changed here stays: see the room's door plate.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from identry.core.passwords import is_placeholder
from identry.flows.finance_import.report import Problem
from identry.flows.finance_import.rows import Membership, Person
from identry.records.memberships import BusinessUnitMembership, CompanyMembership
from identry.records.users import AuthProvider, GlobalRole, User

_PROFILE = ("full_name", "phone_number", "profile_picture_url")
_CREDENTIALS = {"email", "password_hash", "is_active"}

EMAIL_CHANGED_HERE = frozenset({"user.email_changed"})
PASSWORD_CHANGED_HERE = frozenset({"user.password_changed", "auth.password_reset.completed"})
"""Audit events of people and machines (not of imports) after which Finance's value is no longer the newer one."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is here, as far as a batch is concerned.

    Attributes:
        by_id, by_email: accounts.
        companies, units: memberships of them, by (user, company[, unit]).
        changed_here: (account, audit event) of addresses and passwords changed by others than imports.
        in_finance: those accounts here, holding an address that another one brings, whose id Finance has as well.
    """

    by_id: Mapping[UUID, User]
    by_email: Mapping[str, User]
    companies: Mapping[tuple[UUID, UUID], CompanyMembership]
    units: Mapping[tuple[UUID, UUID, UUID], BusinessUnitMembership]
    changed_here: Collection[tuple[UUID, str]] = frozenset()
    in_finance: Collection[UUID] = frozenset()


@dataclass(frozen=True, slots=True)
class Update:
    """A change of an account; `ends_sessions`: its tokens and sessions end with it."""

    before: User
    columns: dict[str, Any]
    ends_sessions: bool
    at: datetime


@dataclass(slots=True)
class Changes:
    """Everything that a batch writes."""

    removals: list[User] = field(default_factory=list)
    inserts: list[User] = field(default_factory=list)
    updates: list[Update] = field(default_factory=list)
    new_companies: list[CompanyMembership] = field(default_factory=list)
    new_units: list[BusinessUnitMembership] = field(default_factory=list)
    changed_companies: list[tuple[CompanyMembership, Membership]] = field(default_factory=list)
    changed_units: list[tuple[BusinessUnitMembership, Membership]] = field(default_factory=list)
    unchanged: int = 0
    unchanged_companies: int = 0
    unchanged_units: int = 0
    without_password: int = 0
    problems: list[tuple[Problem, Person]] = field(default_factory=list)
    deferred: list[Person] = field(default_factory=list)


class Decider:
    """Decides batch after batch; remembers whose address is whose in this run.

    Args:
        placeholder: the hash of accounts without a password.
        replace: whether an account here that only shares its address with one of Finance makes room for it.
        new_id: gives ids for memberships.
    """

    def __init__(self, placeholder: str, *, replace: bool, new_id: Callable[[], UUID]) -> None:
        self._placeholder = placeholder
        self._replace = replace
        self._new_id = new_id
        self._claimed: dict[str, UUID] = {}
        self._email_of: dict[UUID, str] = {}

    def decide(self, people: Iterable[Person], known: Known, now: datetime, *, last_try: bool) -> Changes:
        """What to write for these people.

        Args:
            people: of one batch.
            known: what is here.
            now: for rows whose times Finance does not tell.
            last_try: whether an address that is still taken is a conflict; else that person is deferred.
        """
        changes = Changes()
        seen: set[UUID] = set()
        for person in people:
            before = known.by_id.get(person.id)
            if person.id in seen:
                reason = "another row has the same id in other letters"
                changes.problems.append((Problem("invalid", "User", str(person.id), reason), person))
                continue
            seen.add(person.id)
            if self._claimed.get(person.email, person.id) != person.id:
                reason = f"{person.email} is also the address of Finance's user {self._claimed[person.email]}"
                changes.problems.append((Problem("conflict", "User", str(person.id), reason), person))
                continue
            if before is not None and not self._may_touch(person, before, known, now, changes):
                continue
            if not self._has_address(person, before, known, changes, last_try=last_try):
                continue
            self._take(person, before, known, now, changes)
        return changes

    def _may_touch(self, person: Person, before: User, known: Known, now: datetime, changes: Changes) -> bool:
        """False, with a problem, for an account with a platform role that Finance would change."""
        if before.global_role == GlobalRole.NONE or not _update(person, before, known, now):
            return True
        reason = f"{before.email} has the platform role {before.global_role}; an import does not change it"
        changes.problems.append((Problem("conflict", "User", str(person.id), reason), person))
        return False

    def _has_address(
        self, person: Person, before: User | None, known: Known, changes: Changes, *, last_try: bool
    ) -> bool:
        """Whether the person can have its address; if not, it is deferred or a conflict."""
        if before is not None and _keeps_email(person, before, known):
            return True
        holder = known.by_email.get(person.email)
        if holder is None or holder.id == person.id:
            return True
        if self._email_of.get(holder.id, person.email) != person.email:
            return True  # it has got another address earlier in this run
        if holder.id in known.in_finance and not last_try:
            changes.deferred.append(person)  # it may get another address later in this run
            return False
        if self._replace and holder.id not in known.in_finance and holder.global_role == GlobalRole.NONE:
            changes.removals.append(holder)
            return True
        reason = f"{person.email} belongs to account {holder.id}"
        if holder.global_role != GlobalRole.NONE:
            reason += f", which has the platform role {holder.global_role}"
        changes.problems.append((Problem("conflict", "User", str(person.id), reason), person))
        return False

    def _take(self, person: Person, before: User | None, known: Known, now: datetime, changes: Changes) -> None:
        email = person.email
        if before is None:
            user = self._new_user(person, now)
            changes.without_password += user.password_hash == self._placeholder
            changes.inserts.append(user)
        elif update := _update(person, before, known, now):
            email = update.columns.get("email", before.email)
            changes.updates.append(update)
        else:
            email = before.email
            changes.unchanged += 1
        self._claimed[email] = person.id
        self._email_of[person.id] = email
        self._take_memberships(person, known, now, changes)

    def _new_user(self, person: Person, now: datetime) -> User:
        by_password = person.auth_provider == AuthProvider.PASSWORD
        created_at = person.created_at or now
        return User(
            id=person.id,
            email=person.email,
            password_hash=(person.password_hash or self._placeholder) if by_password else None,
            full_name=person.full_name,
            global_role=GlobalRole.NONE,
            is_active=person.is_active,
            approval_status=person.approval_status,
            auth_provider=person.auth_provider,
            phone_number=person.phone_number,
            profile_picture_url=person.profile_picture_url,
            email_verified=False,
            mfa_enabled=False,
            token_version=1,
            legacy_ids=msgspec.json.encode({"finance": person.legacy_id} if person.legacy_id else {}).decode(),
            last_login_at=None,
            created_at=created_at,
            updated_at=person.updated_at or now,
        )

    def _take_memberships(self, person: Person, known: Known, now: datetime, changes: Changes) -> None:
        for m in person.companies:
            company = known.companies.get((person.id, m.company_id))
            if company is None:
                times = (m.created_at or now, m.updated_at or now)
                changes.new_companies.append(
                    CompanyMembership(m.id or self._new_id(), person.id, m.company_id, m.role, m.is_active, *times)
                )
            elif _differs(company, m):
                changes.changed_companies.append((company, m))
            else:
                changes.unchanged_companies += 1
        for m in person.units:
            assert m.unit_id is not None
            unit = known.units.get((person.id, m.company_id, m.unit_id))
            if unit is None:
                times = (m.created_at or now, m.updated_at or now)
                changes.new_units.append(
                    BusinessUnitMembership(
                        m.id or self._new_id(), person.id, m.company_id, m.unit_id, m.role, m.is_active, *times
                    )
                )
            elif _differs(unit, m):
                changes.changed_units.append((unit, m))
            else:
                changes.unchanged_units += 1


def _update(person: Person, before: User, known: Known, now: datetime) -> Update | None:
    """How Finance's newer row changes an account that is here, or None when it does not."""
    columns: dict[str, Any] = {}
    if _is_newer(person.updated_at, before.updated_at):
        columns = {name: value for name in _PROFILE if (value := getattr(person, name)) != getattr(before, name)}
        if not _keeps_email(person, before, known) and person.email != before.email:
            columns |= {"email": person.email, "email_verified": False}
        if before.is_active and not person.is_active:
            columns["is_active"] = False
    if person.password_hash and before.auth_provider == AuthProvider.PASSWORD:
        told = person.updated_at is not None and _is_newer(person.updated_at, before.updated_at)
        follows = told and not any((before.id, event) in known.changed_here for event in PASSWORD_CHANGED_HERE)
        if (follows or is_placeholder(before.password_hash)) and person.password_hash != before.password_hash:
            columns["password_hash"] = person.password_hash
    if not columns:
        return None
    return Update(
        before, columns, not _CREDENTIALS.isdisjoint(columns), max(person.updated_at or now, before.updated_at)
    )


def _keeps_email(person: Person, before: User, known: Known) -> bool:
    """Whether the account keeps the address that it has here, whatever Finance says."""
    if not _is_newer(person.updated_at, before.updated_at):
        return True
    return any((before.id, event) in known.changed_here for event in EMAIL_CHANGED_HERE)


def _differs(before: CompanyMembership | BusinessUnitMembership, m: Membership) -> bool:
    return (before.role, before.is_active) != (m.role, m.is_active) and _is_newer(m.updated_at, before.updated_at)


def _is_newer(theirs: datetime | None, ours: datetime) -> bool:
    """Whether Finance's row is the newer one; where Finance does not say, it is taken to be."""
    return theirs is None or theirs > ours
