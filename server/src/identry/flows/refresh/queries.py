"""Rotation is one compare-and-swap statement: of N requests that present one token, exactly one makes the successor."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from identry.core.db import Executor
from identry.records import audit as audit_log
from identry.records import seats, sessions

# What is demanded now is held against what the session began with, so a demand that is new counts at the next refresh:
# of the deployment ($17: MFA_REQUIRED) and of the account itself; of the tenant of a browser's session; of every tenant
# of the user for a platform session, whose tokens reach them all.
_FACTOR = "('mfa' = ANY (s.amr) OR NOT ($17 OR u.mfa_enabled))"
_BY_ITS_TENANT = """
    EXISTS (
        SELECT FROM tenant_members tm JOIN tenants t ON t.id = tm.tenant_id
        WHERE tm.tenant_id = s.tenant_id AND tm.user_id = s.user_id AND tm.is_active AND t.is_active
          AND (NOT t.mfa_required OR 'mfa' = ANY (s.amr))
          AND (t.auth_policy <> 'restricted' OR NOT 'pwd' = ANY (s.amr)))
"""
_BY_ALL_TENANTS = """
    NOT EXISTS (
        SELECT FROM tenant_members tm JOIN tenants t ON t.id = tm.tenant_id
        WHERE tm.user_id = s.user_id AND tm.is_active AND t.is_active
          AND (t.mfa_required AND NOT 'mfa' = ANY (s.amr) OR t.auth_policy = 'restricted' AND 'pwd' = ANY (s.amr)))
"""
_ADMITTED = f"{_FACTOR} AND CASE WHEN s.tenant_id IS NULL THEN {_BY_ALL_TENANTS} ELSE {_BY_ITS_TENANT} END"
_SEAT = f"""
    s.tenant_id,
    (SELECT {seats.ROLE} FROM tenant_members tm WHERE tm.tenant_id = s.tenant_id AND tm.user_id = s.user_id) AS role,
    (SELECT e.plan FROM company_entitlements e WHERE e.company_id = s.tenant_id) AS plan
"""  # noqa: S608 - constant expressions


def _rotate(seat: str, admitted: str) -> str:
    """The statement that swaps a token: `seat` are the columns of its session's tenant, `admitted` asks the demands."""
    return f"""
    WITH rotated AS (
        UPDATE sessions s
        SET refresh_token_hash = $3, refresh_generation = s.refresh_generation + 1, predecessor_hash = $2,
            successor_sealed = $4, rotated_at = $5
        FROM users u
        WHERE s.id = {sessions.THE_ID} AND s.refresh_token_hash = $2 AND s.revoked_at IS NULL AND s.expires_at > $5
          AND u.id = s.user_id AND u.is_active AND u.approval_status = 'APPROVED'
          AND u.token_version = s.token_version AND {_FACTOR} AND {admitted}
        RETURNING s.user_id, s.amr, s.auth_time, s.expires_at, u.global_role, u.token_version, {seat}
    ), logged AS (
        {audit_log.INSERT}
        SELECT $6, $7, $8, $9, rotated.user_id, rotated.user_id, $10, $11, $12, $13, $14, $15, $16 FROM rotated
    )
    SELECT * FROM rotated
    """  # noqa: S608 - constant column names


# The user's state is part of the condition: nobody who may not sign in refreshes. The audit row rides along, so
# "rotated without a trace" cannot happen, and the whole rotation is one round trip and one commit.
_ROTATE = _rotate("NULL::uuid AS tenant_id", f"s.tenant_id IS NULL AND {_BY_ALL_TENANTS}")
_ROTATE_SEATED = _rotate(_SEAT, _BY_ITS_TENANT)

# The token is not the current one. An honest retry (the predecessor, inside the window) is logged by the statement that
# finds it to be one: of a crowd that presents one token all but one come here, and each costs one round trip.
_REPEAT = f"""
    WITH found AS (
        SELECT s.user_id, s.amr, s.auth_time, s.expires_at, u.global_role, u.token_version, {_SEAT},
               s.refresh_generation, s.successor_sealed,
               s.revoked_at IS NULL AND s.expires_at > $3 AND u.is_active AND u.approval_status = 'APPROVED'
                   AND u.token_version = s.token_version AND {_ADMITTED} AS live,
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


async def rotate(
    db: Executor,
    session_id: UUID,
    presented_hash: bytes,
    successor_hash: bytes,
    successor_sealed: bytes,
    now: datetime,
    event: tuple[Any, ...],
    *,
    seated: bool,
    mfa_required: bool,
) -> Any | None:
    """Swap the presented token for its successor; the session's grant columns, or None when it was not the current.

    `seated` sessions are of a tenant, the others of none.
    """
    row_id, occurred_at, name, actor_type, _, _, *rest = event
    return await db.fetchrow(
        _ROTATE_SEATED if seated else _ROTATE,
        session_id,
        presented_hash,
        successor_hash,
        successor_sealed,
        now,
        row_id,
        occurred_at,
        name,
        actor_type,
        *rest,
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
