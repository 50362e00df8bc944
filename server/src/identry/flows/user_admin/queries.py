"""The list of accounts: filters as literal conditions, search as an escaped pattern, one order for each `sort`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from identry.core.db import Executor
from identry.records.users import COLUMNS, SEARCHED, User, containing

SORTS = {
    "createdAt": "created_at, id",
    "-createdAt": "created_at DESC, id DESC",
    "email": "email",
    "-email": "email DESC",
    "fullName": "full_name, id",
    "-fullName": "full_name DESC, id DESC",
    "lastLoginAt": "last_login_at NULLS FIRST, id",
    "-lastLoginAt": "last_login_at DESC NULLS LAST, id DESC",
}
"""Every order that may be asked for; nothing of a request ever becomes part of a statement."""

_CONDITIONS = {
    "approval_status": "approval_status = $?",
    "is_active": "is_active = $?",
    "global_role": "global_role = $?",
    "auth_provider": "auth_provider = $?",
    "company_id": "EXISTS (SELECT FROM company_memberships m WHERE m.company_id = $? AND m.user_id = users.id)",
    "search": f"{SEARCHED} ILIKE $?",
}


@dataclass(frozen=True, slots=True)
class Filters:
    """Which accounts; None: all."""

    search: str | None = None
    approval_status: str | None = None
    is_active: bool | None = None
    global_role: str | None = None
    auth_provider: str | None = None
    company_id: UUID | None = None


async def page(db: Executor, filters: Filters, sort: str, limit: int, offset: int) -> tuple[list[User], int]:
    """One page of accounts in the order `SORTS[sort]`, and how many there are on all pages."""
    if filters.search is not None:
        return await _found_page(db, filters, sort, limit, offset)
    conditions, values = _where(filters)
    total: int = await db.fetchval(f"SELECT count(*) FROM users{conditions}", *values)  # noqa: S608 - literals above
    if offset >= total:
        return [], total
    n = len(values)
    sql = f"""
        SELECT {COLUMNS} FROM users{conditions} ORDER BY {SORTS[sort]} LIMIT ${n + 1} OFFSET ${n + 2}
    """  # noqa: S608 - literals above
    return [User(*row) for row in await db.fetch(sql, *values, limit, offset)], total


async def _found_page(db: Executor, filters: Filters, sort: str, limit: int, offset: int) -> tuple[list[User], int]:
    """`page` for a search: the text is looked for once, not once to count and once along the index of the order."""
    conditions, values = _where(filters)
    order, n = SORTS[sort], len(values)
    key = order.replace(",", " ").split()[0]
    sql = f"""
        WITH found AS MATERIALIZED (SELECT id, {key} FROM users{conditions})
        SELECT (SELECT count(*) FROM found),
               ARRAY(SELECT id FROM found ORDER BY {order} LIMIT ${n + 1} OFFSET ${n + 2})
    """  # noqa: S608 - literals above
    total, ids = await db.fetchrow(sql, *values, limit, offset) or (0, [])
    rows = await db.fetch(f"SELECT {COLUMNS} FROM users WHERE id = ANY($1)", ids)  # noqa: S608 - constant columns
    users = {row["id"]: User(*row) for row in rows}
    return [users[user_id] for user_id in ids if user_id in users], total


def _where(filters: Filters) -> tuple[str, list[Any]]:
    conditions: list[str] = []
    values: list[Any] = []
    for name, condition in _CONDITIONS.items():
        value = getattr(filters, name)
        if value is None:
            continue
        values.append(containing(value) if name == "search" else value)
        conditions.append(condition.replace("$?", f"${len(values)}"))
    return (" WHERE " + " AND ".join(conditions) if conditions else ""), values
