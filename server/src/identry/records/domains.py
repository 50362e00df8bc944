"""The e-mail domains of tenants: claimed by anybody, proven by one.

Invariants: a domain is stored as it is compared (lower-case A-labels); of all tenants one at most has it verified,
whatever was asked at the same time (a unique index); only a verified domain selects a tenant.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID

from identry.core.db import Executor, affected


@dataclass(frozen=True, slots=True)
class Domain:
    """A row of `tenant_domains`; the field order is that of `COLUMNS`."""

    tenant_id: UUID
    domain: str
    token: str
    created_at: datetime
    verified_at: datetime | None


@dataclass(frozen=True, slots=True)
class DomainWays:
    """How the people of a verified domain may sign in; the field order is that of the SELECT here.

    Attributes:
        auth_policy: of the tenant whose domain it is.
        slug: that tenant's short name.
        display_name: of its own provider; None: it has none that is enabled.
    """

    auth_policy: str
    slug: str
    display_name: str | None


COLUMNS = ", ".join(f.name for f in fields(Domain))


async def of_tenant(db: Executor, tenant_id: UUID) -> list[Domain]:
    """Every domain that a tenant claimed, by name."""
    sql = f"SELECT {COLUMNS} FROM tenant_domains WHERE tenant_id = $1 ORDER BY domain"  # noqa: S608 - constant columns
    return [Domain(*row) for row in await db.fetch(sql, tenant_id)]


async def find(db: Executor, tenant_id: UUID, domain: str) -> Domain | None:
    """A domain, if this tenant claimed it."""
    sql = f"SELECT {COLUMNS} FROM tenant_domains WHERE tenant_id = $1 AND domain = $2"  # noqa: S608 - constant columns
    row = await db.fetchrow(sql, tenant_id, domain)
    return Domain(*row) if row else None


async def count(tx: Executor, tenant_id: UUID) -> int:
    """How many domains a tenant claimed."""
    found: int = await tx.fetchval("SELECT count(*) FROM tenant_domains WHERE tenant_id = $1", tenant_id)
    return found


async def insert(tx: Executor, domain: Domain) -> bool:
    """Store a claim; False when this tenant has made it before."""
    values = ", ".join(f"${i}" for i in range(1, len(fields(Domain)) + 1))
    sql = f"INSERT INTO tenant_domains ({COLUMNS}) VALUES ({values}) ON CONFLICT DO NOTHING"  # noqa: S608 - constant
    return affected(await tx.execute(sql, *(getattr(domain, f.name) for f in fields(Domain)))) == 1


async def owner(db: Executor, domain: str) -> UUID | None:
    """The tenant that proved that a domain is its own, or None."""
    tenant_id: UUID | None = await db.fetchval(
        "SELECT tenant_id FROM tenant_domains WHERE domain = $1 AND verified_at IS NOT NULL", domain
    )
    return tenant_id


async def verify(tx: Executor, claimed: Domain, now: datetime) -> bool:
    """Make a claim the proof; False when the claim is not any more what was looked up.

    Raises:
        Duplicate: another tenant has proven the domain.
    """
    tag = await tx.execute(
        """
        UPDATE tenant_domains SET verified_at = COALESCE(verified_at, $4)
        WHERE tenant_id = $1 AND domain = $2 AND token = $3
        """,
        claimed.tenant_id,
        claimed.domain,
        claimed.token,
        now,
    )
    return affected(tag) == 1


async def delete(tx: Executor, tenant_id: UUID, domain: str) -> bool:
    """Forget a claim or a proof; False when this tenant had none."""
    tag = await tx.execute("DELETE FROM tenant_domains WHERE tenant_id = $1 AND domain = $2", tenant_id, domain)
    return affected(tag) == 1


async def ways(db: Executor, domain: str) -> DomainWays | None:
    """How the people of a domain may sign in; None when no active tenant proved that it is its own."""
    row = await db.fetchrow(
        """
        SELECT t.auth_policy, t.slug, c.display_name
        FROM tenant_domains d JOIN tenants t ON t.id = d.tenant_id AND t.is_active
        LEFT JOIN tenant_oidc_config c ON c.tenant_id = t.id AND c.enabled
        WHERE d.domain = $1 AND d.verified_at IS NOT NULL
        """,
        domain,
    )
    return DomainWays(*row) if row else None
