"""The person behind a browser's session, as the app needs to know them: tenant, groups, permissions, plan.

One statement by the session's id; what the tenant owns is asked of `entitlements`. Source: browser-api.md §2 `Me`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog

from identry.core.db import Executor
from identry.entitlements import Entitlements
from identry.entitlements.port import EntitlementsUnavailable
from identry.records import seats

log = structlog.get_logger("identry.profile")


@dataclass(frozen=True, slots=True)
class Profile:
    """A user in a tenant; the first fields in the column order of the SELECT here."""

    user_id: UUID
    email: str
    full_name: str
    has_password: bool
    auth_provider: str
    mfa_enabled: bool
    last_login_at: datetime | None
    tenant_id: UUID
    tenant_name: str
    tenant_demands_mfa: bool
    plan: str | None
    groups: list[tuple[UUID, str]]
    permissions: list[str]
    modules: tuple[str, ...] = ()


_OF_SESSION = f"""
    SELECT u.id, u.email, u.full_name, u.password_hash IS NOT NULL, u.auth_provider, u.mfa_enabled, u.last_login_at,
           t.id, t.name, t.mfa_required, {seats.PLAN},
           ARRAY(SELECT (g.id, g.name) FROM group_members gm JOIN groups g ON g.id = gm.group_id
                 WHERE gm.tenant_id = t.id AND gm.user_id = u.id ORDER BY lower(g.name)),
           ARRAY(SELECT DISTINCT p FROM group_members gm JOIN groups g ON g.id = gm.group_id, unnest(g.permissions) p
                 WHERE gm.tenant_id = t.id AND gm.user_id = u.id ORDER BY p)
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
        *known, plan, groups, permissions = row
        modules = await self._modules(row[7])
        return Profile(*known, plan or self._plan, [tuple(g) for g in groups], permissions, modules)

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
