"""Authorization codes: `authorization_codes`; each opens one grant, once, within a minute.

Invariants (SECURITY §1.1, §1.3): stored as a SHA-256 with everything that binds it; taken by one conditional write, by
its own client only; the id of the session that it opens is chosen in advance, so that a second use knows what to end.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID

from identry.core.db import Executor, affected

_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Code:
    """A row of `authorization_codes`; the field order is that of `COLUMNS`.

    Attributes:
        client_id: the client's row.
        session_id: of the grant that it opens.
        browser_session_id: the single sign-on session in which it was given.
        redirect_uri, redirect_uri_given: where it was sent, and whether the request had said so (RFC 6749 §4.1.3).
        audiences: resource servers that were asked for (RFC 8707); None: none.
        code_challenge: None: the client went without PKCE.
        dpop_jkt: the key that it is bound to (RFC 9449 §10).
        token_version: the user's when it was given; another one now makes it worthless.
    """

    client_id: UUID
    user_id: UUID
    session_id: UUID
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

# The browser's session is held while the code becomes a grant: whoever ends it waits, and then finds the grant as well.
_TAKE = f"""
    WITH taken AS (
        UPDATE authorization_codes SET consumed_at = $3
        WHERE code_hash = $1 AND client_id = $2 AND consumed_at IS NULL AND expires_at > $3
        RETURNING {COLUMNS}
    ), browser AS (
        SELECT s.id FROM taken JOIN sessions s ON s.id = taken.browser_session_id
        WHERE s.revoked_at IS NULL FOR SHARE OF s
    )
    SELECT {COLUMNS}, browser_session_id IS NULL OR EXISTS (SELECT FROM browser) FROM taken
"""  # noqa: S608 - constant column names


# The gates are asked again where the code comes into being: for whom it is may have changed since the session was read.
_INSERT = f"""
    INSERT INTO authorization_codes (code_hash, created_at, expires_at, {COLUMNS})
    SELECT $1, $2::timestamptz, $3, $4, $5::uuid, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, u.token_version
    FROM users u
    WHERE u.id = $5 AND u.is_active AND u.approval_status = 'APPROVED' AND u.token_version = $17
      AND ($7::uuid IS NULL OR EXISTS (
          SELECT FROM sessions s
          WHERE s.id = $7 AND s.user_id = u.id AND s.token_version = u.token_version AND s.revoked_at IS NULL
            AND s.expires_at > $2))
"""  # noqa: S608 - constant column names


async def insert(tx: Executor, code_hash: bytes, code: Code, *, now: datetime, expires_at: datetime) -> bool:
    """Store a new code; False when its browser session has ended, or its user may not sign in any more."""
    values = (getattr(code, f.name) for f in fields(Code))
    return affected(await tx.execute(_INSERT, code_hash, now, expires_at, *values)) == 1


async def take(tx: Executor, code_hash: bytes, client_row_id: UUID, now: datetime) -> tuple[Code, bool] | None:
    """Use a code up, and whether the browser's session in which it was given is still alive; None: there is none."""
    row = await tx.fetchrow(_TAKE, code_hash, client_row_id, now)
    return (Code(*row[:-1]), row[-1]) if row else None


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
    """Delete codes that expired before an instant, a thousand at a time; returns how many."""
    total, deleted = 0, _BATCH
    while deleted == _BATCH:
        tag = await db.execute(
            """
            DELETE FROM authorization_codes WHERE code_hash IN
                (SELECT code_hash FROM authorization_codes WHERE expires_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)
            """,
            before,
            _BATCH,
        )
        deleted = affected(tag)
        total += deleted
    return total
