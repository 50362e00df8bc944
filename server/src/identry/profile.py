"""The person behind a browser's session, as the app needs to know them: tenant, groups, permissions, plan.

Read by the session's id, in one statement; what the tenant owns is asked of `entitlements`. Source: browser-api.md §2
`Me`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog

from identry.core.clock import Clock
from identry.core.db import Executor
from identry.entitlements import Entitlements
from identry.entitlements.port import EntitlementsUnavailable
from identry.records import groups, identities, passkeys, sessions

log = structlog.get_logger("identry.profile")


@dataclass(frozen=True, slots=True)
class Profile:
    """A user in a tenant; the first fields in the column order of the SELECT here."""

    user_id: UUID
    email: str
    full_name: str
    has_password: bool
    elsewhere: list[str]
    mfa_enabled: bool
    has_passkey: bool
    last_login_at: datetime | None
    tenant_id: UUID
    tenant_name: str
    tenant_demands_mfa: bool
    plan: str
    groups: tuple[tuple[UUID, str], ...]
    permissions: tuple[str, ...]
    modules: tuple[str, ...]


_OF_SESSION = f"""
    SELECT u.id, u.email, u.full_name, u.password_hash IS NOT NULL, {identities.METHODS}, u.mfa_enabled,
           {passkeys.OWNED}, u.last_login_at, t.id AS tenant_id, t.name, t.mfa_required,
           plan.plan, plan.version, held.ids, held.names, held.permissions, owned.id, owned.name, owned.permissions,
           {sessions.ENDED} AS ended, tm.is_active AND t.is_active AS seated
    FROM {sessions.OF_USER}
    JOIN tenant_members tm ON tm.tenant_id = s.tenant_id AND tm.user_id = u.id
    JOIN tenants t ON t.id = s.tenant_id
    LEFT JOIN company_entitlements plan ON plan.company_id = s.tenant_id
    LEFT JOIN {groups.OWNED}
    CROSS JOIN LATERAL ({groups.HELD}) held
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
        self._db = db
        self._clock = clock
        self._entitlements = entitlements
        self._plan = plan
        self._mfa_required = mfa_required

    async def of_session(self, session_id: UUID) -> Profile:
        """Who just proved to be in this session.

        Raises:
            LookupError: no such session, or it is of no tenant.
        """
        row = await self._row(session_id)
        if row is None:
            raise LookupError("a session without a profile")
        return await self._profile(row)

    async def of_live(self, session_id: UUID) -> Profile | None:
        """Who is in this session; None when it ended, or user or tenant may not act any more."""
        row = await self._row(session_id)
        if row is None or row["ended"] is not None or not row["seated"]:
            return None
        return await self._profile(row)

    async def _row(self, session_id: UUID) -> Any | None:
        return await self._db.fetchrow(_OF_SESSION, session_id, self._clock.now())

    async def _profile(self, row: Any) -> Profile:
        *known, plan, version, ids, names, permissions, owned_id, owned_name, owned_permissions, _, _ = row
        found = dict(zip(ids, names, strict=True)) if ids else {}
        keys = set(permissions.split()) if permissions else set()
        if owned_id is not None:
            found[owned_id] = owned_name
            keys.update(owned_permissions)
        rest: Any = (
            plan or self._plan,
            tuple(sorted(found.items(), key=_by_name)) if len(found) > 1 else tuple(found.items()),
            tuple(sorted(keys)),
            await self._modules(row["tenant_id"], plan, version),
        )
        return Profile(*known, *rest)

    def must_enroll(self, profile: Profile) -> bool:
        """Whether a second factor is demanded of a person who has none."""
        return not (profile.mfa_enabled or profile.has_passkey) and (self._mfa_required or profile.tenant_demands_mfa)

    async def _modules(self, tenant_id: UUID, plan: str | None, version: int | None) -> tuple[str, ...]:
        """What the tenant owns; nothing while that cannot be told: a sign-in does not wait for another service."""
        try:
            return tuple(sorted((await self._entitlements.owned_with(tenant_id, plan, version or 0)).modules))
        except EntitlementsUnavailable:
            log.warning("profile.modules_unknown", tenant_id=str(tenant_id))
            return ()


def _by_name(group: tuple[UUID, str]) -> str:
    return group[1].lower()
