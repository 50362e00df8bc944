"""The people of a company and of a business unit, page by page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from identry.core.db import Executor
from identry.records.memberships import (
    BUSINESS_UNIT_COLUMNS,
    COMPANY_COLUMNS,
    BusinessUnitMembership,
    CompanyMembership,
)
from identry.records.users import COLUMNS, SEARCHED, User, containing

_WIDTH = len(User.__struct_fields__)


def _prefixed(alias: str, columns: str) -> str:
    return ", ".join(f"{alias}.{name}" for name in columns.split(", "))


_SELECT = f"SELECT {_prefixed('u', COLUMNS)}, {_prefixed('m', COMPANY_COLUMNS)}"
_FOUND = f"($2::text IS NULL OR {SEARCHED} ILIKE $2)"
_OF_COMPANY = f"""
    FROM company_memberships m JOIN users u ON u.id = m.user_id
    WHERE m.company_id = $1 AND {_FOUND}
"""
# A business-unit membership counts only under an active membership of the company.
_OF_UNIT = f"""
    FROM business_unit_memberships b
    JOIN company_memberships m ON m.company_id = b.company_id AND m.user_id = b.user_id
    JOIN users u ON u.id = b.user_id
    WHERE b.company_id = $1 AND {_FOUND}
      AND b.business_unit_id = $3 AND b.is_active AND m.is_active
"""
_ORDER = " ORDER BY u.full_name, u.id"


@dataclass(frozen=True, slots=True)
class Member:
    """A person with the memberships of one company."""

    user: User
    company: CompanyMembership
    units: list[BusinessUnitMembership]


async def company_page(
    db: Executor, company_id: UUID, search: str | None, limit: int, offset: int
) -> tuple[list[Member], int]:
    """One page of everybody with a membership of the company, active or not, and how many there are."""
    pattern = containing(search) if search else None
    total: int = await db.fetchval(f"SELECT count(*) {_OF_COMPANY}", company_id, pattern)
    if offset >= total:
        return [], total
    rows = await db.fetch(f"{_SELECT} {_OF_COMPANY} {_ORDER} LIMIT $3 OFFSET $4", company_id, pattern, limit, offset)
    return await _members(db, company_id, rows, None), total


async def unit_page(
    db: Executor, company_id: UUID, unit_id: UUID, search: str | None, limit: int, offset: int
) -> tuple[list[Member], int]:
    """One page of everybody with an active membership of the business unit, and how many there are."""
    pattern = containing(search) if search else None
    total: int = await db.fetchval(f"SELECT count(*) {_OF_UNIT}", company_id, pattern, unit_id)
    if offset >= total:
        return [], total
    sql = f"{_SELECT} {_OF_UNIT} {_ORDER} LIMIT $4 OFFSET $5"
    rows = await db.fetch(sql, company_id, pattern, unit_id, limit, offset)
    return await _members(db, company_id, rows, unit_id), total


async def _members(db: Executor, company_id: UUID, rows: list[Any], unit_id: UUID | None) -> list[Member]:
    """The rows as people, each with the memberships of the company's business units (or of the one named)."""
    people = [(User(*row[:_WIDTH]), CompanyMembership(*row[_WIDTH:])) for row in map(tuple, rows)]
    sql = f"""
        SELECT {BUSINESS_UNIT_COLUMNS} FROM business_unit_memberships
        WHERE company_id = $1 AND user_id = ANY($2) AND ($3::uuid IS NULL OR business_unit_id = $3)
        ORDER BY business_unit_id
    """  # noqa: S608 - constant columns
    found = await db.fetch(sql, company_id, [user.id for user, _ in people], unit_id)
    units: dict[UUID, list[BusinessUnitMembership]] = {}
    for unit in (BusinessUnitMembership(*row) for row in found):
        units.setdefault(unit.user_id, []).append(unit)
    return [Member(user, company, units.get(user.id, [])) for user, company in people]
