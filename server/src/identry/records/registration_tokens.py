"""Who may register clients dynamically (RFC 7591 §3): `initial_access_tokens`.

Invariants: a token is stored as its SHA-256 only; each use is one conditional write whose row count decides.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from identry.core.db import Executor, affected


async def issue(
    tx: Executor, token_id: UUID, token_hash: bytes, name: str, uses: int, *, now: datetime, expires_at: datetime
) -> None:
    """Store a new token that registers `uses` clients."""
    await tx.execute(
        """
        INSERT INTO initial_access_tokens (id, token_hash, name, uses_left, created_at, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6)
        """,
        token_id,
        token_hash,
        name,
        uses,
        now,
        expires_at,
    )


async def spend(tx: Executor, token_hash: bytes, now: datetime) -> str | None:
    """Use a token once; its name, or None when it is unknown, used up or over."""
    name: str | None = await tx.fetchval(
        """
        UPDATE initial_access_tokens SET uses_left = uses_left - 1
        WHERE token_hash = $1 AND uses_left > 0 AND expires_at > $2 RETURNING name
        """,
        token_hash,
        now,
    )
    return name


async def prune(db: Executor, before: datetime) -> int:
    """Delete tokens that ended before an instant; returns how many."""
    return affected(await db.execute("DELETE FROM initial_access_tokens WHERE expires_at < $1", before))
