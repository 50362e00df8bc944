"""Providers that somebody may link an identity of."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from identry.core.db import Executor


@dataclass(frozen=True, slots=True)
class OwnProvider:
    """A tenant of a user that has a provider of its own; the field order is the column order of the SELECT here."""

    tenant_id: UUID
    tenant_name: str


async def providers_of(db: Executor, user_id: UUID) -> list[OwnProvider]:
    """Those of the user's open tenants, by name."""
    rows = await db.fetch(
        """
        SELECT t.id, t.name FROM tenant_members tm
        JOIN tenants t ON t.id = tm.tenant_id AND t.is_active
        JOIN tenant_oidc_config c ON c.tenant_id = t.id AND c.enabled
        WHERE tm.user_id = $1 AND tm.is_active ORDER BY lower(t.name), t.id LIMIT 50
        """,
        user_id,
    )
    return [OwnProvider(*row) for row in rows]
