"""Lists of people for administrators, each in one statement."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from identry.core.db import Executor
from identry.oauth.people import COLUMNS, FROM, Person
from identry.records.users import SEARCHED, containing


@dataclass(frozen=True, slots=True)
class Membership:
    """An application that somebody is a member of."""

    app_id: int
    client_id: str
    name: str
    role: str
    joined_at: datetime


@dataclass(frozen=True, slots=True)
class LiveSession:
    """A session that counts, with the application that it is a grant to (None: one of the platform or a browser)."""

    id: UUID
    client_id: str | None
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    amr: list[str]
    ip: str | None
    user_agent: str | None


_MATCHING = f"""
    WHERE ($1 = '' OR {SEARCHED.replace("email", "u.email").replace("full_name", "u.full_name")} ILIKE $2)
      AND ($3 = '' OR u.global_role = $3)
"""
_PAGE = f"SELECT {COLUMNS} FROM {FROM} {_MATCHING} ORDER BY u.number LIMIT $4 OFFSET $5"  # noqa: S608 - constant
_COUNT = f"SELECT count(*) FROM users u {_MATCHING}"  # noqa: S608 - constant


async def page(db: Executor, search: str, role: str, limit: int, offset: int) -> tuple[list[Person], int]:
    """One page of the people whose address or name contains `search` and who have the platform role `role`."""
    wanted = (search, containing(search), role)
    rows = await db.fetch(_PAGE, *wanted, limit, offset)
    return [Person(*row) for row in rows], await db.fetchval(_COUNT, *wanted)


async def apps_of(db: Executor, user_id: UUID) -> list[Membership]:
    """Every application that somebody is a member of, by name."""
    rows = await db.fetch(
        """
        SELECT c.number, c.client_id, c.name, m.role, m.created_at
        FROM app_members m JOIN clients c ON c.id = m.client_id
        WHERE m.user_id = $1 ORDER BY c.name, c.number
        """,
        user_id,
    )
    return [Membership(*row) for row in rows]


async def sessions_of(db: Executor, user_id: UUID, now: datetime) -> list[LiveSession]:
    """The live sessions of somebody, the newest first."""
    rows = await db.fetch(
        """
        SELECT s.id, c.client_id, s.created_at, COALESCE(s.rotated_at, s.created_at), s.expires_at, s.amr, s.ip,
               s.user_agent
        FROM sessions s JOIN users u ON u.id = s.user_id LEFT JOIN clients c ON c.id = s.client_id
        WHERE s.user_id = $1 AND s.revoked_at IS NULL AND s.expires_at > $2 AND s.token_version = u.token_version
        ORDER BY s.id DESC LIMIT 1000
        """,
        user_id,
        now,
    )
    return [LiveSession(*row) for row in rows]
