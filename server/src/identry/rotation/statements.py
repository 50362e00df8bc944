"""A rotation is one compare-and-swap: of N requests that present one token, exactly one makes the successor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from identry import profile
from identry.core.db import Executor
from identry.records import audit as audit_log
from identry.records import seats, sessions

# What is demanded now is held against what the session began with, so a demand that is new counts at the next refresh:
# of the deployment (MFA_REQUIRED) and of the account itself; of the tenant of a browser's session; of every tenant of
# the user for a platform session, whose tokens reach them all.
_OF_TENANT = f"""
    (NOT t.mfa_required OR 'mfa' = ANY (s.amr))
    AND (t.auth_policy <> 'restricted' OR NOT s.amr[1] = ANY ({seats.LOCAL_SQL}))
"""
_BY_ITS_TENANT = f"""
    EXISTS (
        SELECT FROM tenant_members tm JOIN tenants t ON t.id = tm.tenant_id
        WHERE tm.tenant_id = s.tenant_id AND tm.user_id = s.user_id AND tm.is_active AND t.is_active
          AND {_OF_TENANT})
"""
ADMITTED = f"CASE WHEN s.tenant_id IS NULL THEN {seats.ADMITTED_BY_ALL} ELSE {_BY_ITS_TENANT} END"
"""Whether those tenants that session `s` answers to are content with how it began."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What differs between the sessions of the surfaces.

    Attributes:
        columns: name → expression over session `s`, user `u` and `tables`: what the surface's tokens need besides.
        admitted: what a session must meet to go on, over the same and over the holder `a`.
        tables, joined: a further table, and how it is joined to `s`.
        held: whether a token counts only for its holder (then `a` has the fields of `Holder`).
        fits: whether what the holder asks for lies within the session; it does not end by asking for more.
        profiled: whether a rotation tells the person's profile too (the last columns of its row), so that nobody has to
            ask for it.
    """

    columns: Mapping[str, str]
    admitted: str
    tables: str = ""
    joined: str = "true"
    held: bool = False
    fits: str = "true"
    profiled: bool = False


PLATFORM = Reading(
    {"tenant_id": "NULL::uuid", "role": "NULL::text", "plan": "NULL::text"},
    f"s.tenant_id IS NULL AND {seats.ADMITTED_BY_ALL}",
)
SEATED = Reading(
    {
        "tenant_id": "s.tenant_id",
        "role": seats.PLACE_ROLE,
        "plan": "plan.plan",
    },
    f"tm.is_active AND t.is_active AND {_OF_TENANT}",
    tables=profile.PLACE,
    joined=profile.AT_PLACE,
    profiled=True,
)


class Holder(NamedTuple):
    """Who presents a token, and for what.

    Attributes:
        client_id: the client's row.
        jkt: the key that proved itself; None: none.
        scopes: space-separated; None: all of the session's.
        audiences: space-separated; None: all of the session's.
    """

    client_id: UUID | None
    jkt: str | None = None
    scopes: str | None = None
    audiences: str | None = None


NO_HOLDER = Holder(None)


class Asked(NamedTuple):
    """A rotation that is asked for; `event` is its audit row."""

    session_id: UUID
    presented_hash: bytes
    successor_hash: bytes
    successor_sealed: bytes
    event: tuple[Any, ...]
    holder: Holder = NO_HOLDER


_GRANT = "p.user_id, p.amr, p.auth_time, p.expires_at, p.global_role, p.token_version"
_TERMS = "s.amr, s.auth_time, s.expires_at, u.global_role, u.token_version"


class Statements:
    """The two statements of a surface.

    Args:
        mfa_required: whether the deployment demands a second factor.
    """

    def __init__(self, reading: Reading, *, mfa_required: bool) -> None:
        self._mfa_required = mfa_required
        self._held = reading.held
        self._rotate = _rotate(reading)
        self._repeat = _repeat(reading)

    async def rotate(self, db: Executor, asked: list[Asked]) -> list[Any]:
        """Swap presented tokens for their successors, each of a session of its own.

        Returns `session_id` and the grant columns (then the profile, where the reading has one) of those whose
        presented token was the current one, in any order.
        """
        events = [one.event for one in asked]
        _, _, name, actor_type, _, _, _, _, _, _, _, outcome, details = events[0]
        return await db.fetch(
            self._rotate,
            *zip(*(one[:4] for one in asked), strict=True),
            *zip(*((event[0], event[1], *event[8:11]) for event in events), strict=True),
            name,
            actor_type,
            outcome,
            details,
            self._mfa_required,
            *(zip(*(one.holder for one in asked), strict=True) if self._held else ()),
        )

    async def repeat(
        self,
        db: Executor,
        session_id: UUID,
        presented_hash: bytes,
        now: datetime,
        window: tuple[datetime, datetime],
        event: tuple[Any, ...],
        holder: Holder = NO_HOLDER,
    ) -> Any | None:
        """The session as it is, with `live`, `fits` and `in_grace`, or None; when all are true, `event` is audited.

        A rotation is in grace when it happened after the first and not after the second instant of `window`.
        """
        row_id, occurred_at, name, actor_type, _, _, *rest = event
        args = (session_id, presented_hash, now, *window, row_id, occurred_at, name, actor_type, *rest)
        return await db.fetchrow(self._repeat, *args, self._mfa_required, *(holder if self._held else ()))


def _factor(demanded: str) -> str:
    """The session began with a second factor, or nobody asks for one: not the deployment (`demanded`), not its user."""
    return f"('mfa' = ANY (s.amr) OR NOT ({demanded} OR u.mfa_enabled))"


def _arrays(types: str, first: int = 1) -> str:
    """Parameters as arrays. In a sub-select PostgreSQL does not see their lengths: one plan does for all."""
    return ", ".join(f"(SELECT ${number}::{kind}[])" for number, kind in enumerate(types.split(), first))


def _selected(reading: Reading) -> str:
    return "".join(f", {expression} AS {name}" for name, expression in reading.columns.items())


# The user's state is part of the condition: nobody who may not sign in refreshes. The audit rows ride along, so
# "rotated without a trace" cannot happen, and all of it is one round trip and one commit.
def _rotate(reading: Reading) -> str:
    arrays, names = _arrays("uuid bytea bytea bytea uuid timestamptz text text text"), ""
    if reading.held:
        arrays, names = f"{arrays}, {_arrays('uuid text text text', 15)}", ", client_id, jkt, scopes, audiences"
    returned, told, behind = f"s.user_id{_selected(reading)}", "".join(f", p.{name}" for name in reading.columns), ""
    if reading.profiled:  # what hangs on the person is gathered behind the update: it would do so for each partition
        returned, told, behind = profile.PERSON, f"{told}, {profile.COLUMNS}", profile.TABLES
    return f"""
    WITH asked AS (
        SELECT * FROM unnest({arrays})
            AS a (session_id, presented, successor, sealed, event_id, at, ip, user_agent, request_id{names})
    ), rotated AS (
        UPDATE sessions s
        SET refresh_token_hash = a.successor, refresh_generation = s.refresh_generation + 1,
            predecessor_hash = a.presented, successor_sealed = a.sealed, rotated_at = a.at
        FROM asked a, users u{f", {reading.tables}" if reading.tables else ""}
        WHERE s.id = a.session_id AND {reading.joined} AND s.refresh_token_hash = a.presented AND s.revoked_at IS NULL
          AND s.expires_at > a.at AND u.id = s.user_id AND u.is_active AND u.approval_status = 'APPROVED'
          AND u.token_version = s.token_version AND {_factor("$14")} AND {reading.admitted} AND {reading.fits}
        RETURNING a.session_id, a.event_id, a.at, a.ip, a.user_agent, a.request_id, {_TERMS}, {returned}
    ), logged AS (
        {audit_log.INSERT}
        SELECT r.event_id, r.at, $10, $11, r.user_id, r.user_id, NULL, r.session_id, r.ip, r.user_agent, r.request_id,
               $12, $13
        FROM rotated r
    )
    SELECT p.session_id, {_GRANT}{told} FROM rotated p {behind}
    """  # noqa: S608 - constant column names


# The token is not the current one. An honest retry (the predecessor, inside the window) is logged by the statement that
# finds it to be one: of a crowd that presents one token all but one come here, and each costs one round trip.
def _repeat(reading: Reading) -> str:
    holder = "$18::uuid AS client_id, $19::text AS jkt, $20::text AS scopes, $21::text AS audiences"
    joined = f" JOIN {reading.tables} ON {reading.joined}" if reading.tables else ""
    return f"""
    WITH found AS (
        SELECT s.user_id, {_TERMS}{_selected(reading)}, s.refresh_generation, s.successor_sealed,
               {reading.fits} AS fits,
               s.revoked_at IS NULL AND s.expires_at > $3 AND u.is_active AND u.approval_status = 'APPROVED'
                   AND u.token_version = s.token_version AND {_factor("$17")} AND {reading.admitted} AS live,
               COALESCE(s.predecessor_hash = $2 AND s.successor_sealed IS NOT NULL
                        AND s.rotated_at > $4 AND s.rotated_at <= $5, false) AS in_grace
        FROM {sessions.OF_USER}{joined}{f" CROSS JOIN (SELECT {holder}) a" if reading.held else ""}
    ), logged AS (
        {audit_log.INSERT}
        SELECT $6, $7, $8, $9, found.user_id, found.user_id, $10, $11, $12, $13, $14, $15, $16 FROM found
        WHERE found.live AND found.in_grace AND found.fits
    )
    SELECT * FROM found
    """  # noqa: S608 - constant column names
