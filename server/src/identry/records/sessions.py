"""Sessions: one row per sign-in; it is the truth about "still signed in" and holds its current refresh token's hash.

Invariants: only a SHA-256 of a refresh token is stored; a session ends for good (`revoked_at` is never cleared);
its horizon (`expires_at`) is fixed at the start and no rotation moves it. With a browser's session end the grants that
hang on it (`browser_session_id`); with a grant of a client that wants to hear of it (`backchannel_logout_uri`) goes a
notice (`logout_notices`), in the same transaction, whoever ends it.
Source: first seed §1 "Sessions"; contracts/platform-api.md §4.2, §9; DESIGN §4.11.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NewType
from uuid import UUID

import msgspec

from identry.core.db import Executor

SessionId = NewType("SessionId", UUID)


class Session(msgspec.Struct, frozen=True):
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
    client_id: UUID | None


async def live_of(db: Executor, user_id: UUID, now: datetime) -> list[Shown]:
    """The live sessions of a user, the newest first."""
    rows = await db.fetch(
        """
        SELECT s.id, s.tenant_id, s.created_at, COALESCE(s.rotated_at, s.created_at), s.expires_at, s.amr, s.ip,
               s.user_agent, s.client_id
        FROM sessions s JOIN users u ON u.id = s.user_id
        WHERE s.user_id = $1 AND s.revoked_at IS NULL AND s.expires_at > $2 AND s.token_version = u.token_version
        ORDER BY s.id DESC LIMIT 1000
        """,
        user_id,
        now,
    )
    return [Shown(*row) for row in rows]


def _ending(which: str) -> str:
    """The statement that ends the sessions `which` at $1 because of $2, and tells clients that want to hear."""
    return f"""
    WITH ended AS (
        UPDATE sessions SET revoked_at = $1, revoked_reason = $2, successor_sealed = NULL
        WHERE {which} AND revoked_at IS NULL
        RETURNING id, user_id, client_id, client_id IS NULL AND tenant_id IS NULL AS bears, expires_at > $1 AS was_live
    ), told AS (
        INSERT INTO logout_notices (id, client_id, user_number, session_id, next_attempt_at, created_at)
        SELECT gen_random_uuid(), c.id, u.number, ended.id, $1, $1
        FROM ended JOIN clients c ON c.id = ended.client_id JOIN users u ON u.id = ended.user_id
        WHERE ended.was_live AND c.backchannel_logout_uri IS NOT NULL
    )
    SELECT id, user_id, bears, was_live FROM ended
    """  # noqa: S608 - constant conditions


_END = _ending(f"id = {THE_ID.replace('$1', '$3')}")
_END_OWN = _ending(f"id = {THE_ID.replace('$1', '$3')} AND user_id = $4 AND expires_at > $1")
_END_ALL = _ending("user_id = $3 AND id IS DISTINCT FROM $4")
_END_OTHERS = _ending("user_id = $3 AND id <> $4 AND browser_session_id IS DISTINCT FROM $4")
_END_GRANTS = _ending("browser_session_id = $3")
_END_CLIENT = _ending("client_id = $3 AND ($4::uuid[] IS NULL OR user_id = ANY ($4))")


async def _end_grants(tx: Executor, ended: list[Any], reason: str, now: datetime) -> list[UUID]:
    """End what hangs on a browser's session that has just ended; returns all ids that ended.

    A statement of its own: a code that became a grant while the first one waited for it is seen only by a later one.
    """
    ids = [row["id"] for row in ended]
    for row in ended:
        if row["bears"]:
            ids += [grant["id"] for grant in await tx.fetch(_END_GRANTS, now, reason, row["id"])]
    return ids


async def held_by(tx: Executor, session_id: UUID) -> tuple[UUID | None, UUID] | None:
    """The client (None: of the platform or a browser) and the user of a session, ended or not; None: unknown."""
    sql = f"SELECT client_id, user_id FROM sessions WHERE id = {THE_ID}"  # noqa: S608 - constant
    row = await tx.fetchrow(sql, session_id)
    return (row[0], row[1]) if row else None


async def end(tx: Executor, session_id: UUID, reason: str, now: datetime) -> list[UUID]:
    """End one session and what hangs on it; returns the ids of all that this call ended, to be marked."""
    return await _end_grants(tx, await tx.fetch(_END, now, reason, session_id), reason, now)


async def end_of_client(
    tx: Executor, client_row_id: UUID, reason: str, now: datetime, *, of: Sequence[UUID] | None = None
) -> list[UUID]:
    """End every grant to a client, or those `of` some users; returns the ids of those that were live."""
    rows = await tx.fetch(_END_CLIENT, now, reason, client_row_id, of)
    return [row["id"] for row in rows if row["was_live"]]


async def bearer_of(db: Executor, grant_id: UUID) -> UUID:
    """The browser session that a grant hangs on; the grant itself when it hangs on none (or is not known any more)."""
    sql = f"SELECT browser_session_id FROM sessions WHERE id = {THE_ID}"  # noqa: S608 - constant
    found: UUID | None = await db.fetchval(sql, grant_id)
    return found or grant_id


async def touch(db: Executor, session_id: UUID, now: datetime) -> None:
    """A session without refreshes was used."""
    sql = f"UPDATE sessions SET rotated_at = $2 WHERE id = {THE_ID} AND revoked_at IS NULL"  # noqa: S608 - constant
    await db.execute(sql, session_id, now)


async def move_grants(tx: Executor, old_id: UUID, new_id: UUID) -> None:
    """What hangs on one browser session hangs on its successor from now on."""
    await tx.execute(
        "UPDATE sessions SET browser_session_id = $2 WHERE browser_session_id = $1 AND revoked_at IS NULL",
        old_id,
        new_id,
    )


async def revoke_own(tx: Executor, session_id: UUID, user_id: UUID, reason: str, now: datetime) -> bool:
    """End one live session of this user, and what hangs on it; False when the user has none with this id."""
    rows = await tx.fetch(_END_OWN, now, reason, session_id, user_id)
    await _end_grants(tx, rows, reason, now)
    return len(rows) == 1


async def factor_proven_at(db: Executor, session_id: UUID) -> datetime | None:
    """When a session last proved a second factor; None: never."""
    proven_at: datetime | None = await db.fetchval(
        f"""
        SELECT CASE WHEN 'mfa' = ANY (amr) THEN GREATEST(auth_time, factor_at) ELSE factor_at END
        FROM sessions WHERE id = {THE_ID}
        """,  # noqa: S608 - constant
        session_id,
    )
    return proven_at


async def client_of(db: Executor, session_id: UUID) -> UUID | None:
    """Our id of the application that a session is a grant to; None: it is none, or unknown."""
    row_id: UUID | None = await db.fetchval(
        f"SELECT client_id FROM sessions WHERE id = {THE_ID}",  # noqa: S608 - constant
        session_id,
    )
    return row_id


_FACTOR_AT = "CASE WHEN 'mfa' = ANY (s.amr) THEN GREATEST(s.auth_time, s.factor_at) ELSE s.factor_at END"


async def step_up(db: Executor, session_id: UUID, tenant_id: UUID) -> tuple[bool, datetime | None]:
    """Whether the tenant wants a recent second factor for what is sensitive, and when the session last proved one."""
    row = await db.fetchrow(
        f"""
        SELECT t.mfa_for_changes, {_FACTOR_AT}
        FROM sessions s, tenants t WHERE s.id = {THE_ID} AND t.id = $2
        """,  # noqa: S608 - constant
        session_id,
        tenant_id,
    )
    return (row[0], row[1]) if row else (True, None)


async def step_up_anywhere(db: Executor, session_id: UUID) -> tuple[bool, datetime | None]:
    """As `step_up`, for a session that is of no tenant: whether any open tenant of its user wants it."""
    row = await db.fetchrow(
        f"""
        SELECT EXISTS (SELECT FROM tenant_members tm JOIN tenants t ON t.id = tm.tenant_id
                       WHERE tm.user_id = s.user_id AND tm.is_active AND t.is_active AND t.mfa_for_changes),
               {_FACTOR_AT}
        FROM sessions s WHERE s.id = {THE_ID}
        """,  # noqa: S608 - constant
        session_id,
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
    """End one session and what hangs on it; its user's id, or None (unknown, ended before)."""
    rows = await tx.fetch(_END, now, reason, session_id)
    await _end_grants(tx, rows, reason, now)
    return rows[0]["user_id"] if rows else None


async def revoke_all(
    tx: Executor, user_id: UUID, reason: str, now: datetime, *, keep: UUID | None = None
) -> list[UUID]:
    """End every live session of a user (but `keep`); returns the ids of those that this call ended."""
    rows = await tx.fetch(_END_ALL, now, reason, user_id, keep)
    return [row["id"] for row in rows if row["was_live"]]


async def revoke_others(tx: Executor, user_id: UUID, keep: UUID, reason: str, now: datetime) -> list[UUID]:
    """End every live session of a user but one and the grants that hang on it; the ids of those that ended now."""
    rows = await tx.fetch(_END_OTHERS, now, reason, user_id, keep)
    return [row["id"] for row in rows if row["was_live"]]


# Session `s` by its id, $1, and its user `u`.
OF_USER = f"sessions s JOIN users u ON u.id = s.user_id AND s.id = {THE_ID}"

# The same of many, $1 (in a sub-select PostgreSQL does not see how many: one plan does for all).
OF_USERS = """
    unnest((SELECT $1::uuid[])) AS asked (id) JOIN sessions s ON s.id = asked.id JOIN users u ON u.id = s.user_id
"""

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
