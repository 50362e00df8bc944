"""The person behind a browser's session, as the app needs to know them: tenant, groups, permissions, plan.

Read by the session's id; what the tenant owns is asked of `entitlements`. Source: browser-api.md §2 `Me`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog

from identry.core.db import Executor
from identry.entitlements import Entitlements
from identry.entitlements.port import EntitlementsUnavailable
from identry.records import groups, identities, seats

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
           u.last_login_at, t.id, t.name, t.mfa_required, {seats.PLAN}
    FROM (SELECT user_id, tenant_id FROM sessions WHERE id = $1 LIMIT 1) s
    JOIN users u ON u.id = s.user_id
    JOIN tenant_members tm ON tm.tenant_id = s.tenant_id AND tm.user_id = u.id
    JOIN tenants t ON t.id = s.tenant_id
"""  # noqa: S608 - constant expressions


class Profiles:
    """Reads profiles.

    Args:
        plan: of tenants that bought nothing.
        mfa_required: whether the deployment demands a second factor of everybody (`MFA_REQUIRED`).
    """

    def __init__(self, db: Executor, entitlements: Entitlements, *, plan: str, mfa_required: bool) -> None:
        self._db = db
        self._entitlements = entitlements
        self._plan = plan
        self._mfa_required = mfa_required

    async def of_session(self, session_id: UUID) -> Profile:
        """Who signed in.

        Raises:
            LookupError: no such session, or it is of no tenant.
        """
        row = await self._db.fetchrow(_OF_SESSION, session_id)
        if row is None:
            raise LookupError("a session without a profile")
        *known, plan = row
        user_id, tenant_id = known[0], known[7]
        found = await groups.of_user(self._db, tenant_id, user_id)
        rest: Any = (
            plan or self._plan,
            tuple((group.id, group.name) for group in found),
            tuple(sorted({permission for group in found for permission in group.permissions})),
            await self._modules(tenant_id),
        )
        return Profile(*known, *rest)

    def must_enroll(self, profile: Profile) -> bool:
        """Whether a second factor is demanded of a person who has none."""
        return not profile.mfa_enabled and (self._mfa_required or profile.tenant_demands_mfa)

    async def _modules(self, tenant_id: UUID) -> tuple[str, ...]:
        """What the tenant owns; nothing while that cannot be told: a sign-in does not wait for another service."""
        try:
            return tuple(sorted((await self._entitlements.owned(tenant_id)).modules))
        except EntitlementsUnavailable:
            log.warning("profile.modules_unknown", tenant_id=str(tenant_id))
            return ()
