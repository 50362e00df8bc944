"""Memberships: which role a user holds in a company and in its business units, and what was granted there.

Invariants: one row for each (company, user) and (company, business unit, user); every change of a company membership
raises its `access_version` in the same statement, so a cached access decision can be told from a current one.
Companies and business units are only UUIDs here (first seed §6: Finance owns their master data).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from identry.core.db import Executor, affected

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


@dataclass(frozen=True, slots=True)
class Roles:
    """What a user is in a company and in one of its business units; None: no membership there."""

    company: CompanyMembership | None
    unit: BusinessUnitMembership | None

    @property
    def company_role(self) -> str | None:
        """The company role that counts: only while the membership is active."""
        return self.company.role if self.company and self.company.is_active else None

    @property
    def unit_role(self) -> str | None:
        """The business-unit role that counts: only while it and the company membership are active."""
        return self.unit.role if self.unit and self.unit.is_active and self.company_role else None


@dataclass(frozen=True, slots=True)
class Grants:
    """What a company membership was granted and may hand on; the field order is that of `GRANT_COLUMNS`."""

    modules: list[str]
    permissions: list[str]
    can_manage_users: bool
    can_buy_addons: bool
    grantable_modules: list[str]
    grantable_permissions: list[str]
    access_version: int


GRANT_COLUMNS = (
    "modules, permissions, can_manage_users, can_buy_addons, grantable_modules, grantable_permissions, access_version"
)
COMPANY_COLUMNS = "id, user_id, company_id, role, is_active, created_at, updated_at"
BUSINESS_UNIT_COLUMNS = "id, user_id, company_id, business_unit_id, role, is_active, created_at, updated_at"


async def find_company(db: Executor, company_id: UUID, user_id: UUID) -> CompanyMembership | None:
    """A user's membership of a company, active or not, or None."""
    sql = f"SELECT {COMPANY_COLUMNS} FROM company_memberships WHERE company_id = $1 AND user_id = $2"  # noqa: S608
    row = await db.fetchrow(sql, company_id, user_id)
    return CompanyMembership(*row) if row else None


async def roles_in(db: Executor, user_id: UUID, company_id: UUID, business_unit_id: UUID | None = None) -> Roles:
    """What a user is in a company and, when one is named, in its business unit."""
    company = await find_company(db, company_id, user_id)
    if company is None or business_unit_id is None:
        return Roles(company, None)
    sql = f"""
        SELECT {BUSINESS_UNIT_COLUMNS} FROM business_unit_memberships
        WHERE company_id = $1 AND business_unit_id = $2 AND user_id = $3
    """  # noqa: S608 - constant columns
    row = await db.fetchrow(sql, company_id, business_unit_id, user_id)
    return Roles(company, BusinessUnitMembership(*row) if row else None)


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


async def end_company(tx: Executor, company_id: UUID, user_id: UUID, now: datetime) -> bool:
    """End an active membership, whatever its role; False when there is none."""
    tag = await tx.execute(
        """
        UPDATE company_memberships SET is_active = false, access_version = access_version + 1, updated_at = $3
        WHERE company_id = $1 AND user_id = $2 AND is_active
        """,
        company_id,
        user_id,
        now,
    )
    return affected(tag) == 1


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


async def of_users(db: Executor, user_ids: list[UUID]) -> tuple[list[CompanyMembership], list[BusinessUnitMembership]]:
    """Every membership of these users, active or not."""
    companies = f"SELECT {COMPANY_COLUMNS} FROM company_memberships WHERE user_id = ANY($1)"  # noqa: S608 - constant
    units = f"SELECT {BUSINESS_UNIT_COLUMNS} FROM business_unit_memberships WHERE user_id = ANY($1)"  # noqa: S608
    return (
        [CompanyMembership(*row) for row in await db.fetch(companies, user_ids)],
        [BusinessUnitMembership(*row) for row in await db.fetch(units, user_ids)],
    )


async def taken_ids(db: Executor, membership_ids: list[UUID]) -> set[UUID]:
    """Those of the ids that some membership has already."""
    sql = """
        SELECT id FROM company_memberships WHERE id = ANY($1)
        UNION SELECT id FROM business_unit_memberships WHERE id = ANY($1)
    """
    return {row["id"] for row in await db.fetch(sql, membership_ids)}


async def insert_all(tx: Executor, companies: list[CompanyMembership], units: list[BusinessUnitMembership]) -> None:
    """Store new memberships.

    Raises:
        Duplicate: one exists already.
    """
    sql = f"INSERT INTO company_memberships ({COMPANY_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7)"  # noqa: S608
    await tx.executemany(
        sql, [(m.id, m.user_id, m.company_id, m.role, m.is_active, m.created_at, m.updated_at) for m in companies]
    )
    sql = f"""
        INSERT INTO business_unit_memberships ({BUSINESS_UNIT_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    """  # noqa: S608 - constant columns
    await tx.executemany(
        sql,
        [
            (m.id, m.user_id, m.company_id, m.business_unit_id, m.role, m.is_active, m.created_at, m.updated_at)
            for m in units
        ],
    )


async def companies_solely_owned_by(tx: Executor, user_id: UUID) -> list[UUID]:
    """The companies that would be left without an active OWNER if this user could not act any more."""
    rows = await tx.fetch(
        """
        SELECT m.company_id FROM company_memberships m JOIN users u ON u.id = m.user_id
        WHERE m.user_id = $1 AND m.role = 'OWNER' AND m.is_active AND u.is_active AND u.approval_status = 'APPROVED'
          AND NOT EXISTS (
              SELECT FROM company_memberships o JOIN users ou ON ou.id = o.user_id
              WHERE o.company_id = m.company_id AND o.user_id <> m.user_id AND o.role = 'OWNER' AND o.is_active
                AND ou.is_active AND ou.approval_status = 'APPROVED')
        """,
        user_id,
    )
    return [row["company_id"] for row in rows]


async def grants_of(db: Executor, company_id: UUID, user_id: UUID) -> Grants | None:
    """What a membership (active or not) was granted, or None without one."""
    sql = f"SELECT {GRANT_COLUMNS} FROM company_memberships WHERE company_id = $1 AND user_id = $2"  # noqa: S608
    row = await db.fetchrow(sql, company_id, user_id)
    return Grants(*row) if row else None


async def put_grants(tx: Executor, company_id: UUID, user_id: UUID, grants: Grants, now: datetime) -> Grants:
    """Replace what a membership was granted; its `access_version` goes up by one (the one given is ignored).

    Raises:
        LookupError: no such membership.
    """
    sql = f"""
        UPDATE company_memberships
        SET modules = $3, permissions = $4, can_manage_users = $5, can_buy_addons = $6, grantable_modules = $7,
            grantable_permissions = $8, access_version = access_version + 1, updated_at = $9
        WHERE company_id = $1 AND user_id = $2 RETURNING {GRANT_COLUMNS}
    """  # noqa: S608 - constant columns
    row = await tx.fetchrow(
        sql,
        company_id,
        user_id,
        grants.modules,
        grants.permissions,
        grants.can_manage_users,
        grants.can_buy_addons,
        grants.grantable_modules,
        grants.grantable_permissions,
        now,
    )
    if row is None:
        raise LookupError(f"no membership of {user_id} in {company_id}")
    return Grants(*row)
