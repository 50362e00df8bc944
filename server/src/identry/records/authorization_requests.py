"""Authorization requests that wait: pushed ones (RFC 9126), and those whose person has to sign in or agree.

Invariants (SECURITY §1.1): found by the hash of the whole handle; one that waits in a browser also by the hash of that
browser's cookie; finished by one conditional write whose row count decides.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from identry.core.db import Executor, affected
from identry.core.pruning import prune_expired


async def insert(
    db: Executor,
    request_id: UUID,
    handle_hash: bytes,
    client_row_id: UUID,
    parameters: str,
    *,
    binding_hash: bytes | None,
    now: datetime,
    expires_at: datetime,
) -> None:
    """Store a request (JSON text); without `binding_hash` it is a pushed one."""
    await db.execute(
        """
        INSERT INTO authorization_requests (id, handle_hash, client_id, pushed, binding_hash, parameters, created_at,
                                            expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        """,
        request_id,
        handle_hash,
        client_row_id,
        binding_hash is None,
        binding_hash,
        parameters,
        now,
        expires_at,
    )


async def take_pushed(db: Executor, handle_hash: bytes, client_id: str, now: datetime) -> str | None:
    """The pushed request of this client, used up from now on; None: unknown, used, expired or another client's."""
    found: str | None = await db.fetchval(
        """
        UPDATE authorization_requests r SET consumed_at = $3 FROM clients c
        WHERE r.handle_hash = $1 AND r.pushed AND r.consumed_at IS NULL AND r.expires_at > $3
          AND c.id = r.client_id AND c.client_id = $2
        RETURNING r.parameters
        """,
        handle_hash,
        client_id,
        now,
    )
    return found


async def find(db: Executor, handle_hash: bytes, binding_hash: bytes, now: datetime) -> tuple[UUID, UUID, str] | None:
    """(Id, client's row, parameters) of a request that waits in this browser, or None."""
    row: Any = await db.fetchrow(
        """
        SELECT id, client_id, parameters FROM authorization_requests
        WHERE handle_hash = $1 AND binding_hash = $2 AND NOT pushed AND consumed_at IS NULL AND expires_at > $3
        """,
        handle_hash,
        binding_hash,
        now,
    )
    return (row[0], row[1], row[2]) if row else None


async def agree(tx: Executor, request_id: UUID, session_id: UUID, now: datetime) -> bool:
    """Note that the person of a browser session agreed to a request that still waits."""
    tag = await tx.execute(
        """
        UPDATE authorization_requests SET parameters = parameters || jsonb_build_object('agreed_in', $2::text)
        WHERE id = $1 AND consumed_at IS NULL AND expires_at > $3
        """,
        request_id,
        str(session_id),
        now,
    )
    return affected(tag) == 1


async def finish(tx: Executor, request_id: UUID, now: datetime) -> bool:
    """Answer a request that waits: of any number of callers exactly one may."""
    tag = await tx.execute(
        "UPDATE authorization_requests SET consumed_at = $2 WHERE id = $1 AND consumed_at IS NULL AND expires_at > $2",
        request_id,
        now,
    )
    return affected(tag) == 1


async def prune(db: Executor, before: datetime) -> int:
    """Delete requests that expired before an instant; returns how many."""
    return await prune_expired(db, "authorization_requests", "id", before)
