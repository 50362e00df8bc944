"""The statement that opens sessions: whoever proved themselves may still sign in, now; all of it happens or nothing.

One round trip and one commit, for all that are to be opened at the same time. What the proof used up goes with it, so
that nothing that works once is spent without a session, and no session is there without it: as a part of the statement
(`Using`), or before it in a transaction (`Spend`). Nobody but `signin` sends the statement.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from identry.core.batches import Batches
from identry.core.db import Executor
from identry.records import audit as audit_log
from identry.records import users

Spend = Callable[[Executor], Awaitable[None]]
"""Uses up what proved somebody, in the transaction of what comes of it, which holds the user's row; raises when it was
used before.
"""


async def use_up(tx: Executor, user_id: UUID, *spends: Spend) -> None:
    """Use proofs of a user up, in this order; the user's row is held before whatever hangs on it, as everywhere."""
    await users.lock(tx, user_id)
    for spend in spends:
        await spend(tx)


class Using(NamedTuple):
    """What is used up by the statement that opens a session `a` of a user `u`, at the instant `a.at`.

    Attributes:
        fields: what is known of it, as further columns of `a` with their types.
        tables: where it is, joined to `u`.
        where: what must hold there.
        held: the aliases of the tables, in the order in which their rows are locked.
        writes: statements `<name> AS (…),`, each for the rows of `held` (as `a`) that are in the one before, whose ids
            (`session_id`) they return.
        last: the name of the last one.
        event: of the audit log.
    """

    fields: str
    tables: str
    where: str
    held: str
    writes: str
    last: str
    event: str


class Used(NamedTuple):
    """A `Using` with its values, and the details of its audit row."""

    using: Using
    fields: dict[str, Any]
    details: dict[str, Any]


class NewSession(msgspec.Struct, frozen=True):
    """A session to be opened; the fields are columns of `a`.

    Attributes:
        refresh_token_hash: as PostgreSQL reads bytes (`bytea`).
        proof_event_id, event_id: of the audit rows, in their order; without a `Used` there is only the second.
    """

    id: UUID
    at: datetime
    user_id: UUID
    token_version: int
    expires_at: datetime
    amr: tuple[str, ...]
    refresh_token_hash: str
    ip: str | None
    user_agent: str | None
    request_id: str | None
    tenant_id: UUID | None
    proof_event_id: UUID
    event_id: UUID


def bytea(data: bytes) -> str:
    """Bytes as PostgreSQL reads them in a text."""
    return "\\x" + data.hex()


_encode = msgspec.json.Encoder().encode

_FIELDS = """
    id uuid, at timestamptz, user_id uuid, token_version integer, expires_at timestamptz, amr text[],
    refresh_token_hash bytea, ip text, user_agent text, request_id text, tenant_id uuid,
    proof_event_id uuid, event_id uuid
"""

# The gates once more, of the row as it is when it is locked: a deactivation, a password change or a second factor that
# came while the password was being hashed leaves no session behind.
_MAY = """
    u.id = a.user_id AND u.is_active AND u.approval_status = 'APPROVED' AND u.token_version = a.token_version
    AND (NOT u.mfa_enabled OR 'mfa' = ANY (a.amr))
    AND (a.tenant_id IS NULL OR (
        SELECT tm.is_active AND t.is_active FROM tenant_members tm JOIN tenants t ON t.id = tm.tenant_id
        WHERE tm.tenant_id = a.tenant_id AND tm.user_id = a.user_id))
"""
_FROM = "a.ip, a.user_agent, a.request_id, 'success'"


class Openings:
    """Opens the sessions of one surface."""

    def __init__(self, db: Executor) -> None:
        self._db = db
        self._plain = Batches(self._open_plain)
        self._proven: dict[Using, Batches[tuple[NewSession, Used], bool]] = {}

    async def open(self, new: NewSession, used: Used | None = None) -> bool:
        """Open it, with its audit row; False, and nothing is written, when its user may not or there is nothing to use.

        A user's sessions are opened one after the other. Who is cancelled under way leaves it to happen.

        Raises:
            ServiceUnavailable: the database is away.
        """
        if used is None:
            return await self._plain(new.user_id.bytes, new) or False
        batches = self._proven.get(used.using)
        if batches is None:
            batches = self._proven[used.using] = Batches(self._open_proven)
        return await batches(new.user_id.bytes, (new, used)) or False

    async def open_in(self, tx: Executor, new: NewSession) -> bool:
        """`open`, in the caller's transaction."""
        return bool(await self._sent_by(tx, None, [new]))

    async def _open_plain(self, asked: list[NewSession]) -> dict[bytes, bool]:
        return await self._sent(None, asked, asked)

    async def _open_proven(self, asked: list[tuple[NewSession, Used]]) -> dict[bytes, bool]:
        rows = [msgspec.structs.asdict(new) | used.fields | {"proof_details": used.details} for new, used in asked]
        return await self._sent(asked[0][1].using, rows, [new for new, _ in asked])

    async def _sent(self, using: Using | None, rows: Any, asked: list[NewSession]) -> dict[bytes, bool]:
        opened = await self._sent_by(self._db, using, rows)
        return {new.user_id.bytes: new.id in opened for new in asked}

    async def _sent_by(self, db: Executor, using: Using | None, rows: Any) -> set[UUID]:
        return {row[0] for row in await db.fetch(_statement(using), [_encode(row).decode() for row in rows])}


@cache
def _statement(using: Using | None) -> str:
    """Every row is locked first, users in the order of their ids, all is asked of what is locked, then it is written.

    What decides cannot change in between, so nothing is written by halves.
    """
    fields, tables, where, locked, writes, used, proof = _FIELDS, "", _MAY, "u", "", "", ""
    if using is not None:
        fields = f"{_FIELDS}, proof_details jsonb, {using.fields}"
        tables, where, locked, writes = using.tables, f"{_MAY} AND {using.where}", f"u, {using.held}", using.writes
        used = f"AND a.id IN (SELECT session_id FROM {using.last})"  # noqa: S608 - a constant name
        proof = f"""
        SELECT a.proof_event_id, a.at, '{using.event}', 'user', a.user_id, a.user_id, NULL::uuid, NULL::uuid, {_FROM},
               a.proof_details
        FROM held a WHERE a.id IN (SELECT id FROM opened)
        UNION ALL"""  # noqa: S608 - constant expressions
    # The array stands in a sub-select: PostgreSQL does not see how many there are, and one plan does for all.
    return f"""
    WITH held AS MATERIALIZED (
        SELECT a.* FROM unnest((SELECT $1::text[])) AS asked (one)
        CROSS JOIN LATERAL json_to_record(one::json) AS a ({fields})
        JOIN users u ON u.id = a.user_id {tables}
        WHERE {where} ORDER BY u.id FOR NO KEY UPDATE OF {locked}
    ), {writes}
    allowed AS (
        UPDATE users u SET last_login_at = a.at FROM held a WHERE u.id = a.user_id {used} RETURNING a.id
    ), opened AS (
        INSERT INTO sessions (id, user_id, created_at, expires_at, auth_time, amr, token_version, refresh_token_hash,
                              ip, user_agent, tenant_id)
        SELECT id, user_id, at, expires_at, at, amr, token_version, refresh_token_hash, ip, user_agent, tenant_id
        FROM held WHERE id IN (SELECT id FROM allowed) RETURNING id
    ), logged AS (
        {audit_log.INSERT} {proof}
        SELECT a.event_id, a.at, 'auth.login.succeeded', 'user', a.user_id, a.user_id, a.tenant_id, a.id, {_FROM},
               jsonb_build_object('amr', a.amr)
        FROM held a WHERE a.id IN (SELECT id FROM opened)
    )
    SELECT id FROM opened
    """  # noqa: S608 - constant expressions
