"""Identities: who a user is at a provider. A user may have several, an identity has one user.

Invariants: an identity is found by its key alone, (`issuer`, `tid`, `oid`) at Entra ID, (`issuer`, `sub`) elsewhere;
address and name are what the provider told last, and nobody is ever found by them. Source: contracts/browser-api.md §6.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID

from identry.core.db import Executor, affected


@dataclass(frozen=True, slots=True)
class IdentityKey:
    """What makes an identity that one and no other.

    Attributes:
        issuer: `iss` of its ID tokens.
        directory_id: `tid` at Entra ID, elsewhere empty.
        subject: `oid` at Entra ID, elsewhere `sub`.
    """

    issuer: str
    directory_id: str
    subject: str


@dataclass(frozen=True, slots=True)
class Identity:
    """A row of `identities`; the field order is that of `COLUMNS`."""

    id: UUID
    user_id: UUID
    kind: str
    issuer: str
    directory_id: str
    subject: str
    email: str | None
    full_name: str | None
    created_at: datetime
    last_login_at: datetime | None


COLUMNS = ", ".join(f.name for f in fields(Identity))

KINDS = "ARRAY(SELECT i.kind FROM identities i WHERE i.user_id = p.user_id)"
"""The kinds of all identities of person `p`."""


def methods(kinds: list[str]) -> tuple[str, ...]:
    """How somebody with identities of these kinds signs in, in the words of the browser surface."""
    return tuple(sorted({"microsoft" if kind == "entra" else "oidc" for kind in kinds})) if kinds else ()


async def find(db: Executor, key: IdentityKey) -> Identity | None:
    """The identity with this key, or None."""
    sql = f"SELECT {COLUMNS} FROM identities WHERE issuer = $1 AND directory_id = $2 AND subject = $3"  # noqa: S608
    row = await db.fetchrow(sql, key.issuer, key.directory_id, key.subject)
    return Identity(*row) if row else None


async def exists(db: Executor, identity_id: UUID, user_id: UUID) -> bool:
    """Whether the user still has this identity."""
    found: bool = await db.fetchval(
        "SELECT EXISTS (SELECT FROM identities WHERE id = $1 AND user_id = $2)", identity_id, user_id
    )
    return found


async def of_user(db: Executor, user_id: UUID) -> list[Identity]:
    """The user's identities, the oldest first."""
    sql = f"SELECT {COLUMNS} FROM identities WHERE user_id = $1 ORDER BY id"  # noqa: S608 - constant columns
    return [Identity(*row) for row in await db.fetch(sql, user_id)]


async def insert(tx: Executor, identity: Identity) -> bool:
    """Store a new identity; False when its key is taken (nothing is written then)."""
    values = ", ".join(f"${i}" for i in range(1, len(fields(Identity)) + 1))
    sql = f"INSERT INTO identities ({COLUMNS}) VALUES ({values}) ON CONFLICT DO NOTHING"  # noqa: S608 - constant
    return affected(await tx.execute(sql, *(getattr(identity, f.name) for f in fields(Identity)))) == 1


async def touch(tx: Executor, identity_id: UUID, email: str | None, full_name: str | None, now: datetime) -> bool:
    """Remember a sign-in and what the provider told in it; False when the identity is gone."""
    tag = await tx.execute(
        "UPDATE identities SET email = $2, full_name = $3, last_login_at = $4 WHERE id = $1",
        identity_id,
        email,
        full_name,
        now,
    )
    return affected(tag) == 1


async def delete(tx: Executor, identity_id: UUID, user_id: UUID) -> bool:
    """Forget one identity of this user; False when the user has none with this id."""
    tag = await tx.execute("DELETE FROM identities WHERE id = $1 AND user_id = $2", identity_id, user_id)
    return affected(tag) == 1


async def delete_all(tx: Executor, user_id: UUID) -> int:
    """Forget every identity of a user; returns how many."""
    return affected(await tx.execute("DELETE FROM identities WHERE user_id = $1", user_id))
