"""Sessions: one row per sign-in; it is the truth about "still signed in" and holds its current refresh token's hash.

Invariants: only a SHA-256 of a refresh token is stored; a session ends for good (`revoked_at` is never cleared);
its horizon (`expires_at`) is fixed at the start and no rotation moves it.
Source: first seed §1 "Sessions"; contracts/platform-api.md §4.2, §9; DESIGN §4.11.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NewType
from uuid import UUID

from identry.core.db import Executor, affected

SessionId = NewType("SessionId", UUID)


@dataclass(frozen=True, slots=True)
class Session:
    """A row of `sessions`; the field order is the column order of the SELECTs here."""

    id: UUID
    user_id: UUID
    created_at: datetime
    expires_at: datetime
    auth_time: datetime
    amr: list[str]
    token_version: int
    refresh_generation: int
    refresh_token_hash: bytes
    predecessor_hash: bytes | None
    successor_sealed: bytes | None
    rotated_at: datetime | None
    revoked_at: datetime | None


# The id $1, in words that PostgreSQL cannot evaluate before a statement runs. The table is partitioned: it finds a plan
# made for one known id so much cheaper than one for any id that it plans anew at each execution, which costs five times
# the execution itself. A plan for this is made once, and passes over the other partitions when it starts.
THE_ID = "CASE WHEN now() IS NOT NULL THEN $1::uuid END"

COLUMNS = (
    "id, user_id, created_at, expires_at, auth_time, amr, token_version, refresh_generation, "
    "refresh_token_hash, predecessor_hash, successor_sealed, rotated_at, revoked_at"
)


async def find(db: Executor, session_id: UUID) -> Session | None:
    """The session, ended or not, or None."""
    row = await db.fetchrow(f"SELECT {COLUMNS} FROM sessions WHERE id = {THE_ID}", session_id)  # noqa: S608 - constant
    return Session(*row) if row else None


@dataclass(frozen=True, slots=True)
class Shown:
    """A live session as its owner sees it; the field order is the column order of the SELECT here."""

    id: UUID
    tenant_id: UUID | None
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    amr: list[str]
    ip: str | None
    user_agent: str | None


async def live_of(db: Executor, user_id: UUID, now: datetime) -> list[Shown]:
    """The live sessions of a user, the newest first."""
    rows = await db.fetch(
        """
        SELECT s.id, s.tenant_id, s.created_at, COALESCE(s.rotated_at, s.created_at), s.expires_at, s.amr, s.ip,
               s.user_agent
        FROM sessions s JOIN users u ON u.id = s.user_id
        WHERE s.user_id = $1 AND s.revoked_at IS NULL AND s.expires_at > $2 AND s.token_version = u.token_version
        ORDER BY s.id DESC LIMIT 1000
        """,
        user_id,
        now,
    )
    return [Shown(*row) for row in rows]


async def revoke_own(tx: Executor, session_id: UUID, user_id: UUID, reason: str, now: datetime) -> bool:
    """End one live session of this user; False when the user has none with this id."""
    tag = await tx.execute(
        f"""
        UPDATE sessions SET revoked_at = $4, revoked_reason = $3, successor_sealed = NULL
        WHERE id = {THE_ID} AND user_id = $2 AND revoked_at IS NULL AND expires_at > $4
        """,  # noqa: S608 - constant
        session_id,
        user_id,
        reason,
        now,
    )
    return affected(tag) == 1


async def step_up(db: Executor, session_id: UUID, tenant_id: UUID) -> tuple[bool, datetime | None]:
    """Whether the tenant wants a recent second factor for what is sensitive, and when the session last proved one."""
    row = await db.fetchrow(
        f"""
        SELECT t.mfa_for_changes,
               CASE WHEN 'mfa' = ANY (s.amr) THEN GREATEST(s.auth_time, s.factor_at) ELSE s.factor_at END
        FROM sessions s, tenants t WHERE s.id = {THE_ID} AND t.id = $2
        """,  # noqa: S608 - constant
        session_id,
        tenant_id,
    )
    return (row[0], row[1]) if row else (True, None)


async def prove_factor(tx: Executor, session_id: UUID, now: datetime) -> None:
    """The session's user has just proven a second factor in it; from now on it counts as signed in with one."""
    await tx.execute(
        f"""
        UPDATE sessions
        SET factor_at = $2, amr = CASE WHEN 'mfa' = ANY (amr) THEN amr ELSE amr || ARRAY['otp', 'mfa'] END
        WHERE id = {THE_ID}
        """,  # noqa: S608 - constant
        session_id,
        now,
    )


async def carry(tx: Executor, session_id: UUID, token_version: int) -> None:
    """Let one session go on under the user's new token version: the one that made the change."""
    sql = f"UPDATE sessions SET token_version = $2 WHERE id = {THE_ID}"  # noqa: S608 - constant
    await tx.execute(sql, session_id, token_version)


async def revoke(tx: Executor, session_id: UUID, reason: str, now: datetime) -> UUID | None:
    """End one session; returns its user's id when this call ended it, None when unknown or ended before."""
    user_id: UUID | None = await tx.fetchval(
        f"""
        UPDATE sessions SET revoked_at = $3, revoked_reason = $2, successor_sealed = NULL
        WHERE id = {THE_ID} AND revoked_at IS NULL RETURNING user_id
        """,  # noqa: S608 - constant
        session_id,
        reason,
        now,
    )
    return user_id


async def revoke_all(
    tx: Executor, user_id: UUID, reason: str, now: datetime, *, keep: UUID | None = None
) -> list[UUID]:
    """End every live session of a user (but `keep`); returns the ids of those that this call ended."""
    rows = await tx.fetch(
        """
        UPDATE sessions SET revoked_at = $3, revoked_reason = $2, successor_sealed = NULL
        WHERE user_id = $1 AND revoked_at IS NULL AND id IS DISTINCT FROM $4
        RETURNING id, expires_at > $3 AS was_live
        """,
        user_id,
        reason,
        now,
        keep,
    )
    return [row["id"] for row in rows if row["was_live"]]


# Session `s` by its id, $1, and its user `u`.
OF_USER = f"sessions s JOIN users u ON u.id = s.user_id AND s.id = {THE_ID}"

# The access version of session `s`'s tenant; null when it is of none, or its user has no active place in an active one.
ACCESS_VERSION = """
    (SELECT t.access_version FROM tenant_members tm JOIN tenants t ON t.id = tm.tenant_id
     WHERE tm.tenant_id = s.tenant_id AND tm.user_id = s.user_id AND tm.is_active AND t.is_active)
"""

# Why session `s` of user `u` no longer counts at $2; null while it does. First its own end, then its user's state.
ENDED = """
    CASE WHEN s.revoked_at IS NOT NULL THEN 'revoked'
         WHEN s.expires_at <= $2 THEN 'expired'
         WHEN NOT u.is_active THEN 'inactive'
         WHEN u.approval_status <> 'APPROVED' THEN 'not approved'
         WHEN u.token_version <> s.token_version THEN 'superseded'
    END
"""
