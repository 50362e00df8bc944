"""The invitations of a tenant, with the names of inviters and groups."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from identry.core.db import Executor
from identry.records import groups, invitations
from identry.records.groups import Group
from identry.records.invitations import Invitation


@dataclass(frozen=True, slots=True)
class Sent:
    """An invitation, who sent it (None: the account is gone), and those of its groups that still are."""

    invitation: Invitation
    invited_by: str | None
    groups: list[Group]


async def page(db: Executor, tenant_id: UUID, limit: int, offset: int) -> tuple[list[Sent], int]:
    """One page of the tenant's invitations, newest first, and how many there are."""
    rows, total = await invitations.list_of(db, tenant_id, limit=limit, offset=offset)
    names = await db.fetch("SELECT id, full_name FROM users WHERE id = ANY($1)", [row.invited_by for row in rows])
    inviters = dict(names)
    ids = {group_id for row in rows for group_id in row.group_ids or []}
    found = await groups.of_ids(db, tenant_id, list(ids)) if ids else []
    return [
        Sent(row, inviters.get(row.invited_by), [g for g in found if g.id in (row.group_ids or [])]) for row in rows
    ], total


async def is_member(db: Executor, tenant_id: UUID, email: str) -> bool:
    """Whether the address belongs to an active member of the tenant."""
    found: bool = await db.fetchval(
        """
        SELECT EXISTS (SELECT FROM users u JOIN tenant_members m ON m.user_id = u.id
                       WHERE u.email = $2 AND m.tenant_id = $1 AND m.is_active)
        """,
        tenant_id,
        email,
    )
    return found
