"""Session, account and membership in one round trip."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from identry.core.db import Executor
from identry.records import memberships, sessions, users

_USER = ", ".join(f"u.{name}" for name in users.COLUMNS.split(", "))
_GRANTS = ", ".join(f"m.{name}" for name in memberships.GRANT_COLUMNS.split(", "))
_STANDING = f"""
    SELECT {sessions.ENDED} AS ended, s.amr, s.auth_time, m.role, {_GRANTS}, {_USER}
    FROM {sessions.OF_USER}
    LEFT JOIN company_memberships m ON m.user_id = u.id AND m.company_id = $3 AND m.is_active
"""  # noqa: S608 - constant column names

GRANT_COUNT = len(memberships.GRANT_COLUMNS.split(", "))


async def standing(db: Executor, session_id: UUID, now: datetime, company_id: UUID | None) -> Any | None:
    """`ended, amr, auth_time, role, *grant columns, *user columns`, or None without such a session.

    The role and the grants are null without an active membership of the company.
    """
    return await db.fetchrow(_STANDING, session_id, now, company_id)
