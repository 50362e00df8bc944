"""Applications as they are shown: with the number of their owner and the count of their live secrets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from identry.core.db import Executor
from identry.records import clients
from identry.records.clients import Client
from identry.records.users import ADMINISTRATORS, containing


@dataclass(frozen=True, slots=True)
class Shown:
    """An application to show.

    Attributes:
        client: its row.
        owner_number: of the account that it belongs to.
        secrets: how many of its secrets work now: two during a rotation.
        secret_until: when the older of two ends.
    """

    client: Client
    owner_number: int | None
    secrets: int
    secret_until: datetime | None


@dataclass(frozen=True, slots=True)
class Scope:
    """Which applications a list may hold: all, or those that somebody administers, or that one alone.

    Attributes:
        admin_id: only those of which this user is an `admin`.
        only: only this one.
        search: only those whose name or `client_id` contains this.
    """

    admin_id: UUID | None = None
    only: UUID | None = None
    search: str = ""


_COLUMNS = ", ".join(f"c.{name}" for name in clients.COLUMNS.split(", "))
_LIVE = "s.client_id = c.id AND (s.expires_at IS NULL OR s.expires_at > $1)"
_SELECT = f"""
    SELECT {_COLUMNS}, u.number,
           (SELECT count(*) FROM client_secrets s WHERE {_LIVE}),
           (SELECT min(s.expires_at) FROM client_secrets s WHERE {_LIVE})
    FROM clients c LEFT JOIN users u ON u.id = c.owner_id
"""  # noqa: S608 - constant column names
_IN_SCOPE = """
    WHERE c.client_id <> 'identry-admin' AND ($2::uuid IS NULL OR EXISTS (
              SELECT FROM app_members m WHERE m.client_id = c.id AND m.user_id = $2 AND m.role = 'admin'))
      AND ($3::uuid IS NULL OR c.id = $3)
      AND ($4 = '' OR c.name ILIKE $5 OR c.client_id ILIKE $5)
"""

_COUNT = f"SELECT count(*) FROM clients c {_IN_SCOPE} AND $1::timestamptz IS NOT NULL"  # noqa: S608 - constant


async def find(db: Executor, row_id: UUID, now: datetime) -> Shown | None:
    """One application, or None."""
    row = await db.fetchrow(f"{_SELECT} WHERE c.id = $2", now, row_id)
    return _shown(row) if row else None


async def page(db: Executor, scope: Scope, limit: int, offset: int, now: datetime) -> tuple[list[Shown], int]:
    """One page of the applications in `scope`, oldest first, and how many there are."""
    wanted = (scope.admin_id, scope.only, scope.search, containing(scope.search))
    rows = await db.fetch(f"{_SELECT} {_IN_SCOPE} ORDER BY c.number LIMIT $6 OFFSET $7", now, *wanted, limit, offset)
    total = await db.fetchval(_COUNT, now, *wanted)
    return [_shown(row) for row in rows], total


async def strangers(tx: Executor, row_id: UUID, now: datetime) -> list[UUID]:
    """Who has something at an application (a grant, a code under way) without being a member of it.

    Administrators of the platform are members of none and strangers nowhere.
    """
    rows = await tx.fetch(_STRANGERS, row_id, now, sorted(ADMINISTRATORS))
    return [row[0] for row in rows]


_STRANGERS = """
    SELECT u.id FROM users u
    WHERE u.id IN (
            SELECT user_id FROM sessions WHERE client_id = $1 AND revoked_at IS NULL
            UNION ALL SELECT user_id FROM authorization_codes
                      WHERE client_id = $1 AND consumed_at IS NULL AND expires_at > $2
            UNION ALL SELECT user_id FROM device_codes
                      WHERE client_id = $1 AND state = 'approved' AND expires_at > $2)
      AND NOT u.global_role = ANY ($3)
      AND NOT EXISTS (SELECT FROM app_members m WHERE m.client_id = $1 AND m.user_id = u.id)
"""


def _shown(row: Any) -> Shown:
    *client, owner_number, secrets, secret_until = row
    return Shown(Client(*client), owner_number, secrets, secret_until)
