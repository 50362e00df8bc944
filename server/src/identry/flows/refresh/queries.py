"""A rotation is one compare-and-swap: of N requests that present one token, exactly one makes the successor."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from identry.core.db import Executor
from identry.records import audit as audit_log
from identry.records import seats, sessions
from identry.signin import LOCAL

# What is demanded now is held against what the session began with, so a demand that is new counts at the next refresh:
# of the deployment (MFA_REQUIRED) and of the account itself; of the tenant of a browser's session; of every tenant of
# the user for a platform session, whose tokens reach them all.
_LOCAL = f"'{{{','.join(sorted(LOCAL))}}}'::text[]"
_BY_ITS_TENANT = f"""
    EXISTS (
        SELECT FROM tenant_members tm JOIN tenants t ON t.id = tm.tenant_id
        WHERE tm.tenant_id = s.tenant_id AND tm.user_id = s.user_id AND tm.is_active AND t.is_active
          AND (NOT t.mfa_required OR 'mfa' = ANY (s.amr))
          AND (t.auth_policy <> 'restricted' OR NOT s.amr[1] = ANY ({_LOCAL})))
"""
_BY_ALL_TENANTS = f"""
    NOT EXISTS (
        SELECT FROM tenant_members tm JOIN tenants t ON t.id = tm.tenant_id
        WHERE tm.user_id = s.user_id AND tm.is_active AND t.is_active
          AND (t.mfa_required AND NOT 'mfa' = ANY (s.amr)
               OR t.auth_policy = 'restricted' AND s.amr[1] = ANY ({_LOCAL})))
"""
_ADMITTED = f"CASE WHEN s.tenant_id IS NULL THEN {_BY_ALL_TENANTS} ELSE {_BY_ITS_TENANT} END"
_SEAT = f"""
    s.tenant_id,
    (SELECT {seats.ROLE} FROM tenant_members tm WHERE tm.tenant_id = s.tenant_id AND tm.user_id = s.user_id) AS role,
    (SELECT e.plan FROM company_entitlements e WHERE e.company_id = s.tenant_id) AS plan
"""  # noqa: S608 - constant expressions


def _factor(demanded: str) -> str:
    """The session began with a second factor, or nobody asks for one: not the deployment (`demanded`), not its user."""
    return f"('mfa' = ANY (s.amr) OR NOT ({demanded} OR u.mfa_enabled))"


def _arrays(types: str) -> str:
    """Parameters $1, $2 … as arrays. In a sub-select PostgreSQL does not see their lengths: one plan does for all."""
    return ", ".join(f"(SELECT ${number}::{kind}[])" for number, kind in enumerate(types.split(), 1))


# The user's state is part of the condition: nobody who may not sign in refreshes. The audit rows ride along, so
# "rotated without a trace" cannot happen, and all of it is one round trip and one commit.
def _rotate(seat: str, admitted: str) -> str:
    """The statement that swaps tokens: `seat` are the columns of a session's tenant, `admitted` asks the demands."""
    return f"""
    WITH asked AS (
        SELECT * FROM unnest({_arrays("uuid bytea bytea bytea uuid timestamptz text text text")})
            AS a (session_id, presented, successor, sealed, event_id, at, ip, user_agent, request_id)
    ), rotated AS (
        UPDATE sessions s
        SET refresh_token_hash = a.successor, refresh_generation = s.refresh_generation + 1,
            predecessor_hash = a.presented, successor_sealed = a.sealed, rotated_at = a.at
        FROM asked a, users u
        WHERE s.id = a.session_id AND s.refresh_token_hash = a.presented AND s.revoked_at IS NULL
          AND s.expires_at > a.at AND u.id = s.user_id AND u.is_active AND u.approval_status = 'APPROVED'
          AND u.token_version = s.token_version AND {_factor("$14")} AND {admitted}
        RETURNING a.*, s.user_id, s.amr, s.auth_time, s.expires_at, u.global_role, u.token_version, {seat}
    ), logged AS (
        {audit_log.INSERT}
        SELECT r.event_id, r.at, $10, $11, r.user_id, r.user_id, NULL, r.session_id, r.ip, r.user_agent, r.request_id,
               $12, $13
        FROM rotated r
    )
    SELECT session_id, user_id, amr, auth_time, expires_at, global_role, token_version, tenant_id, role, plan
    FROM rotated
    """  # noqa: S608 - constant column names


_ROTATE = _rotate("NULL::uuid AS tenant_id, NULL AS role, NULL AS plan", f"s.tenant_id IS NULL AND {_BY_ALL_TENANTS}")
_ROTATE_SEATED = _rotate(_SEAT, _BY_ITS_TENANT)

# The token is not the current one. An honest retry (the predecessor, inside the window) is logged by the statement that
# finds it to be one: of a crowd that presents one token all but one come here, and each costs one round trip.
_REPEAT = f"""
    WITH found AS (
        SELECT s.user_id, s.amr, s.auth_time, s.expires_at, u.global_role, u.token_version, {_SEAT},
               s.refresh_generation, s.successor_sealed,
               s.revoked_at IS NULL AND s.expires_at > $3 AND u.is_active AND u.approval_status = 'APPROVED'
                   AND u.token_version = s.token_version AND {_factor("$17")} AND {_ADMITTED} AS live,
               COALESCE(s.predecessor_hash = $2 AND s.successor_sealed IS NOT NULL
                        AND s.rotated_at > $4 AND s.rotated_at <= $5, false) AS in_grace
        FROM {sessions.OF_USER}
    ), logged AS (
        {audit_log.INSERT}
        SELECT $6, $7, $8, $9, found.user_id, found.user_id, $10, $11, $12, $13, $14, $15, $16 FROM found
        WHERE found.live AND found.in_grace
    )
    SELECT * FROM found
"""  # noqa: S608 - constant column names


class Asked(NamedTuple):
    """A rotation that is asked for; `event` is its audit row."""

    session_id: UUID
    presented_hash: bytes
    successor_hash: bytes
    successor_sealed: bytes
    event: tuple[Any, ...]


async def rotate(db: Executor, asked: list[Asked], *, seated: bool, mfa_required: bool) -> list[Any]:
    """Swap presented tokens for their successors, each of a session of its own; `seated` sessions are of a tenant.

    `mfa_required`: whether the deployment demands a second factor.
    Returns `session_id` and the grant columns of those whose presented token was the current one, in any order.
    """
    events = [one.event for one in asked]
    _, _, name, actor_type, _, _, _, _, _, _, _, outcome, details = events[0]
    return await db.fetch(
        _ROTATE_SEATED if seated else _ROTATE,
        *zip(*(one[:4] for one in asked), strict=True),
        *zip(*((event[0], event[1], *event[8:11]) for event in events), strict=True),
        name,
        actor_type,
        outcome,
        details,
        mfa_required,
    )


async def repeat(
    db: Executor,
    session_id: UUID,
    presented_hash: bytes,
    now: datetime,
    window: tuple[datetime, datetime],
    event: tuple[Any, ...],
    *,
    mfa_required: bool,
) -> Any | None:
    """The session as it is, with `live` and `in_grace`, or None; when both are true, `event` is in the audit log.

    A rotation is in grace when it happened after the first and not after the second instant of `window`.
    """
    row_id, occurred_at, name, actor_type, _, _, *rest = event
    return await db.fetchrow(
        _REPEAT, session_id, presented_hash, now, *window, row_id, occurred_at, name, actor_type, *rest, mfa_required
    )
