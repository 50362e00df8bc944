"""Authorization codes: `authorization_codes`; each opens one grant, once, within a minute.

Invariants (SECURITY §1.1, §1.3): stored as a SHA-256 with everything that binds it; taken by one conditional write, by
its own client only; the same write notes the id of the session that it opens, so that a second use knows what to end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID

from identry.core.db import Executor, affected
from identry.core.pruning import prune_expired


@dataclass(frozen=True, slots=True)
class Code:
    """A row of `authorization_codes`; the field order is that of `COLUMNS`.

    Attributes:
        client_id: the client's row.
        browser_session_id: the single sign-on session in which it was given.
        redirect_uri, redirect_uri_given: where it was sent, and whether the request had said so (RFC 6749 §4.1.3).
        audiences: resource servers that were asked for (RFC 8707); None: none.
        code_challenge: None: the client went without PKCE.
        dpop_jkt: the key that it is bound to (RFC 9449 §10).
        token_version: the user's when it was given; another one now makes it worthless.
    """

    client_id: UUID
    user_id: UUID
    browser_session_id: UUID | None
    redirect_uri: str
    redirect_uri_given: bool
    scopes: list[str]
    audiences: list[str] | None
    nonce: str | None
    code_challenge: str | None
    dpop_jkt: str | None
    auth_time: datetime
    amr: list[str]
    token_version: int


COLUMNS = ", ".join(f.name for f in fields(Code))

HELD = """
    SELECT a.* FROM asked a
         JOIN authorization_codes k ON k.code_hash = a.code_hash AND k.client_id = a.client_id AND k.consumed_at IS NULL
         JOIN users u ON u.id = k.user_id
    ORDER BY u.id, a.code_hash FOR SHARE OF u
"""
"""Those of the codes in `asked a` that look good, their users held: whoever changes what hangs on an account holds it
first, so nobody who does and nobody who redeems waits for the other."""

TAKEN = """
    UPDATE authorization_codes k SET consumed_at = a.at, session_id = a.session_id
    FROM held a
    WHERE k.code_hash = a.code_hash AND k.client_id = a.client_id AND k.consumed_at IS NULL AND k.expires_at > a.at
    RETURNING a.*, k.user_id, k.token_version, k.amr, k.auth_time, k.scopes, k.audiences, k.browser_session_id, k.nonce,
              (convert_to(k.redirect_uri, 'UTF8') = a.redirect_uri OR a.redirect_uri = '' AND NOT k.redirect_uri_given)
              AND COALESCE(k.code_challenge, '') = a.challenge AND (k.dpop_jkt IS NULL OR k.dpop_jkt = a.jkt) AS fits
"""
"""Uses up those of the codes in `held a` that are good, and tells whether what came with each is what binds it.

`a.redirect_uri` is empty where none came, and in bytes, since it is what somebody typed; `a.challenge` is that of the
verifier: empty when none came, null when it is none.
"""

# The gates are asked again where the code comes into being: for whom it is may have changed since the session was read.
_INSERT = f"""
    INSERT INTO authorization_codes (code_hash, created_at, expires_at, session_id, {COLUMNS})
    SELECT $1, $2::timestamptz, $3, gen_random_uuid(), -- of no session, until one is opened
           $4, $5::uuid, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, u.token_version
    FROM users u
    WHERE u.id = $5 AND u.is_active AND u.approval_status = 'APPROVED' AND u.token_version = $16
      AND ($6::uuid IS NULL OR EXISTS (
          SELECT FROM sessions s
          WHERE s.id = $6 AND s.user_id = u.id AND s.token_version = u.token_version AND s.revoked_at IS NULL
            AND s.expires_at > $2))
"""  # noqa: S608 - constant column names


async def insert(tx: Executor, code_hash: bytes, code: Code, *, now: datetime, expires_at: datetime) -> bool:
    """Store a new code; False when its browser session has ended, or its user may not sign in any more."""
    values = (getattr(code, f.name) for f in fields(Code))
    return affected(await tx.execute(_INSERT, code_hash, now, expires_at, *values)) == 1


async def session_of_used(db: Executor, code_hash: bytes, client_row_id: UUID) -> UUID | None:
    """The session that a used code of this client opened; None: it was never used, or never given to this client."""
    found: UUID | None = await db.fetchval(
        """
        SELECT session_id FROM authorization_codes
        WHERE code_hash = $1 AND client_id = $2 AND consumed_at IS NOT NULL
        """,
        code_hash,
        client_row_id,
    )
    return found


async def void(tx: Executor, user_id: UUID, client_row_id: UUID, now: datetime) -> None:
    """Codes under way of a user to a client open nothing any more."""
    await tx.execute(
        """
        UPDATE authorization_codes SET consumed_at = $3
        WHERE user_id = $1 AND client_id = $2 AND consumed_at IS NULL
        """,
        user_id,
        client_row_id,
        now,
    )


async def void_idle(tx: Executor, user_ids: Sequence[UUID], client_row_id: UUID, now: datetime) -> None:
    """The same of many users, who are not held: a code that is being redeemed at this moment is left to that."""
    await tx.execute(
        """
        UPDATE authorization_codes SET consumed_at = $3
        WHERE code_hash IN (
            SELECT code_hash FROM authorization_codes
            WHERE user_id = ANY ($1) AND client_id = $2 AND consumed_at IS NULL FOR UPDATE SKIP LOCKED)
        """,
        user_ids,
        client_row_id,
        now,
    )


async def move(tx: Executor, user_id: UUID, old_session_id: UUID, new_session_id: UUID) -> None:
    """Codes under way of one browser session belong to its successor."""
    await tx.execute(
        """
        UPDATE authorization_codes SET browser_session_id = $3
        WHERE user_id = $1 AND browser_session_id = $2 AND consumed_at IS NULL
        """,
        user_id,
        old_session_id,
        new_session_id,
    )


async def prune(db: Executor, before: datetime) -> int:
    """Delete codes that expired before an instant; returns how many."""
    return await prune_expired(db, "authorization_codes", "code_hash", before)
