"""Users: one row per identity.

Invariants: an address is stored lower-case and unique; whoever may not sign in any more (`is_active`,
`approval_status`) or whose credentials changed gets a higher `token_version`, which ends every token issued before.
Source: first seed §1 "Identity"; fields in contracts/platform-api.md §3.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, NewType
from uuid import UUID

import msgspec

from identry.core.db import Executor, affected

UserId = NewType("UserId", UUID)


class GlobalRole(StrEnum):
    """Rank across the platform; `NONE` is an ordinary user."""

    NONE = "NONE"
    PLATFORM_MODERATOR = "PLATFORM_MODERATOR"
    PLATFORM_ADMIN = "PLATFORM_ADMIN"
    PLATFORM_SUPERADMIN = "PLATFORM_SUPERADMIN"


ADMINISTRATORS = frozenset({GlobalRole.PLATFORM_ADMIN, GlobalRole.PLATFORM_SUPERADMIN})
"""Who reaches every application and is a member of none (contracts/provider-api.md §3)."""


class ApprovalStatus(StrEnum):
    """Where a registration stands."""

    PENDING = "PENDING"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"


class AuthProvider(StrEnum):
    """How the account proves itself."""

    PASSWORD = "password"  # noqa: S105 - an enum value of the contract, not a secret
    GOOGLE = "google"
    MICROSOFT = "microsoft"
    SSO = "sso"
    OTHER = "other"


class User(msgspec.Struct, frozen=True):
    """A row of `users`; the field order is the column order of every SELECT here."""

    id: UUID
    email: str
    password_hash: str | None
    full_name: str
    global_role: str
    is_active: bool
    approval_status: str
    auth_provider: str
    phone_number: str | None
    profile_picture_url: str | None
    email_verified: bool
    mfa_enabled: bool
    token_version: int
    legacy_ids: str  # JSON text
    last_login_at: datetime | None
    created_at: datetime
    updated_at: datetime


def new(
    user_id: UUID,
    email: str,
    now: datetime,
    *,
    full_name: str,
    password_hash: str | None = None,
    global_role: str = GlobalRole.NONE,
    is_active: bool = False,
    approval_status: str = ApprovalStatus.PENDING,
    auth_provider: str = AuthProvider.PASSWORD,
    phone_number: str | None = None,
    profile_picture_url: str | None = None,
    email_verified: bool = False,
) -> User:
    """The row of an account that begins now. What is not said lets nobody in: pending, not active, not verified."""
    return User(
        id=user_id,
        email=email,
        password_hash=password_hash,
        full_name=full_name,
        global_role=global_role,
        is_active=is_active,
        approval_status=approval_status,
        auth_provider=auth_provider,
        phone_number=phone_number,
        profile_picture_url=profile_picture_url,
        email_verified=email_verified,
        mfa_enabled=False,
        token_version=1,
        legacy_ids="{}",
        last_login_at=None,
        created_at=now,
        updated_at=now,
    )


def nobody(user_id: UUID, email: str, now: datetime) -> User:
    """A user who is in no table: for statements that must cost the same whether or not an address has an account."""
    return new(user_id, email, now, full_name="Nobody")


COLUMNS = ", ".join(User.__struct_fields__)
_INSERT_VALUES = f"""
    INSERT INTO users ({COLUMNS})
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
"""  # noqa: S608 - constant column names
_INSERT = _INSERT_VALUES + " ON CONFLICT (email) DO NOTHING"

SEARCHED = "(email || E'\\n' || full_name)"
"""What a search looks into; no text to look for holds a line feed. An index on exactly this expression speeds it up."""

CHANGEABLE = frozenset(
    {
        "email",
        "password_hash",
        "full_name",
        "global_role",
        "is_active",
        "approval_status",
        "auth_provider",
        "phone_number",
        "profile_picture_url",
        "email_verified",
        "mfa_enabled",
    }
)


def containing(text: str) -> str:
    """The ILIKE pattern for "contains this text"; `%`, `_` and the backslash stand for themselves."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


async def find(db: Executor, user_id: UUID) -> User | None:
    """The user, or None."""
    row = await db.fetchrow(f"SELECT {COLUMNS} FROM users WHERE id = $1", user_id)  # noqa: S608 - constant columns
    return User(*row) if row else None


async def id_of_number(db: Executor, number: int) -> UUID | None:
    """The id of the user who has this number on the provider surface, or None."""
    found: UUID | None = await db.fetchval("SELECT id FROM users WHERE number = $1", number)
    return found


async def find_by_email(db: Executor, email: str) -> User | None:
    """The user of a lower-case address, or None."""
    row = await db.fetchrow(f"SELECT {COLUMNS} FROM users WHERE email = $1", email)  # noqa: S608 - constant columns
    return User(*row) if row else None


async def find_by_number(db: Executor, number: int) -> User | None:
    """The user of a number (the provider surface's id), or None."""
    row = await db.fetchrow(f"SELECT {COLUMNS} FROM users WHERE number = $1", number)  # noqa: S608 - constant columns
    return User(*row) if row else None


async def lock(tx: Executor, user_id: UUID) -> User | None:
    """The user, its row locked until the transaction ends, or None."""
    sql = f"SELECT {COLUMNS} FROM users WHERE id = $1 FOR UPDATE"  # noqa: S608 - constant columns
    row = await tx.fetchrow(sql, user_id)
    return User(*row) if row else None


async def lock_all(tx: Executor, *user_ids: UUID) -> dict[UUID, User]:
    """Those users that exist, their rows locked in one order, so that two such calls never wait for each other.

    The row of a user is the lock of everything that says what the user may do: memberships change only under it.
    """
    sql = f"SELECT {COLUMNS} FROM users WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE"  # noqa: S608 - constant
    return {row["id"]: User(*row) for row in await tx.fetch(sql, list(set(user_ids)))}


async def find_all(db: Executor, user_ids: list[UUID], emails: list[str], *, lock: bool) -> list[User]:
    """Every user with one of these ids or lower-case addresses; with `lock` their rows are locked, in one order."""
    locking = "FOR UPDATE" if lock else ""
    sql = f"SELECT {COLUMNS} FROM users WHERE id = ANY($1) OR email = ANY($2) ORDER BY id {locking}"  # noqa: S608
    return [User(*row) for row in await db.fetch(sql, user_ids, emails)]


async def insert_all(tx: Executor, new: list[User]) -> None:
    """Store new users.

    Raises:
        Duplicate: an id or address is taken.
    """
    await tx.executemany(_INSERT_VALUES, [msgspec.structs.astuple(user) for user in new])


async def delete_all(tx: Executor, user_ids: list[UUID]) -> None:
    """Forget users with everything that hangs on them (their sessions only end: the caller revokes them first)."""
    await tx.execute("DELETE FROM users WHERE id = ANY($1)", user_ids)


async def insert(tx: Executor, user: User) -> bool:
    """Store a new user; False when the address is taken (nothing is written then)."""
    return affected(await tx.execute(_INSERT, *msgspec.structs.astuple(user))) == 1


async def update(tx: Executor, user_id: UUID, changes: dict[str, Any], *, now: datetime, bump: bool = False) -> User:
    """Write `changes` (names from `CHANGEABLE`); with `bump` every token issued so far becomes void.

    Raises:
        Duplicate: the new address is taken.
        LookupError: no such user.
    """
    if unknown := changes.keys() - CHANGEABLE:
        raise ValueError(f"not changeable: {sorted(unknown)}")
    sets = "".join(f", {name} = ${i}" for i, name in enumerate(changes, start=4))
    sql = f"""
        UPDATE users SET updated_at = $2, token_version = token_version + $3{sets}
        WHERE id = $1 RETURNING {COLUMNS}
    """  # noqa: S608 - names checked against CHANGEABLE
    row = await tx.fetchrow(sql, user_id, now, int(bump), *changes.values())
    if row is None:
        raise LookupError(f"no user {user_id}")
    return User(*row)


async def number_of(db: Executor, user_id: UUID) -> int | None:
    """What the provider surface calls a user, or None."""
    number: int | None = await db.fetchval("SELECT number FROM users WHERE id = $1", user_id)
    return number


async def replace_hash(db: Executor, user: User, password_hash: str) -> None:
    """Store another hash of the same password; nothing happens when the password was changed meanwhile."""
    await db.execute(
        "UPDATE users SET password_hash = $2 WHERE id = $1 AND password_hash = $3",
        user.id,
        password_hash,
        user.password_hash,
    )


async def touch_login(tx: Executor, user_id: UUID, now: datetime) -> None:
    """Remember the moment of a sign-in."""
    await tx.execute("UPDATE users SET last_login_at = $2 WHERE id = $1", user_id, now)


_LAST_OF_ITS_KIND = 0x1DE17
"""The transaction lock of whoever may be about to remove the last administrator of a company or of the platform."""


async def lock_last_of_its_kind(tx: Executor) -> None:
    """Let only one transaction at a time ask "is this the last one?"; taken after every row lock, held to the end."""
    await tx.execute("SELECT pg_advisory_xact_lock($1)", _LAST_OF_ITS_KIND)


async def is_only_active_superadmin(tx: Executor, user_id: UUID) -> bool:
    """Whether nobody could administer the platform if this user could not; the lock above makes the answer hold."""
    only: bool = await tx.fetchval(
        """
        SELECT count(*) = 1 AND bool_and(id = $1) FROM users
        WHERE global_role = 'PLATFORM_SUPERADMIN' AND is_active AND approval_status = 'APPROVED'
        """,
        user_id,
    )
    return bool(only)
