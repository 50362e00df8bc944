"""Pages of the audit log, the newest first. Source: contracts/provider-api.md §2, §3 `ActivityLog`, §12.

The log grows without bound: counting stops at `MOST`, and so does paging.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from identry.core.db import Executor

MOST = 10_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events; empty and None: all.

    Attributes:
        app: number of an application.
        user: number of whoever did it or whom it concerned.
        event: its name.
    """

    app: int | None = None
    user: int | None = None
    event: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """One row of the log, with the numbers of those it names."""

    id: UUID
    occurred_at: datetime
    event: str
    outcome: str
    user_number: int | None
    user_email: str | None
    app_number: int | None
    ip: str | None
    user_agent: str | None
    request_id: str | None
    session_id: UUID | None
    details: dict[str, Any]


_MATCHING = """
    FROM auth_audit_logs l
    WHERE ($1::bigint IS NULL OR (l.details ? 'client'
               AND l.details ->> 'client' = (SELECT c.client_id FROM clients c WHERE c.number = $1)))
      AND ($2::bigint IS NULL OR (SELECT u.id FROM users u WHERE u.number = $2) IN (l.actor_user_id, l.target_user_id))
      AND ($3 = '' OR l.event = $3)
"""
_COUNT = f"SELECT count(*) FROM (SELECT 1 {_MATCHING} LIMIT {MOST}) AS counted"  # noqa: S608 - constant
_PAGE = f"""
    SELECT found.id, found.occurred_at, found.event, found.outcome, u.number, u.email, c.number, found.ip,
           found.user_agent, found.request_id, found.session_id, found.details
    FROM (SELECT l.* {_MATCHING} ORDER BY l.id DESC LIMIT $4 OFFSET $5) AS found
    LEFT JOIN users u ON u.id = COALESCE(found.target_user_id, found.actor_user_id)
    LEFT JOIN clients c ON c.client_id = found.details ->> 'client'
    ORDER BY found.id DESC
"""  # noqa: S608 - constant


class SecurityEvents:
    """Reads the audit log."""

    def __init__(self, db: Executor) -> None:
        self._db = db

    async def page(self, wanted: Wanted, limit: int, offset: int) -> tuple[list[Event], int]:
        """One page of events, the newest first, and how many there are: at most `MOST`."""
        asked = (wanted.app, wanted.user, wanted.event)
        if offset >= MOST:
            return [], await self._db.fetchval(_COUNT, *asked)
        rows = await self._db.fetch(_PAGE, *asked, limit, offset)
        return [_event(row) for row in rows], await self._db.fetchval(_COUNT, *asked)


def _event(row: Any) -> Event:
    values = list(row)
    values[-1] = msgspec.json.decode(values[-1]) if values[-1] else {}
    return Event(*values)
