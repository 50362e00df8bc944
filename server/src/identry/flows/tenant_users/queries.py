"""The people of a tenant, page by page."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from identry.core.db import Executor
from identry.records import groups
from identry.records.groups import Group
from identry.records.users import COLUMNS, SEARCHED, User, containing

_WIDTH = len(User.__struct_fields__)
_USER = ", ".join(f"u.{name}" for name in COLUMNS.split(", "))
_OF_TENANT = f"""
    FROM tenant_members m JOIN users u ON u.id = m.user_id
    WHERE m.tenant_id = $1 AND ($2::text IS NULL OR {SEARCHED} ILIKE $2)
"""


@dataclass(frozen=True, slots=True)
class Person:
    """A member of a tenant: the account, whether the membership is active, the groups."""

    user: User
    is_active: bool
    groups: list[Group]


async def page(db: Executor, tenant_id: UUID, search: str | None, limit: int, offset: int) -> tuple[list[Person], int]:
    """One page of the tenant's people by name, their membership active or not, and how many there are."""
    pattern = containing(search) if search else None
    total: int = await db.fetchval(f"SELECT count(*) {_OF_TENANT}", tenant_id, pattern)
    if offset >= total:
        return [], total
    sql = f"SELECT {_USER}, m.is_active {_OF_TENANT} ORDER BY u.full_name, u.id LIMIT $3 OFFSET $4"
    rows = [tuple(row) for row in await db.fetch(sql, tenant_id, pattern, limit, offset)]
    found = await groups.of_users(db, tenant_id, [row[0] for row in rows])
    return [Person(User(*row[:_WIDTH]), row[_WIDTH], found[row[0]]) for row in rows], total


async def find(db: Executor, tenant_id: UUID, user_id: UUID) -> Person | None:
    """A member of the tenant, active or not, or None."""
    sql = f"""
        SELECT {_USER}, m.is_active FROM tenant_members m JOIN users u ON u.id = m.user_id
        WHERE m.tenant_id = $1 AND m.user_id = $2
    """  # noqa: S608 - constant columns
    row = await db.fetchrow(sql, tenant_id, user_id)
    if row is None:
        return None
    row = tuple(row)
    return Person(User(*row[:_WIDTH]), row[_WIDTH], (await groups.of_users(db, tenant_id, [user_id]))[user_id])
