"""People as applications see and change them: who they are in one row, the rules of a profile's fields, the write.

Source: contracts/provider-api.md §3 `FullProfile` and profile update.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from identry.core.db import Executor
from identry.records import user_profiles, users
from identry.records.users import GlobalRole, User
from identry_kit.apierror import BadRequest

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_AVATAR = re.compile(r"https://[^\s/?#@\\\"<>]+(?:[/?#][^\s\\\"<>]*)?")
_PHONE = re.compile(r"\+?[0-9][0-9 ().\-/]{1,30}")
_LONGEST = 200
_LONGEST_URL = 2048
OWN = ("title", "division", "company", "country", "job_title", "department", "language", "timezone")
"""Columns of `user_profiles`."""
OF_USER = {"name": "full_name", "phone": "phone_number", "avatar_url": "profile_picture_url"}
"""Fields of a profile that are columns of `users`."""
USER_COLUMNS = frozenset(OF_USER.values())
WRITABLE = (*OF_USER, *OWN)
"""Fields of a profile update; never address, password or roles."""


class InvalidProfile(BadRequest):
    """400: nothing to change, or a field that cannot be what was sent."""

    message = "nothing to change: send at least one field of the profile"


@dataclass(frozen=True, slots=True)
class Person:
    """A user with what they tell of themselves; the field order is that of `COLUMNS`."""

    user_id: UUID
    number: int
    email: str
    name: str
    global_role: str
    is_active: bool
    approval_status: str
    email_verified: bool
    phone: str | None
    avatar_url: str | None
    mfa_enabled: bool
    token_version: int
    last_login_at: datetime | None
    created_at: datetime
    title: str | None
    division: str | None
    company: str | None
    country: str | None
    job_title: str | None
    department: str | None
    language: str | None
    timezone: str | None
    must_change_password: bool


class FullProfile(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A person's whole profile; `role` is the platform's. What is not set is left out."""

    id: int
    email: str
    name: str
    role: str
    is_verified: bool
    created_at: datetime
    title: str | None = None
    division: str | None = None
    company: str | None = None
    country: str | None = None
    phone: str | None = None
    job_title: str | None = None
    department: str | None = None
    language: str | None = None
    timezone: str | None = None
    avatar_url: str | None = None
    last_login: datetime | None = None


COLUMNS = f"""
    u.id, u.number, u.email, u.full_name, u.global_role, u.is_active, u.approval_status, u.email_verified,
    u.phone_number, u.profile_picture_url, u.mfa_enabled, u.token_version, u.last_login_at, u.created_at,
    {", ".join(f"p.{name}" for name in OWN)}, COALESCE(p.must_change_password, false)
"""
FROM = "users u LEFT JOIN user_profiles p ON p.user_id = u.id"
_FIND = f"SELECT {COLUMNS} FROM {FROM} WHERE u.id = $1"  # noqa: S608 - constant column names
_FIND_BY_NUMBER = f"SELECT {COLUMNS} FROM {FROM} WHERE u.number = $1"  # noqa: S608 - constant column names


async def find(db: Executor, user_id: UUID) -> Person | None:
    """The person of an id, or None."""
    row = await db.fetchrow(_FIND, user_id)
    return Person(*row) if row else None


async def find_by_number(db: Executor, number: int) -> Person | None:
    """The person of a number, or None."""
    row = await db.fetchrow(_FIND_BY_NUMBER, number)
    return Person(*row) if row else None


def platform_role(global_role: str) -> str:
    """The platform's role in the provider's words (contracts/provider-api.md §3)."""
    return {GlobalRole.PLATFORM_SUPERADMIN: "superadmin", GlobalRole.PLATFORM_ADMIN: "admin"}.get(
        GlobalRole(global_role), "user"
    )


def full(person: Person) -> FullProfile:
    """A person to show."""
    return FullProfile(
        id=person.number,
        email=person.email,
        name=person.name,
        role=platform_role(person.global_role),
        is_verified=person.email_verified,
        created_at=person.created_at,
        phone=person.phone,
        avatar_url=person.avatar_url,
        last_login=person.last_login_at,
        **{name: getattr(person, name) for name in OWN},
    )


def checked(asked: Mapping[str, Any]) -> dict[str, str | None]:
    """The fields of a profile update as they are stored; an empty text clears a field (the name cannot be cleared).

    Raises:
        InvalidProfile: nothing was sent, or a field breaks its rule; the message says which.
    """
    if not asked:
        raise InvalidProfile
    return {name: _checked(name, value) for name, value in asked.items()}


def _checked(name: str, value: Any) -> str | None:
    if name not in WRITABLE:
        raise InvalidProfile(f"{name}: cannot be changed")
    if value is not None and not isinstance(value, str):
        raise InvalidProfile(f"{name}: must be a text")
    text = (value or "").strip()
    longest = _LONGEST_URL if name == "avatar_url" else _LONGEST
    if len(text) > longest:
        raise InvalidProfile(f"{name}: must have at most {longest} characters")
    if _CONTROL.search(text):
        raise InvalidProfile(f"{name}: must not contain control characters")
    if not text:
        if name == "name":
            raise InvalidProfile("name: must not be empty")
        return None
    if name == "avatar_url" and not (text.isascii() and _AVATAR.fullmatch(text)):
        raise InvalidProfile("avatar_url: must be an https address")
    if name == "phone" and not _PHONE.fullmatch(text):
        raise InvalidProfile("phone: is not a telephone number: digits, spaces and ()+-./ only")
    return text


def columns(values: Mapping[str, str | None]) -> dict[str, str | None]:
    """Checked fields under the names of their columns, as `change` takes them."""
    return {OF_USER.get(name, name): value for name, value in values.items()}


async def change(tx: Executor, user_id: UUID, values: Mapping[str, str | None], now: datetime) -> User | None:
    """Write columns of a profile, wherever each of them stands; the caller audits the names.

    Returns the user's row as it is now; None: nothing of it was to be changed.

    Raises:
        ValueError: a name that is no column of a profile (a mistake of the calling code).
    """
    of_user = {name: value for name, value in values.items() if name in USER_COLUMNS}
    own = {name: value for name, value in values.items() if name not in USER_COLUMNS}
    # The user's row first, as everywhere: two writers never wait for each other's rows.
    user = await users.update(tx, user_id, of_user, now=now) if of_user else None
    await user_profiles.put(tx, user_id, own)
    return user
