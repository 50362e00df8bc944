"""Ids that count once, or no more: `spent_ids`.

A DPoP proof or client assertion that was seen (RFC 9449 §11.1, RFC 7523 §3), an access token without a session that was
revoked before its end. Invariants: an id is spent by one conditional write whose row count decides; only a SHA-256 of
purpose and id is stored; a row is kept until what it names would have expired anyway.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from enum import StrEnum

from identry.core.db import Executor, affected
from identry.core.pruning import prune_expired


class Purpose(StrEnum):
    """What an id names; the same text under two purposes is two ids."""

    DPOP_PROOF = "dpop_proof"
    CLIENT_ASSERTION = "client_assertion"
    REVOKED_TOKEN = "revoked_token"  # noqa: S105 - a name, not a secret


def id_hash(purpose: Purpose, *parts: str) -> bytes:
    """What is stored of an id: unambiguous about where one part ends."""
    digest = hashlib.sha256(purpose.encode())
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.digest()


async def spend(db: Executor, purpose: Purpose, hashed: bytes, expires_at: datetime) -> bool:
    """Note that the id is spent; False when it was before."""
    tag = await db.execute(
        "INSERT INTO spent_ids (id_hash, purpose, expires_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        hashed,
        purpose.value,
        expires_at,
    )
    return affected(tag) == 1


async def prune(db: Executor, before: datetime) -> int:
    """Forget ids that expired before an instant; returns how many."""
    return await prune_expired(db, "spent_ids", "id_hash", before, batch=5000)
