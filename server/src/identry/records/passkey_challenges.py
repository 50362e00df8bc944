"""Challenges that authenticators sign: each is good for one answer, of one kind, to whoever asked for it.

Invariants (SECURITY §1.1, §1.3): only a hash is stored; a challenge counts for its purpose, its user (when one was
known), the session, ticket or browser that asked, and before its expiry; it is taken by one conditional write.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from identry.core.db import Executor, affected
from identry.core.pruning import prune_expired

TTL = timedelta(minutes=5)


class Ceremony(StrEnum):
    """What a challenge is for; an answer to one is worthless for another."""

    REGISTER = "register"
    LOGIN = "login"
    SECOND_FACTOR = "second_factor"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a challenge is bound to.

    Attributes:
        ceremony: its purpose.
        binding_hash: SHA-256 of the session, ticket or browser that asked.
        user_id: whose answer it wants; None: anybody's.
    """

    ceremony: Ceremony
    binding_hash: bytes
    user_id: UUID | None = None


async def issue(db: Executor, challenge_hash: bytes, asked: Asked, now: datetime) -> None:
    """Store a new challenge; earlier ones stay good, because a page may ask anew while a device still thinks."""
    await db.execute(
        """
        INSERT INTO passkey_challenges (challenge_hash, purpose, user_id, binding_hash, created_at, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6)
        """,
        challenge_hash,
        asked.ceremony,
        asked.user_id,
        asked.binding_hash,
        now,
        now + TTL,
    )


async def take(db: Executor, challenge_hash: bytes, asked: Asked, now: datetime) -> bool:
    """Use a challenge up; of any number of callers exactly one hears True, and only who asked for it."""
    tag = await db.execute(
        """
        UPDATE passkey_challenges SET consumed_at = $5
        WHERE challenge_hash = $1 AND purpose = $2 AND user_id IS NOT DISTINCT FROM $3 AND binding_hash = $4
          AND consumed_at IS NULL AND expires_at > $5
        """,
        challenge_hash,
        asked.ceremony,
        asked.user_id,
        asked.binding_hash,
        now,
    )
    return affected(tag) == 1


async def prune(db: Executor, before: datetime) -> int:
    """Delete challenges that expired before an instant; returns how many."""
    return await prune_expired(db, "passkey_challenges", "challenge_hash", before)
