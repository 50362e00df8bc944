"""What the audit log knows of accounts that an import would change."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from identry.core.db import Executor


async def changed_here(db: Executor, user_ids: list[UUID], events: Collection[str]) -> set[tuple[UUID, str]]:
    """Which of these events happened to which of these accounts by the hand of others than the system."""
    rows = await db.fetch(
        """
        SELECT DISTINCT target_user_id AS id, event FROM auth_audit_logs
        WHERE target_user_id = ANY($1) AND event = ANY($2) AND actor_type <> 'system' AND outcome = 'success'
        """,
        user_ids,
        list(events),
    )
    return {(row["id"], row["event"]) for row in rows}
