"""Notices on their way: claimed by one replica at a time, told again until the application says that it heard."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from identry.core.db import Executor


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice and where it goes; the field order is the column order of the statement here.

    Attributes:
        user_number: `sub` in the client's tokens.
        session_id: `sid` in its ID token.
        attempts: how often it was tried, this time included.
        url: the client's address; None: it wants to hear of nothing any more.
    """

    id: UUID
    user_number: int
    session_id: UUID
    attempts: int
    client_id: str
    url: str | None


async def claim(db: Executor, now: datetime, until: datetime, most: int) -> list[Notice]:
    """Notices that are due; another replica may have them at `until`, should this one die."""
    rows = await db.fetch(
        """
        WITH due AS (
            SELECT id FROM logout_notices WHERE next_attempt_at <= $1
            ORDER BY next_attempt_at LIMIT $3 FOR UPDATE SKIP LOCKED
        )
        UPDATE logout_notices n SET attempts = n.attempts + 1, next_attempt_at = $2
        FROM due, clients c WHERE n.id = due.id AND c.id = n.client_id
        RETURNING n.id, n.user_number, n.session_id, n.attempts, c.client_id,
                  CASE WHEN c.is_active THEN c.backchannel_logout_uri END
        """,
        now,
        until,
        most,
    )
    return [Notice(*row) for row in rows]


async def done(db: Executor, notice_id: UUID) -> None:
    """Forget a notice: it was heard, or nobody will."""
    await db.execute("DELETE FROM logout_notices WHERE id = $1", notice_id)


async def again(db: Executor, notice_id: UUID, at: datetime) -> None:
    """Try a notice once more, later."""
    await db.execute("UPDATE logout_notices SET next_attempt_at = $2 WHERE id = $1", notice_id, at)
