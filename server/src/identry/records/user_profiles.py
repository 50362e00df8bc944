"""What people tell of themselves beyond name and address: `user_profiles`; who told nothing has no row.

Source: contracts/provider-api.md §3 `FullProfile`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any
from uuid import UUID

from identry.core.db import Executor


@dataclass(frozen=True, slots=True)
class UserProfile:
    """A row of `user_profiles` without its user; the field order is the column order of the SELECT here."""

    title: str | None = None
    division: str | None = None
    company: str | None = None
    country: str | None = None
    job_title: str | None = None
    department: str | None = None
    language: str | None = None
    timezone: str | None = None
    must_change_password: bool = False


COLUMNS = ", ".join(f.name for f in fields(UserProfile))
CHANGEABLE = frozenset(f.name for f in fields(UserProfile))


async def find(db: Executor, user_id: UUID) -> UserProfile:
    """What is known of a user; nothing is an empty profile."""
    row = await db.fetchrow(f"SELECT {COLUMNS} FROM user_profiles WHERE user_id = $1", user_id)  # noqa: S608 - constant
    return UserProfile(*row) if row else UserProfile()


async def put(tx: Executor, user_id: UUID, changes: Mapping[str, Any]) -> None:
    """Write `changes` (names from `CHANGEABLE`); the other fields stay as they are.

    Raises:
        ValueError: another name (a mistake of the calling code).
    """
    if unknown := changes.keys() - CHANGEABLE:
        raise ValueError(f"not changeable: {sorted(unknown)}")
    if not changes:
        return
    names = ", ".join(changes)
    places = ", ".join(f"${i}" for i in range(2, 2 + len(changes)))
    sets = ", ".join(f"{name} = excluded.{name}" for name in changes)
    await tx.execute(
        f"""
        INSERT INTO user_profiles (user_id, {names}) VALUES ($1, {places}) ON CONFLICT (user_id) DO UPDATE SET {sets}
        """,  # noqa: S608 - names checked against CHANGEABLE
        user_id,
        *changes.values(),
    )


async def password_chosen(tx: Executor, user_id: UUID) -> None:
    """Note that a user chose a password of their own."""
    await tx.execute(
        "UPDATE user_profiles SET must_change_password = false WHERE user_id = $1 AND must_change_password", user_id
    )
