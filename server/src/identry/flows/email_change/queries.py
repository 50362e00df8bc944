"""What the tenants of a user say of addresses."""

from __future__ import annotations

from uuid import UUID

from identry.core.db import Executor


async def domain_lists(db: Executor, user_id: UUID) -> list[list[str]]:
    """The e-mail domains that each open tenant of the user lets in; an empty list lets in all."""
    rows = await db.fetch(
        """
        SELECT t.allowed_email_domains FROM tenant_members tm JOIN tenants t ON t.id = tm.tenant_id
        WHERE tm.user_id = $1 AND tm.is_active AND t.is_active
        """,
        user_id,
    )
    return [row[0] for row in rows]
