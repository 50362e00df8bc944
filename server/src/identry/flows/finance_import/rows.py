"""Finance's rows as typed values; a row that cannot be one says why, once, and goes no further."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from identry.core.passwords import is_known_hash
from identry.flows.finance_import.report import Problem
from identry.flows.finance_import.source import Batch, Row
from identry.records.memberships import BUSINESS_UNIT_RANKS, COMPANY_RANKS, rank
from identry.records.users import ApprovalStatus, AuthProvider
from identry.web import validation

_ROLE = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_LONGEST_NAME = 200


class InvalidRow(Exception):
    """What is wrong with a row, in a few words."""


@dataclass(frozen=True, slots=True)
class Membership:
    """A membership of Finance; `unit_id` None: of a company. `updated_at` None: Finance does not say."""

    id: UUID | None
    company_id: UUID
    unit_id: UUID | None
    role: str
    is_active: bool
    created_at: datetime | None
    updated_at: datetime | None

    @property
    def key(self) -> tuple[UUID, UUID | None]:
        """What there is one of for each user."""
        return self.company_id, self.unit_id


@dataclass(frozen=True, slots=True)
class Person:
    """A user of Finance with its memberships; `password_hash` None: it has none that could be used."""

    id: UUID
    email: str
    password_hash: str | None
    full_name: str
    phone_number: str | None
    profile_picture_url: str | None
    auth_provider: str
    approval_status: str
    is_active: bool
    legacy_id: str | None
    created_at: datetime | None
    updated_at: datetime | None
    companies: tuple[Membership, ...]
    units: tuple[Membership, ...]


def people(batch: Batch, problems: list[Problem]) -> tuple[list[Person], int, int]:
    """The valid users of a batch, and how many memberships (of companies, of units) were left out with a problem.

    Every row that is left out adds to `problems`, a user's memberships with the user.
    """
    found, lost_companies, lost_units = [], 0, 0
    for table, row in batch.orphans:
        problems.append(Problem("invalid", table, shown(row["id"]), f"no user {shown(row['userId'])}"))
        lost_companies += table == "CompanyMembership"
        lost_units += table != "CompanyMembership"
    for row in batch.users:
        companies, units = batch.companies.get(row["id"], []), batch.units.get(row["id"], [])
        of_companies = _memberships("CompanyMembership", companies, problems)
        of_units = _memberships("BusinessUnitMembership", units, problems)
        try:
            found.append(_person(row, of_companies, of_units))
        except InvalidRow as fault:
            problems.append(Problem("invalid", "User", shown(row["id"]), str(fault)))
            lost_companies += len(companies)
            lost_units += len(units)
        else:
            lost_companies += len(companies) - len(of_companies)
            lost_units += len(units) - len(of_units)
    return found, lost_companies, lost_units


def shown(value: object) -> str:
    """A foreign value in a line for a person: printable ASCII, not too long."""
    text = ascii(value) if not isinstance(value, str) else ascii(value)[1:-1]
    return text if len(text) <= 80 else text[:77] + "..."


def _person(row: Row, companies: list[Membership], units: list[Membership]) -> Person:
    user_id, email = _uuid(row, "id"), _email(row["email"])
    provider = _choice(row, "authProvider", AuthProvider, str.lower, AuthProvider.PASSWORD)
    return Person(
        id=user_id,
        email=email,
        password_hash=_password_hash(row["password"]),
        full_name=_full_name(row["fullName"]) or email.partition("@")[0],
        phone_number=_profile(validation.phone, row["phoneNumber"], 32),
        profile_picture_url=_profile(validation.web_url, row["profilePictureUrl"], 2048),
        auth_provider=provider,
        approval_status=_choice(row, "approvalStatus", ApprovalStatus, str.upper, ApprovalStatus.APPROVED),
        is_active=row["isActive"] is not False,
        legacy_id=row["legacyId"] if row["legacyId"] and "\x00" not in row["legacyId"] else None,
        created_at=row["createdAt"],
        updated_at=row["updatedAt"],
        companies=tuple(_merged(companies, COMPANY_RANKS)),
        units=tuple(_merged(units, BUSINESS_UNIT_RANKS)),
    )


def _memberships(table: str, rows: list[Row], problems: list[Problem]) -> list[Membership]:
    found = []
    for row in rows:
        try:
            role = row["role"] or ""
            if not _ROLE.fullmatch(role):
                raise InvalidRow(f"unknown form of role: {shown(role)}")
            unit_id = _uuid(row, "businessUnitId") if "businessUnitId" in row else None
            found.append(
                Membership(
                    _optional_uuid(row["id"]),
                    _uuid(row, "companyId"),
                    unit_id,
                    role,
                    row["isActive"] is not False,
                    row["createdAt"],
                    row["updatedAt"],
                )
            )
        except InvalidRow as fault:
            problems.append(Problem("invalid", table, shown(row["id"]), str(fault)))
    return found


def _merged(memberships: Iterable[Membership], ranks: dict[str, int]) -> Iterable[Membership]:
    """One membership of each kind: of several the active one, of several active ones the highest."""
    best: dict[tuple[UUID, UUID | None], Membership] = {}
    for membership in memberships:
        rival = best.get(membership.key)
        if rival is None or _weight(membership, ranks) > _weight(rival, ranks):
            best[membership.key] = membership
    return best.values()


def _weight(membership: Membership, ranks: dict[str, int]) -> tuple[bool, int]:
    return membership.is_active, rank(membership.role, ranks)


def _uuid(row: Row, name: str) -> UUID:
    found = _optional_uuid(row[name])
    if found is None:
        raise InvalidRow(f"{name} is no UUID: {shown(row[name])}")
    return found


def _optional_uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text and len(text) == 36 else None
    except ValueError:
        return None


def _email(text: str | None) -> str:
    if not text or len(text) > 254:
        raise InvalidRow(f"email is missing or too long: {shown(text)}")
    try:
        return validation.email(text)
    except ValueError:
        raise InvalidRow(f"email is not a valid address: {shown(text)}") from None


def _password_hash(text: str | None) -> str | None:
    """The hash as it is; None for none, and for what is no hash we read (a plain password is not carried over)."""
    return text if text and is_known_hash(text) else None


def _full_name(text: str | None) -> str:
    """The name on one line, cut where ours end; empty when there is none."""
    return " ".join("".join(c if c.isprintable() else " " for c in text or "").split())[:_LONGEST_NAME].strip()


def _profile(check: Any, text: str | None, longest: int) -> str | None:
    """An optional value of the profile; one that is not acceptable is dropped, it is no reason to lose an account."""
    try:
        found: str | None = check(text) if text and len(text) <= longest else None
    except ValueError:
        return None
    return found


def _choice(row: Row, name: str, choices: Any, fold: Any, default: str) -> str:
    text = row[name]
    if not text:
        return str(default)
    try:
        return str(choices(fold(text)))
    except ValueError:
        raise InvalidRow(f"unknown {name}: {shown(text)}") from None
