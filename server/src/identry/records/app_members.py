"""Who uses an application, and as what: `app_members`.

Invariants: one role per person and application; platform administrators reach every application and are members of
none (contracts/provider-api.md §3).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from identry.core.db import Executor, affected

ROLES = ("admin", "manager", "editor", "viewer", "user")
"""From the highest to the lowest."""


@dataclass(frozen=True, slots=True)
class AppMember:
    """A row of `app_members`; the field order is that of the SELECTs here."""

    client_id: UUID
    user_id: UUID
    role: str
    invite_sent: bool
    created_at: datetime


_COLUMNS = "client_id, user_id, role, invite_sent, created_at"


async def find(db: Executor, client_row_id: UUID, user_id: UUID) -> AppMember | None:
    """The membership, or None."""
    row = await db.fetchrow(
        f"SELECT {_COLUMNS} FROM app_members WHERE client_id = $1 AND user_id = $2",  # noqa: S608 - constant
        client_row_id,
        user_id,
    )
    return AppMember(*row) if row else None


async def roles_of(db: Executor, user_id: UUID) -> dict[str, str]:
    """`client_id` → role, of every application that the user is a member of (the claim `app_roles`)."""
    rows = await db.fetch(
        """
        SELECT c.client_id, m.role FROM app_members m JOIN clients c ON c.id = m.client_id
        WHERE m.user_id = $1 ORDER BY c.client_id
        """,
        user_id,
    )
    return {row[0]: row[1] for row in rows}


async def insert(
    tx: Executor, client_row_id: UUID, user_id: UUID, role: str, *, invite_sent: bool, now: datetime
) -> bool:
    """Make somebody a member; False when they are one already."""
    tag = await tx.execute(
        """
        INSERT INTO app_members (client_id, user_id, role, invite_sent, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $5) ON CONFLICT DO NOTHING
        """,
        client_row_id,
        user_id,
        role,
        invite_sent,
        now,
    )
    return affected(tag) == 1


async def set_role(tx: Executor, client_row_id: UUID, user_id: UUID, role: str, now: datetime) -> bool:
    """Change a member's role; False when there is no such member."""
    tag = await tx.execute(
        "UPDATE app_members SET role = $3, updated_at = $4 WHERE client_id = $1 AND user_id = $2",
        client_row_id,
        user_id,
        role,
        now,
    )
    return affected(tag) == 1


async def delete(tx: Executor, client_row_id: UUID, user_id: UUID) -> bool:
    """Take a membership away; False when there was none."""
    tag = await tx.execute("DELETE FROM app_members WHERE client_id = $1 AND user_id = $2", client_row_id, user_id)
    return affected(tag) == 1


async def delete_all(tx: Executor, user_id: UUID) -> None:
    """Take every membership of a user away (platform administrators are members of none)."""
    await tx.execute("DELETE FROM app_members WHERE user_id = $1", user_id)
