"""The person behind a browser's session, as the app needs to know them: tenant, groups, permissions, plan.

One description of what is read: by itself for sessions (those that are asked for at once go together), and as part of
the statement that rotates one. What the tenant owns is asked of `entitlements`. Source: browser-api.md §2 `Me`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec
import structlog

from identry.core.clock import Clock
from identry.core.db import Executor
from identry.entitlements import Entitlements
from identry.entitlements.port import EntitlementsUnavailable
from identry.records import groups, identities, passkeys, seats, sessions
from identry.records.session_reader import SessionReader

log = structlog.get_logger("identry.profile")


class Profile(msgspec.Struct, frozen=True):
    """A user in a tenant; the first nine fields in the order of `COLUMNS`."""

    user_id: UUID
    email: str
    full_name: str
    has_password: bool
    mfa_enabled: bool
    last_login_at: datetime | None
    tenant_id: UUID
    tenant_name: str
    tenant_demands_mfa: bool
    plan: str
    elsewhere: tuple[str, ...]
    has_passkey: bool
    groups: tuple[tuple[UUID, str], ...]
    permissions: tuple[str, ...]
    modules: tuple[str, ...]


ProfileRow = Sequence[Any]
"""What PostgreSQL told for `COLUMNS`."""

# A profile is read in two steps of one statement, so that no row is looked up twice. Whatever finds a session `s` and
# its user `u` joins where that user is, …
PLACE = f"""(
    tenant_members tm JOIN tenants t ON t.id = tm.tenant_id
    LEFT JOIN company_entitlements plan ON plan.company_id = tm.tenant_id
    LEFT JOIN {seats.PLACE}
)"""
AT_PLACE = "tm.tenant_id = s.tenant_id AND tm.user_id = s.user_id"

_PERSON = {
    "user_id": "u.id",
    "email": "u.email",
    "full_name": "u.full_name",
    "has_password": "u.password_hash IS NOT NULL",
    "mfa_enabled": "u.mfa_enabled",
    "last_login_at": "u.last_login_at",
    "tenant_id": "t.id",
    "tenant_name": "t.name",
    "tenant_demands_mfa": "t.mfa_required",
    "role": seats.PLACE_ROLE,
    "plan": "plan.plan",
    "plan_version": "plan.version",
}
PERSON = ", ".join(f"{expression} AS {name}" for name, expression in _PERSON.items())
"""… and hands these on as a row of `p`; …"""

_HANGING = (
    *(identities.KINDS, passkeys.OWNED),
    *("held.ids", "held.names", "held.permissions", "owned.id", "owned.name", "owned.permissions"),
)
TABLES = f"LEFT JOIN {groups.OWNED} CROSS JOIN LATERAL ({groups.HELD}) held"
"""… behind which these are joined, …"""
COLUMNS = ", ".join((*(f"p.{name}" for name in _PERSON), *_HANGING))
"""… and this is the profile."""
WIDTH = len(_PERSON) + len(_HANGING)
"""Of `COLUMNS`."""

_OF_SESSIONS = f"""
    SELECT p.session_id, p.live, {COLUMNS} FROM (
        SELECT s.id AS session_id, {sessions.ENDED} IS NULL AND tm.is_active AND t.is_active AS live, {PERSON}
        FROM {sessions.OF_USERS} JOIN {PLACE} ON {AT_PLACE}
    ) p {TABLES}
"""  # noqa: S608 - constant expressions


class Profiles:
    """Reads profiles.

    Args:
        plan: of tenants that bought nothing.
        mfa_required: whether the deployment demands a second factor of everybody (`MFA_REQUIRED`).
    """

    def __init__(
        self, db: Executor, clock: Clock, entitlements: Entitlements, *, plan: str, mfa_required: bool
    ) -> None:
        self._entitlements = entitlements
        self._plan = plan
        self._mfa_required = mfa_required
        self._sessions = SessionReader(db, clock, _OF_SESSIONS)

    async def of_session(self, session_id: UUID) -> Profile:
        """Who just proved to be in this session.

        Raises:
            LookupError: no such session, or it is of no tenant.
        """
        found = await self._sessions(session_id)
        if found is None:
            raise LookupError("a session without a profile")
        return await self.of_row(found[1:])

    async def of_live(self, session_id: UUID) -> Profile | None:
        """Who is in this session; None when it ended, or user or tenant may not act any more."""
        found = await self._sessions(session_id)
        return await self.of_row(found[1:]) if found is not None and found[0] else None

    async def of_row(self, row: ProfileRow) -> Profile:
        """The profile that a statement has read."""
        known = row[:9]
        plan, version, kinds, has_passkey, ids, names, permissions, owned_id, owned_name, owned_permissions = row[10:]
        found = dict(zip(ids, names, strict=True)) if ids else {}
        if owned_id is not None:
            found[owned_id] = owned_name
            permissions = " ".join((*owned_permissions, permissions or ""))
        rest: Any = (
            plan or self._plan,
            identities.methods(kinds),
            has_passkey,
            tuple(sorted(found.items(), key=_by_name)) if len(found) > 1 else tuple(found.items()),
            _each_once(permissions or ""),
            await self._modules(row[6], plan, version),
        )
        return Profile(*known, *rest)

    def must_enroll(self, profile: Profile) -> bool:
        """Whether a second factor is demanded of a person who has none."""
        return not (profile.mfa_enabled or profile.has_passkey) and (self._mfa_required or profile.tenant_demands_mfa)

    async def _modules(self, tenant_id: UUID, plan: str | None, version: int | None) -> tuple[str, ...]:
        """What the tenant owns; nothing while that cannot be told: a sign-in does not wait for another service."""
        try:
            return _in_order((await self._entitlements.owned_with(tenant_id, plan, version or 0)).modules)
        except EntitlementsUnavailable:
            log.warning("profile.modules_unknown", tenant_id=str(tenant_id))
            return ()


@lru_cache(maxsize=1024)
def _each_once(keys: str) -> tuple[str, ...]:
    """Keys with blanks between them, sorted; people of one group have the same."""
    return tuple(sorted(set(keys.split())))


@lru_cache(maxsize=1024)
def _in_order(modules: frozenset[str]) -> tuple[str, ...]:
    return tuple(sorted(modules))


def _by_name(group: tuple[UUID, str]) -> str:
    return group[1].lower()
