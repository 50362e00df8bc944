"""Every statement on policies, policy_modes and policy_decisions."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from identry.core.db import Executor, affected
from identry.core.ids import uuid7_at

_BATCH = 1000


async def find(db: Executor, client_row_id: UUID, version: int | None) -> tuple[int, str, str, datetime] | None:
    """Version, mode, rules (JSON text) and age of the policy that counts, or of one version; None: there is none."""
    row = await db.fetchrow(
        """
        SELECT p.version, m.mode, p.rules, p.created_at
        FROM policy_modes m JOIN policies p ON p.client_id = m.client_id AND p.version = COALESCE($2, m.version)
        WHERE m.client_id = $1
        """,
        client_row_id,
        version,
    )
    return (row[0], row[1], row[2], row[3]) if row else None


async def insert(tx: Executor, client_row_id: UUID, version: int, rules: str, by: UUID, now: datetime) -> None:
    """Store a version; it never changes."""
    await tx.execute(
        "INSERT INTO policies (client_id, version, rules, created_by, created_at) VALUES ($1, $2, $3, $4, $5)",
        client_row_id,
        version,
        rules,
        by,
        now,
    )


async def use(tx: Executor, client_row_id: UUID, version: int, mode: str, now: datetime) -> None:
    """Let a version count, in a mode."""
    await tx.execute(
        """
        INSERT INTO policy_modes (client_id, version, mode, updated_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT (client_id) DO UPDATE SET version = $2, mode = $3, updated_at = $4
        """,
        client_row_id,
        version,
        mode,
        now,
    )


async def keep(
    db: Executor,
    decision_id: UUID,
    client_row_id: UUID,
    asked: tuple[Any, ...],
    decided: tuple[Any, ...],
    told: tuple[Any, ...],
) -> None:
    """Remember a decision: who asked what about whom, and how it was decided; no attributes."""
    await db.execute(
        """
        INSERT INTO policy_decisions (id, client_id, subject, action, resource_type, resource_id, allow, rule,
                                      policy_version, mode, pep_mode, request_id)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        """,
        decision_id,
        client_row_id,
        *asked,
        *decided,
        *told,
    )


async def prune(db: Executor, before: datetime) -> int:
    """Delete decisions from before an instant, a thousand at a time; returns how many."""
    boundary = uuid7_at(int(before.timestamp() * 1000))
    total, deleted = 0, _BATCH
    while deleted == _BATCH:
        tag = await db.execute(
            """
            DELETE FROM policy_decisions
            WHERE id IN (SELECT id FROM policy_decisions WHERE id < $1 ORDER BY id LIMIT $2)
            """,
            boundary,
            _BATCH,
        )
        deleted = affected(tag)
        total += deleted
    return total
