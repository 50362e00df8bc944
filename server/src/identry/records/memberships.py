"""Memberships: which role a user holds in a company and in its business units, and what was granted there.

Invariants: one row for each (company, user) and (company, business unit, user); every change of a company membership
raises its `access_version` in the same statement, so a cached access decision can be told from a current one.
Companies and business units are only UUIDs here (first seed §6: Finance owns their master data).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from identry.core.db import Executor

COMPANY_RANKS = {"OWNER": 5, "ADMIN": 4, "MANAGER": 3, "MEMBER": 2, "VIEWER": 1}
BUSINESS_UNIT_RANKS = {"ADMIN": 4, "MANAGER": 3, "MEMBER": 2, "VIEWER": 1}


def rank(role: str | None, ranks: dict[str, int] = COMPANY_RANKS) -> int:
    """The rank of a role; a custom role and no role have none (0), hence no administrative right."""
    return ranks.get(role or "", 0)


@dataclass(frozen=True, slots=True)
class CompanyMembership:
    """A row of `company_memberships` without its grants; the field order is that of `COMPANY_COLUMNS`."""

    id: UUID
    user_id: UUID
    company_id: UUID
    role: str
    is_active: bool
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class BusinessUnitMembership:
    """A row of `business_unit_memberships`; the field order is that of `BUSINESS_UNIT_COLUMNS`."""

    id: UUID
    user_id: UUID
    company_id: UUID
    business_unit_id: UUID
    role: str
    is_active: bool
    created_at: datetime
    updated_at: datetime


COMPANY_COLUMNS = "id, user_id, company_id, role, is_active, created_at, updated_at"
BUSINESS_UNIT_COLUMNS = "id, user_id, company_id, business_unit_id, role, is_active, created_at, updated_at"


async def find_company(db: Executor, company_id: UUID, user_id: UUID) -> CompanyMembership | None:
    """A user's membership of a company, active or not, or None."""
    sql = f"SELECT {COMPANY_COLUMNS} FROM company_memberships WHERE company_id = $1 AND user_id = $2"  # noqa: S608
    row = await db.fetchrow(sql, company_id, user_id)
    return CompanyMembership(*row) if row else None


async def companies_of(db: Executor, user_id: UUID) -> list[CompanyMembership]:
    """Every company membership of a user, active or not."""
    sql = f"SELECT {COMPANY_COLUMNS} FROM company_memberships WHERE user_id = $1 ORDER BY company_id"  # noqa: S608
    return [CompanyMembership(*row) for row in await db.fetch(sql, user_id)]


async def business_units_of(db: Executor, user_id: UUID) -> list[BusinessUnitMembership]:
    """Every business-unit membership of a user, active or not."""
    sql = f"""
        SELECT {BUSINESS_UNIT_COLUMNS} FROM business_unit_memberships
        WHERE user_id = $1 ORDER BY company_id, business_unit_id
    """  # noqa: S608 - constant columns
    return [BusinessUnitMembership(*row) for row in await db.fetch(sql, user_id)]


async def put_company(
    tx: Executor, membership_id: UUID, company_id: UUID, user_id: UUID, role: str, *, is_active: bool, now: datetime
) -> tuple[CompanyMembership, bool]:
    """Create or change a membership; returns it and whether it is new. `membership_id` is used when it is new."""
    sql = f"""
        INSERT INTO company_memberships (id, user_id, company_id, role, is_active, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $6)
        ON CONFLICT (company_id, user_id) DO UPDATE
        SET role = EXCLUDED.role, is_active = EXCLUDED.is_active, updated_at = EXCLUDED.updated_at,
            access_version = company_memberships.access_version + 1
        RETURNING {COMPANY_COLUMNS}
    """  # noqa: S608 - constant columns
    row = await tx.fetchrow(sql, membership_id, user_id, company_id, role, is_active, now)
    assert row is not None
    membership = CompanyMembership(*row)
    return membership, membership.id == membership_id


async def put_business_unit(
    tx: Executor,
    membership_id: UUID,
    company_id: UUID,
    business_unit_id: UUID,
    user_id: UUID,
    role: str,
    *,
    is_active: bool,
    now: datetime,
) -> tuple[BusinessUnitMembership, bool]:
    """Create or change a business-unit membership; returns it and whether it is new."""
    sql = f"""
        INSERT INTO business_unit_memberships
            (id, user_id, company_id, business_unit_id, role, is_active, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $7)
        ON CONFLICT (company_id, business_unit_id, user_id) DO UPDATE
        SET role = EXCLUDED.role, is_active = EXCLUDED.is_active, updated_at = EXCLUDED.updated_at
        RETURNING {BUSINESS_UNIT_COLUMNS}
    """  # noqa: S608 - constant columns
    row = await tx.fetchrow(sql, membership_id, user_id, company_id, business_unit_id, role, is_active, now)
    assert row is not None
    membership = BusinessUnitMembership(*row)
    return membership, membership.id == membership_id


async def lock_active_owners(tx: Executor, company_id: UUID) -> list[UUID]:
    """The user ids of a company's active OWNERs (with an account that may act); their rows stay locked."""
    rows = await tx.fetch(
        """
        SELECT m.user_id FROM company_memberships m JOIN users u ON u.id = m.user_id
        WHERE m.company_id = $1 AND m.role = 'OWNER' AND m.is_active AND u.is_active
          AND u.approval_status = 'APPROVED'
        ORDER BY m.user_id FOR UPDATE OF m
        """,
        company_id,
    )
    return [row["user_id"] for row in rows]
