"""What people agreed that an application may do: `consents`; one row per person and application, scopes add up."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from identry.core.db import Executor, affected


async def covers(db: Executor, user_id: UUID, client_row_id: UUID, scopes: list[str]) -> bool:
    """Whether the user agreed to all of these scopes."""
    agreed: bool = await db.fetchval(
        "SELECT EXISTS (SELECT FROM consents WHERE user_id = $1 AND client_id = $2 AND scopes @> $3)",
        user_id,
        client_row_id,
        scopes,
    )
    return agreed


async def scopes_of(db: Executor, user_id: UUID, client_row_id: UUID) -> list[str]:
    """The scopes that the user agreed to."""
    found: list[str] | None = await db.fetchval(
        "SELECT scopes FROM consents WHERE user_id = $1 AND client_id = $2", user_id, client_row_id
    )
    return found or []


async def grant(tx: Executor, user_id: UUID, client_row_id: UUID, scopes: list[str], now: datetime) -> None:
    """Remember that the user agreed to these scopes, besides those of before."""
    await tx.execute(
        """
        INSERT INTO consents (user_id, client_id, scopes, granted_at, updated_at) VALUES ($1, $2, $3, $4, $4)
        ON CONFLICT (user_id, client_id) DO UPDATE SET updated_at = $4, scopes = ARRAY(
            SELECT DISTINCT scope FROM unnest(consents.scopes || excluded.scopes) AS scope ORDER BY scope)
        """,
        user_id,
        client_row_id,
        scopes,
        now,
    )


async def revoke(tx: Executor, user_id: UUID, client_row_id: UUID) -> bool:
    """Forget that the user agreed; False when there was nothing. The caller ends the sessions of the grant."""
    tag = await tx.execute("DELETE FROM consents WHERE user_id = $1 AND client_id = $2", user_id, client_row_id)
    return affected(tag) == 1
