"""What is read of the audit log. Every row has a place by its id, which holds its time; a page is what is before one.

A condition is there only when it is asked for, each a constant with its parameter: so every combination has its index
(migration `blocked_addresses`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from identry.core.db import Executor
from identry.core.ids import ids_of, number_of, uuid7_at

MOST = 10_000
"""How far is counted, and paged by number."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries; None and empty: all.

    Attributes:
        before: the id of an entry: only older ones.
        since, until: instants, both inclusive.
        action: the name of an event; `user.*`: all that begin so.
        administered: without sign-ins and tokens.
        admin: number of the account that did it; sign-ins and tokens are no administration.
        user: number of the account whom it concerned.
        app: number of the application at which it happened.
        target: `user`, `application` or `settings`.
        ip: address of the client; refreshes are not found by it.
        success: whether it was done.
    """

    before: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    action: str = ""
    administered: bool = False
    admin: int | None = None
    user: int | None = None
    app: int | None = None
    target: str = ""
    ip: str = ""
    success: bool | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One row, with the numbers and names of those whom it names."""

    id: UUID
    occurred_at: datetime
    event: str
    actor_type: str
    success: bool
    actor_number: int | None
    actor_email: str | None
    target_number: int | None
    target_email: str | None
    app_number: int | None
    app_name: str | None
    company_id: UUID | None
    session_id: UUID | None
    ip: str | None
    user_agent: str | None
    request_id: str | None
    details: dict[str, Any]


_COLUMNS = """
    found.id, found.occurred_at, found.event, found.actor_type, found.outcome = 'success', a.number, a.email, t.number,
    t.email, c.number, c.name, found.company_id, found.session_id, found.ip, found.user_agent, found.request_id,
    found.details
"""
_NAMED = """
    LEFT JOIN users a ON a.id = found.actor_user_id
    LEFT JOIN users t ON t.id = found.target_user_id
    LEFT JOIN clients c ON c.client_id = found.details ->> 'client'
    ORDER BY found.id DESC
"""
_ADMINISTERED = "l.event NOT LIKE 'auth.%' AND l.event NOT LIKE 'oauth.%'"
_TARGETS = {
    "user": "l.target_user_id IS NOT NULL",
    "application": "l.target_user_id IS NULL AND l.details ? 'client'",
    "settings": "l.target_user_id IS NULL AND (l.details IS NULL OR NOT l.details ? 'client')",
}


async def page(db: Executor, wanted: Wanted, limit: int, offset: int = 0) -> list[Entry]:
    """Entries, the newest first."""
    where, values = _where(wanted)
    n = len(values)
    rows = await db.fetch(
        f"SELECT {_COLUMNS} FROM (SELECT l.* FROM auth_audit_logs l {where}"  # noqa: S608 - constant fragments
        f" ORDER BY l.id DESC LIMIT ${n + 1} OFFSET ${n + 2}) AS found {_NAMED}",
        *values,
        limit,
        offset,
    )
    return [_entry(row) for row in rows]


async def count(db: Executor, wanted: Wanted) -> int:
    """How many there are; at most `MOST`."""
    where, values = _where(wanted)
    found: int = await db.fetchval(
        f"SELECT count(*) FROM (SELECT 1 FROM auth_audit_logs l {where} LIMIT {MOST}) AS counted",  # noqa: S608 - the same
        *values,
    )
    return found


async def find(db: Executor, entry_id: UUID) -> Entry | None:
    """One entry."""
    sql = f"SELECT {_COLUMNS} FROM auth_audit_logs found {_NAMED}".replace("ORDER BY", "WHERE found.id = $1 ORDER BY")  # noqa: S608 - constants
    row = await db.fetchrow(sql, entry_id)
    return _entry(row) if row else None


async def find_number(db: Executor, number: int) -> Entry | None:
    """The entry that is shown under a number."""
    first, last = ids_of(number)
    rows = await db.fetch("SELECT id FROM auth_audit_logs WHERE id BETWEEN $1 AND $2", first, last)
    found = next((row[0] for row in rows if number_of(row[0]) == number), None)
    return await find(db, found) if found else None


def _where(wanted: Wanted) -> tuple[str, list[Any]]:
    values: list[Any] = []
    conditions: list[str] = []
    for text, *value in _conditions(wanted):
        values += value
        conditions.append(text.replace("$", f"${len(values)}"))
    return ("WHERE " + " AND ".join(conditions) if conditions else ""), values


def _conditions(w: Wanted) -> Iterator[tuple[Any, ...]]:
    """Each condition with its parameter, which is `$` in it."""
    if w.before is not None:
        yield "l.id < $", w.before
    if w.since is not None:
        yield "l.id >= $", _first_id(w.since)
    if w.until is not None:
        yield "l.id < $", _first_id(w.until + timedelta(milliseconds=1))
    if w.action.endswith("*"):
        yield "starts_with(l.event, $)", w.action[:-1]
    elif w.action:
        yield "l.event = $", w.action
    if w.action and w.action != "auth.refresh.rotated":
        yield ("l.event <> 'auth.refresh.rotated'",)
    if w.administered or w.admin is not None:
        yield (_ADMINISTERED,)
    if w.admin is not None:
        yield "l.actor_user_id = (SELECT u.id FROM users u WHERE u.number = $)", w.admin
    if w.user is not None:
        yield "l.target_user_id = (SELECT u.id FROM users u WHERE u.number = $)", w.user
    if w.app is not None:
        yield ("l.details ? 'client'",)
        yield "l.details ->> 'client' = (SELECT c.client_id FROM clients c WHERE c.number = $)", w.app
    if w.target:
        yield (_TARGETS[w.target],)
    if w.ip:
        yield ("l.event <> 'auth.refresh.rotated'",)
        yield "l.ip = $", w.ip
    if w.success is not None:
        yield "l.outcome = $", "success" if w.success else "failure"


def _first_id(moment: datetime) -> UUID:
    """The smallest id of an instant; what is out of the range of ids counts as its edge."""
    return uuid7_at(min(max(int(moment.timestamp() * 1000), 0), (1 << 48) - 1))


def _entry(row: Any) -> Entry:
    values = list(row)
    values[-1] = msgspec.json.decode(values[-1]) if values[-1] else {}
    return Entry(*values)
