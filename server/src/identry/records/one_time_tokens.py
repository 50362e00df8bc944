"""One-time tokens: every secret that works once (password reset, MFA ticket, and later magic link, exchange code).

Invariants (SECURITY §1.1, §1.3): a token is found by the hash of the whole, and counts only for its purpose, for its
user, before its expiry; it is consumed by one conditional write whose row count decides; a newer one of the same
purpose voids the older ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from identry.core.db import Executor, affected
from identry.core.pruning import prune_expired


class Purpose(StrEnum):
    """What a token is for; it is worthless for anything else."""

    PASSWORD_RESET = "password_reset"  # noqa: S105 - a name, not a secret
    MFA_TICKET = "mfa_ticket"
    BROWSER_MFA_TICKET = "browser_mfa_ticket"
    MFA_SETUP = "mfa_setup"
    PAGES_MFA_TICKET = "pages_mfa_ticket"
    PAGES_MFA_SETUP = "pages_mfa_setup"
    EXCHANGE_CODE = "exchange_code"
    APP_INVITE = "app_invite"
    EMAIL_VERIFICATION = "email_verification"
    MAGIC_LINK = "magic_link"
    PAGES_LINK = "pages_link"
    EMAIL_CHANGE = "email_change"


@dataclass(frozen=True, slots=True)
class Consumed:
    """What a token was bound to."""

    user_id: UUID
    data: str  # JSON text


async def issue(
    tx: Executor,
    purpose: Purpose,
    user_id: UUID,
    token_hash: bytes,
    *,
    now: datetime,
    expires_at: datetime,
    attempts: int = 1,
    data: str = "{}",
) -> None:
    """Store a new token; older open ones of the same purpose and user are void from now on.

    For an id without a user the same statements run and write nothing. Whoever issues first locks the user's row, so
    of two tokens issued at once only the later stays open.
    """
    await tx.execute(
        """
        INSERT INTO one_time_tokens (token_hash, purpose, user_id, attempts_left, data, created_at, expires_at)
        SELECT $1, $2, u.id, $4, $5, $6, $7 FROM users u WHERE u.id = $3 FOR NO KEY UPDATE
        """,
        token_hash,
        purpose,
        user_id,
        attempts,
        data,
        now,
        expires_at,
    )
    await tx.execute(
        """
        UPDATE one_time_tokens SET consumed_at = $4
        WHERE user_id = $1 AND purpose = $2 AND token_hash <> $3 AND consumed_at IS NULL
        """,
        user_id,
        purpose,
        token_hash,
        now,
    )


async def peek(db: Executor, purpose: Purpose, token_hash: bytes, now: datetime) -> Consumed | None:
    """What an open token is bound to, without using it; None when it is unknown, used, void or expired."""
    row = await db.fetchrow(
        """
        SELECT user_id, data FROM one_time_tokens
        WHERE token_hash = $1 AND purpose = $2 AND consumed_at IS NULL AND expires_at > $3 AND attempts_left > 0
        """,
        token_hash,
        purpose,
        now,
    )
    return Consumed(*row) if row else None


async def open_until(db: Executor, purpose: Purpose, token_hash: bytes, now: datetime) -> datetime | None:
    """When an open token ends by itself; None when it opens nothing (any more)."""
    until: datetime | None = await db.fetchval(
        """
        SELECT expires_at FROM one_time_tokens
        WHERE token_hash = $1 AND purpose = $2 AND consumed_at IS NULL AND expires_at > $3 AND attempts_left > 0
        """,
        token_hash,
        purpose,
        now,
    )
    return until


async def was_used(db: Executor, purpose: Purpose, token_hash: bytes) -> Consumed | None:
    """What a token was bound to that somebody used; None when it is open, was voided unused, or is unknown."""
    row = await db.fetchrow(
        """
        SELECT user_id, data FROM one_time_tokens
        WHERE token_hash = $1 AND purpose = $2 AND consumed_at IS NOT NULL AND attempts_left = 0
        """,
        token_hash,
        purpose,
    )
    return Consumed(*row) if row else None


async def spend_attempt(tx: Executor, purpose: Purpose, token_hash: bytes, now: datetime) -> Consumed | None:
    """Use up one try of a token that allows several (an MFA ticket); None when none is left."""
    row = await tx.fetchrow(
        """
        UPDATE one_time_tokens SET attempts_left = attempts_left - 1
        WHERE token_hash = $1 AND purpose = $2 AND consumed_at IS NULL AND expires_at > $3 AND attempts_left > 0
        RETURNING user_id, data
        """,
        token_hash,
        purpose,
        now,
    )
    return Consumed(*row) if row else None


async def consume(tx: Executor, purpose: Purpose, token_hash: bytes, now: datetime) -> Consumed | None:
    """Use the token; of any number of callers exactly one gets what it is bound to, the others None."""
    row = await tx.fetchrow(
        """
        UPDATE one_time_tokens SET consumed_at = $3, attempts_left = 0
        WHERE token_hash = $1 AND purpose = $2 AND consumed_at IS NULL AND expires_at > $3
        RETURNING user_id, data
        """,
        token_hash,
        purpose,
        now,
    )
    return Consumed(*row) if row else None


async def void(
    tx: Executor, user_id: UUID, now: datetime, purpose: Purpose | None = None, keep: bytes | None = None
) -> int:
    """End a user's open tokens, of one purpose or all (after a change of password, address or state).

    `keep` is the hash of the one that goes on.
    """
    tag = await tx.execute(
        """
        UPDATE one_time_tokens SET consumed_at = $2
        WHERE user_id = $1 AND consumed_at IS NULL AND ($3::text IS NULL OR purpose = $3)
            AND ($4::bytea IS NULL OR token_hash <> $4)
        """,
        user_id,
        now,
        purpose,
        keep,
    )
    return affected(tag)


async def prune(db: Executor, before: datetime) -> int:
    """Delete tokens that expired before an instant; returns how many."""
    return await prune_expired(db, "one_time_tokens", "token_hash", before)
