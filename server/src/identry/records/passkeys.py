"""Passkeys: the public keys that a user's devices sign with, and the handle under which those know the user.

Invariants: a credential id belongs to one passkey of one user; a use is one conditional write, which an authenticator's
counter that does not rise fails; the handle is random, made once for a user and says nothing about who that is.
Source: WebAuthn Level 3 §4 "credential record", §6.1.1 (counter), §14.6.1 (handle).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID

from identry.core.db import Executor, affected


@dataclass(frozen=True, slots=True)
class Passkey:
    """A row of `passkeys`; the field order is the column order of every SELECT here."""

    id: UUID
    user_id: UUID
    credential_id: bytes
    public_key: bytes
    sign_count: int
    aaguid: UUID
    transports: list[str]
    backup_eligible: bool
    backed_up: bool
    name: str
    created_at: datetime
    last_used_at: datetime | None


_NAMES = [f.name for f in fields(Passkey)]
_COLUMNS = ", ".join(_NAMES)
_OF_KEY = ", ".join(f"p.{name}" for name in _NAMES)


async def handle_of(tx: Executor, user_id: UUID, wanted: bytes, now: datetime) -> bytes:
    """The user's handle: the one there is, else `wanted` from now on."""
    handle: bytes = await tx.fetchval(
        """
        INSERT INTO passkey_handles (user_id, handle, created_at) VALUES ($1, $2, $3)
        ON CONFLICT (user_id) DO UPDATE SET user_id = EXCLUDED.user_id RETURNING handle
        """,
        user_id,
        wanted,
        now,
    )
    return handle


async def find_handle(db: Executor, user_id: UUID) -> bytes | None:
    """The user's handle, or None: there never was a passkey."""
    handle: bytes | None = await db.fetchval("SELECT handle FROM passkey_handles WHERE user_id = $1", user_id)
    return handle


async def of_user(db: Executor, user_id: UUID) -> list[Passkey]:
    """A user's passkeys, the oldest first."""
    sql = f"SELECT {_COLUMNS} FROM passkeys WHERE user_id = $1 ORDER BY created_at, id"  # noqa: S608 - constant columns
    return [Passkey(*row) for row in await db.fetch(sql, user_id)]


async def find_by_credential(db: Executor, credential_id: bytes) -> tuple[Passkey, bytes] | None:
    """The passkey of a credential and its owner's handle, or None."""
    row = await db.fetchrow(
        f"""
        SELECT {_OF_KEY}, h.handle FROM passkeys p JOIN passkey_handles h ON h.user_id = p.user_id
        WHERE p.credential_id = $1
        """,  # noqa: S608 - constant columns
        credential_id,
    )
    if row is None:
        return None
    *passkey, handle = row
    return Passkey(*passkey), handle


OWNED = "EXISTS (SELECT FROM passkeys k WHERE k.user_id = p.user_id)"
"""Whether person `p` has a passkey."""


async def has_any(db: Executor, user_id: UUID) -> bool:
    """Whether a user has a passkey."""
    found: bool = await db.fetchval("SELECT EXISTS (SELECT FROM passkeys WHERE user_id = $1)", user_id)
    return found


async def insert(tx: Executor, passkey: Passkey) -> bool:
    """Store a new one; False when its credential is known already, whoever's it is."""
    tag = await tx.execute(
        f"""
        INSERT INTO passkeys ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        ON CONFLICT (credential_id) DO NOTHING
        """,  # noqa: S608 - constant columns
        *(getattr(passkey, name) for name in _NAMES),
    )
    return affected(tag) == 1


async def use(tx: Executor, passkey_id: UUID, sign_count: int, *, backed_up: bool, now: datetime) -> bool:
    """Remember a use; False when the counter did not rise (two copies of one key, or a replay) or the key is gone.

    Authenticators that do not count send 0 for ever; that rises nothing and fails nothing.
    """
    tag = await tx.execute(
        """
        UPDATE passkeys SET sign_count = $2, backed_up = $3, last_used_at = $4
        WHERE id = $1 AND (sign_count < $2 OR (sign_count = 0 AND $2 = 0))
        """,
        passkey_id,
        sign_count,
        backed_up,
        now,
    )
    return affected(tag) == 1


async def rename(tx: Executor, passkey_id: UUID, user_id: UUID, name: str) -> Passkey | None:
    """Give one of the user's passkeys another name; None when the user has none with this id."""
    sql = f"UPDATE passkeys SET name = $3 WHERE id = $1 AND user_id = $2 RETURNING {_COLUMNS}"  # noqa: S608 - constant
    row = await tx.fetchrow(sql, passkey_id, user_id, name)
    return Passkey(*row) if row else None


async def remove(tx: Executor, passkey_id: UUID, user_id: UUID) -> Passkey | None:
    """Forget one of the user's passkeys; None when the user has none with this id."""
    sql = f"DELETE FROM passkeys WHERE id = $1 AND user_id = $2 RETURNING {_COLUMNS}"  # noqa: S608 - constant columns
    row = await tx.fetchrow(sql, passkey_id, user_id)
    return Passkey(*row) if row else None


async def remove_all(tx: Executor, user_id: UUID) -> int:
    """Forget every passkey of a user (an administrator resets the second factor); returns how many there were."""
    return affected(await tx.execute("DELETE FROM passkeys WHERE user_id = $1", user_id))
