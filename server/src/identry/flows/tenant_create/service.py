"""Make a tenant, with its first administrator."""

from __future__ import annotations

from uuid import UUID

from identry import tenancy
from identry.core.clock import Clock
from identry.core.db import Database
from identry.core.ids import uuid7
from identry.core.origin import SYSTEM
from identry.records import groups, tenants, users
from identry.records.audit import Audit
from identry_kit.apierror import Conflict, NotFound


class TenantExists(Conflict):
    """409: a tenant has this id or slug."""

    message = "a tenant has this id or slug"


class AdminUnknown(NotFound):
    """404: no account has this address."""

    message = "no account has this address"


class TenantCreate:
    """Makes tenants."""

    def __init__(self, db: Database, clock: Clock, audit: Audit) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit

    async def __call__(self, slug: str, name: str, tenant_id: UUID | None, admin_email: str | None) -> UUID:
        """Make a tenant; `tenant_id` None takes a new id, `admin_email` names its first administrator.

        Raises:
            AdminUnknown: no account has the address; nothing is made then.
            TenantExists: the id or the slug is taken.
        """
        tenant_id = tenant_id or uuid7(self._clock)
        async with self._db.transaction() as tx:
            admin = await users.find_by_email(tx, admin_email.strip().lower()) if admin_email else None
            if admin_email and admin is None:
                raise AdminUnknown
            if not await tenancy.create(tx, self._clock, tenant_id, slug=slug, name=name):
                raise TenantExists
            if admin is not None:
                now = self._clock.now()
                await tenants.put_member(tx, tenant_id, admin.id, is_active=True, now=now)
                found = [group for group, _ in await groups.of_tenant(tx, tenant_id) if group.name == groups.ADMIN]
                await groups.add_member(tx, tenant_id, found[0].id, admin.id, now)
            await self._audit.record(
                tx,
                "tenant.created",
                SYSTEM,
                actor="system",
                target=admin.id if admin else None,
                company_id=tenant_id,
                details={"slug": slug},
            )
        return tenant_id
