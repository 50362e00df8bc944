"""Tenants and who belongs to them. A tenant is a company (same id) as its own people see it.

Invariants: one membership for each (tenant, user); whoever changes members, groups or what these may do raises
`access_version` in the same transaction (`touch`), so that a remembered decision can be told from a current one, and
holds the tenant's row meanwhile. Locks are taken in this order: users, then the tenant.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import NewType
from uuid import UUID

from identry.core.db import Executor, affected

TenantId = NewType("TenantId", UUID)


@dataclass(frozen=True, slots=True)
class Tenant:
    """A row of `tenants`; the field order is that of `COLUMNS`."""

    id: UUID
    slug: str
    name: str
    is_active: bool
    auth_policy: str
    allowed_email_domains: list[str]
    mfa_required: bool
    access_version: int
    created_at: datetime
    updated_at: datetime
    mfa_for_changes: bool = False


@dataclass(frozen=True, slots=True)
class TenantMember:
    """A row of `tenant_members`; the field order is that of `MEMBER_COLUMNS`."""

    tenant_id: UUID
    user_id: UUID
    is_active: bool
    created_at: datetime
    updated_at: datetime


COLUMNS = ", ".join(f.name for f in fields(Tenant))
MEMBER_COLUMNS = ", ".join(f.name for f in fields(TenantMember))


async def find(db: Executor, tenant_id: UUID) -> Tenant | None:
    """The tenant, active or not, or None."""
    row = await db.fetchrow(f"SELECT {COLUMNS} FROM tenants WHERE id = $1", tenant_id)  # noqa: S608 - constant columns
    return Tenant(*row) if row else None


async def find_by_slug(db: Executor, slug: str) -> Tenant | None:
    """The tenant with this short name, active or not, or None."""
    row = await db.fetchrow(f"SELECT {COLUMNS} FROM tenants WHERE slug = $1", slug)  # noqa: S608 - constant columns
    return Tenant(*row) if row else None


async def home_of(db: Executor, user_id: UUID) -> Tenant | None:
    """The tenant of a user's session: that of the newest active membership of an active tenant, or None."""
    columns = ", ".join(f"t.{f.name}" for f in fields(Tenant))
    sql = f"""
        SELECT {columns} FROM tenant_members m JOIN tenants t ON t.id = m.tenant_id
        WHERE m.user_id = $1 AND m.is_active AND t.is_active
        ORDER BY m.created_at DESC, t.id DESC LIMIT 1
    """  # noqa: S608 - constant columns
    row = await db.fetchrow(sql, user_id)
    return Tenant(*row) if row else None


async def insert(tx: Executor, tenant: Tenant) -> bool:
    """Store a new tenant; False when its id or slug is taken (nothing is written then)."""
    values = ", ".join(f"${i}" for i in range(1, len(fields(Tenant)) + 1))
    sql = f"INSERT INTO tenants ({COLUMNS}) VALUES ({values}) ON CONFLICT DO NOTHING"  # noqa: S608 - constant columns
    return affected(await tx.execute(sql, *(getattr(tenant, f.name) for f in fields(Tenant)))) == 1


async def lock(tx: Executor, tenant_id: UUID) -> Tenant | None:
    """The tenant, its row held until the transaction ends: nobody else changes who may do what in it meanwhile."""
    sql = f"SELECT {COLUMNS} FROM tenants WHERE id = $1 FOR NO KEY UPDATE"  # noqa: S608 - constant columns
    row = await tx.fetchrow(sql, tenant_id)
    return Tenant(*row) if row else None


async def set_auth(
    tx: Executor,
    tenant_id: UUID,
    *,
    auth_policy: str,
    allowed_email_domains: list[str],
    mfa_required: bool,
    mfa_for_changes: bool,
    now: datetime,
) -> None:
    """Write how the people of the tenant sign in. The caller raises the tenant's `access_version`."""
    await tx.execute(
        """
        UPDATE tenants SET auth_policy = $2, allowed_email_domains = $3, mfa_required = $4, mfa_for_changes = $5,
                           updated_at = $6
        WHERE id = $1
        """,
        tenant_id,
        auth_policy,
        allowed_email_domains,
        mfa_required,
        mfa_for_changes,
        now,
    )


async def touch(tx: Executor, tenant_id: UUID) -> int:
    """Raise the tenant's `access_version`; returns the new one.

    Raises:
        LookupError: no such tenant.
    """
    version = await tx.fetchval(
        "UPDATE tenants SET access_version = access_version + 1 WHERE id = $1 RETURNING access_version", tenant_id
    )
    if version is None:
        raise LookupError(f"no tenant {tenant_id}")
    return int(version)


async def find_member(db: Executor, tenant_id: UUID, user_id: UUID) -> TenantMember | None:
    """A user's membership of a tenant, active or not, or None."""
    sql = f"SELECT {MEMBER_COLUMNS} FROM tenant_members WHERE tenant_id = $1 AND user_id = $2"  # noqa: S608 - constant
    row = await db.fetchrow(sql, tenant_id, user_id)
    return TenantMember(*row) if row else None


async def put_member(tx: Executor, tenant_id: UUID, user_id: UUID, *, is_active: bool, now: datetime) -> TenantMember:
    """Create a membership, or end it, or open it again. The caller raises the tenant's `access_version`."""
    sql = f"""
        INSERT INTO tenant_members ({MEMBER_COLUMNS}) VALUES ($1, $2, $3, $4, $4)
        ON CONFLICT (tenant_id, user_id) DO UPDATE
        SET is_active = EXCLUDED.is_active, updated_at = EXCLUDED.updated_at
        RETURNING {MEMBER_COLUMNS}
    """  # noqa: S608 - constant columns
    row = await tx.fetchrow(sql, tenant_id, user_id, is_active, now)
    assert row is not None
    return TenantMember(*row)


async def follow_memberships(tx: Executor, company_ids: list[UUID], user_ids: list[UUID], now: datetime) -> None:
    """Members of these companies, as far as they are among these users, become members of the tenants, in their state.

    Whoever was removed from the tenant comes back only with a change of the company membership, which is when this
    is called.
    """
    await tx.execute(
        """
        INSERT INTO tenant_members (tenant_id, user_id, is_active, created_at, updated_at)
        SELECT company_id, user_id, is_active, $3, $3 FROM company_memberships
        WHERE company_id = ANY($1) AND user_id = ANY($2) ORDER BY company_id, user_id
        ON CONFLICT (tenant_id, user_id) DO UPDATE
        SET is_active = EXCLUDED.is_active, updated_at = EXCLUDED.updated_at
        """,
        company_ids,
        user_ids,
        now,
    )


async def belongs_to_several(db: Executor, user_id: UUID) -> bool:
    """Whether a user belongs, actively or not, to more than one tenant."""
    found: bool = await db.fetchval("SELECT count(*) > 1 FROM tenant_members WHERE user_id = $1", user_id)
    return found


async def belongs_elsewhere(db: Executor, tenant_id: UUID, user_id: UUID) -> bool:
    """Whether a user belongs, actively or not, to any other tenant."""
    found: bool = await db.fetchval(
        "SELECT EXISTS (SELECT FROM tenant_members WHERE user_id = $2 AND tenant_id <> $1)", tenant_id, user_id
    )
    return found
