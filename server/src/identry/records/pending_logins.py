"""Sign-ins that are under way at a provider: what has to be known again when the browser comes back.

Invariants (SECURITY §2 rows 41 to 43): found by the hash of `state` and of the browser's cookie together, for one
provider, within ten minutes; taken by one conditional DELETE, so of any number of callbacks exactly one goes on; never
more than `MAX_OPEN` at a time.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID

from identry.core.db import Executor, affected
from identry.core.pruning import prune_expired

MAX_OPEN = 10_000
"""Whoever only begins sign-ins fills no disk; requests that write at the same moment may exceed it by their number."""


@dataclass(frozen=True, slots=True)
class PendingLogin:
    """A row of `pending_logins`; the field order is that of `_COLUMNS`."""

    state_hash: bytes
    binding_hash: bytes
    provider_key: str
    sealed: bytes
    return_to: str
    user_id: UUID | None
    session_id: UUID | None
    invitation_hash: bytes | None
    created_at: datetime
    expires_at: datetime


_COLUMNS = ", ".join(f.name for f in fields(PendingLogin))


async def insert(db: Executor, pending: PendingLogin) -> bool:
    """Store it; False when too many are open."""
    tag = await db.execute(
        f"""
        INSERT INTO pending_logins ({_COLUMNS}) SELECT $1, $2, $3, $4, $5, $6::uuid, $7::uuid, $8::bytea, $9, $10
        WHERE (SELECT count(*) FROM (SELECT FROM pending_logins WHERE expires_at > $9 LIMIT {MAX_OPEN}) p) < {MAX_OPEN}
        """,  # noqa: S608 - constants
        *(getattr(pending, f.name) for f in fields(PendingLogin)),
    )
    return affected(tag) == 1


async def take(
    db: Executor, state_hash: bytes, binding_hash: bytes, provider_key: str, now: datetime
) -> PendingLogin | None:
    """The sign-in that this browser began at this provider, gone from now on; None when there is none."""
    row = await db.fetchrow(
        f"""
        DELETE FROM pending_logins
        WHERE state_hash = $1 AND binding_hash = $2 AND provider_key = $3 AND expires_at > $4 RETURNING {_COLUMNS}
        """,  # noqa: S608 - constant columns
        state_hash,
        binding_hash,
        provider_key,
        now,
    )
    return PendingLogin(*row) if row else None


async def prune(db: Executor, before: datetime) -> int:
    """Delete what expired before an instant; returns how many."""
    return await prune_expired(db, "pending_logins", "state_hash", before)
