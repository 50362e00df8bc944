"""The figures. Each count ends at `MOST`: a first page costs the same, however many accounts and events there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec

from identry.core.db import Executor
from identry.records.audit import SIGN_IN_FAILED, SIGNED_IN

MOST = 100_000
SCANNED = 10_000
"""Newest events among which activity is looked for."""

QUIET = ("auth.refresh.rotated", "auth.refresh.replayed")
"""Events that are no activity of a person."""


@dataclass(frozen=True, slots=True)
class Stats:
    """The platform now, and its last day."""

    users: int
    inactive_users: int
    apps: int
    active_apps: int
    sessions: int
    new_users: int
    logins: int
    failures: int
    blocked: int


@dataclass(frozen=True, slots=True)
class Day:
    """Sign-ins of one day (UTC); `people` is of how many accounts those were that succeeded."""

    day: date
    succeeded: int
    failed: int
    people: int


@dataclass(frozen=True, slots=True)
class Usage:
    """One application: its members, those of them who have a live session at it, its sign-ins since an instant."""

    number: int
    name: str
    client_id: str
    members: int
    active: int
    logins: int
    last_activity: datetime | None


@dataclass(frozen=True, slots=True)
class Activity:
    """One event."""

    id: UUID
    occurred_at: datetime
    event: str
    success: bool
    user_number: int | None
    user_email: str | None
    app_number: int | None
    app_name: str | None
    ip: str | None
    details: dict[str, Any]


def _capped(rows: str) -> str:
    return f"(SELECT count(*) FROM (SELECT 1 FROM {rows} LIMIT {MOST}) AS counted)"  # noqa: S608 - constant


_OF_EVENT = "auth_audit_logs l WHERE l.event <> 'auth.refresh.rotated' AND"
_STATS = f"""
    SELECT {_capped("users")}, {_capped("users WHERE NOT is_active")},
           {_capped("clients WHERE client_id <> 'identry-admin'")},
           {_capped("clients WHERE client_id <> 'identry-admin' AND is_active")},
           {_capped("sessions WHERE revoked_at IS NULL AND expires_at > $1")},
           {_capped("users WHERE created_at >= $2")},
           {_capped(f"{_OF_EVENT} l.event = $4 AND l.id >= $3")},
           {_capped(f"unnest($5::text[]) AS e (event), LATERAL (SELECT 1 FROM {_OF_EVENT} l.event = e.event AND l.id >= $3) AS f")},
           {_capped("blocked_addresses WHERE expires_at IS NULL OR expires_at > $1")}
"""  # noqa: S608, E501 - constant
_TRENDS = f"""
    SELECT span.day, good.count, bad.count, good.people
    FROM unnest($1::date[], $2::uuid[], $3::uuid[]) AS span (day, since, until)
    CROSS JOIN LATERAL (
        SELECT count(*), count(DISTINCT person) AS people
        FROM (SELECT l.target_user_id AS person
              FROM {_OF_EVENT} l.event = $4 AND l.id >= span.since AND l.id < span.until LIMIT {MOST}) AS counted
    ) AS good
    CROSS JOIN LATERAL (
        SELECT count(*) FROM (
            SELECT 1 FROM unnest($5::text[]) AS e (event), LATERAL (
                SELECT 1 FROM {_OF_EVENT} l.event = e.event AND l.id >= span.since AND l.id < span.until
            ) AS f LIMIT {MOST}) AS counted
    ) AS bad
    ORDER BY span.day
"""  # noqa: S608 - constant
_USAGE = f"""
    SELECT c.number, c.name, c.client_id,
           (SELECT count(*) FROM (SELECT 1 FROM app_members m WHERE m.client_id = c.id LIMIT {MOST}) AS counted),
           (SELECT count(DISTINCT user_id) FROM (SELECT s.user_id FROM sessions s WHERE s.client_id = c.id
                AND s.revoked_at IS NULL AND s.expires_at > $1 LIMIT {MOST}) AS counted),
           (SELECT count(*) FROM (SELECT 1 FROM auth_audit_logs l WHERE l.details ? 'client'
                AND l.details ->> 'client' = c.client_id AND l.event IN ('auth.login.succeeded', 'oauth.grant.opened')
                AND l.id >= $2 LIMIT {MOST}) AS counted),
           (SELECT l.occurred_at FROM auth_audit_logs l
            WHERE l.details ? 'client' AND l.details ->> 'client' = c.client_id ORDER BY l.id DESC LIMIT 1)
    FROM clients c WHERE c.client_id <> 'identry-admin' ORDER BY c.number DESC LIMIT $3
"""  # noqa: S608 - constant
_ACTIVITY = f"""
    SELECT found.id, found.occurred_at, found.event, found.outcome = 'success', u.number, u.email, c.number, c.name,
           found.ip, found.details
    FROM (SELECT * FROM (SELECT * FROM auth_audit_logs ORDER BY id DESC LIMIT {SCANNED}) AS newest
          WHERE event <> ALL ($1) ORDER BY id DESC LIMIT $2) AS found
    LEFT JOIN users u ON u.id = COALESCE(found.target_user_id, found.actor_user_id)
    LEFT JOIN clients c ON c.client_id = found.details ->> 'client'
    ORDER BY found.id DESC
"""  # noqa: S608 - constant


async def stats(db: Executor, now: datetime, day: datetime, since: UUID) -> Stats:
    """The figures now; of the last day since an instant, once as such and once as an id."""
    row = await db.fetchrow(_STATS, now, day, since, SIGNED_IN, list(SIGN_IN_FAILED))
    assert row is not None
    return Stats(*row)


async def trends(db: Executor, days: Sequence[tuple[date, UUID, UUID]]) -> list[Day]:
    """Sign-ins of days, each with the first id of it and of the day after."""
    columns = [list(column) for column in zip(*days, strict=True)]
    return [Day(*row) for row in await db.fetch(_TRENDS, *columns, SIGNED_IN, list(SIGN_IN_FAILED))]


async def usage(db: Executor, now: datetime, since: UUID, limit: int) -> list[Usage]:
    """Applications, the newest first."""
    return [Usage(*row) for row in await db.fetch(_USAGE, now, since, limit)]


async def count_apps(db: Executor) -> int:
    """How many applications there are."""
    found: int = await db.fetchval("SELECT count(*) FROM clients WHERE client_id <> 'identry-admin'")
    return found


async def activity(db: Executor, limit: int) -> list[Activity]:
    """What happened last, without what programs do for people all the time."""
    rows = await db.fetch(_ACTIVITY, list(QUIET), limit)
    return [Activity(*list(row)[:-1], msgspec.json.decode(row[-1]) if row[-1] else {}) for row in rows]  # type: ignore[call-arg]  # the SELECT's columns
