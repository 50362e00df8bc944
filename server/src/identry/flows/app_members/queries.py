"""Members of one application, each with the person behind it."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from identry.core.db import Executor
from identry.oauth.people import COLUMNS, FROM, Person
from identry.records.users import SEARCHED, containing


@dataclass(frozen=True, slots=True)
class Member:
    """A person in an application."""

    person: Person
    role: str
    invite_sent: bool


_MEMBER = f"SELECT m.role, m.invite_sent, {COLUMNS} FROM app_members m JOIN ({FROM}) ON u.id = m.user_id"  # noqa: S608 - constant column names
_FIND = f"{_MEMBER} WHERE m.client_id = $1 AND u.number = $2"
_SEARCHED = SEARCHED.replace("email", "u.email").replace("full_name", "u.full_name")
_MATCHING = f"WHERE m.client_id = $1 AND ($2 = '' OR {_SEARCHED} ILIKE $3)"
_PAGE = f"{_MEMBER} {_MATCHING} ORDER BY u.number LIMIT $4 OFFSET $5"
_COUNT = f"SELECT count(*) FROM app_members m JOIN users u ON u.id = m.user_id {_MATCHING}"  # noqa: S608 - constant


async def find(db: Executor, client_row_id: UUID, number: int) -> Member | None:
    """The member of that number, or None."""
    row = await db.fetchrow(_FIND, client_row_id, number)
    return Member(Person(*row[2:]), row[0], row[1]) if row else None


async def page(db: Executor, client_row_id: UUID, search: str, limit: int, offset: int) -> tuple[list[Member], int]:
    """One page of the members whose address or name contains `search`, in the order of their numbers."""
    wanted = (client_row_id, search, containing(search))
    rows = await db.fetch(_PAGE, *wanted, limit, offset)
    return [Member(Person(*row[2:]), row[0], row[1]) for row in rows], await db.fetchval(_COUNT, *wanted)
