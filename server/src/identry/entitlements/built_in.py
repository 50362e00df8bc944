"""Entitlements from the built-in plans: the catalogue, and the plan of each company in our own database."""

from __future__ import annotations

from uuid import UUID

import structlog

from identry.core.db import Executor
from identry.entitlements.catalogue import Catalogue
from identry.entitlements.port import EntitlementsUnavailable, Owned
from identry.records import company_plans

log = structlog.get_logger(__name__)


class BuiltInPlans:
    """`Entitlements` of a deployment without a Core service."""

    def __init__(self, db: Executor, catalogue: Catalogue) -> None:
        self._db = db
        self._catalogue = catalogue

    async def owned(self, company_id: UUID) -> Owned:
        """See `Entitlements.owned`; always as the database says now."""
        row = await company_plans.find(self._db, company_id)
        return await self.owned_with(company_id, row.plan if row else None, row.version if row else 0)

    async def owned_with(self, company_id: UUID, plan: str | None, plan_version: int) -> Owned:
        """See `Entitlements.owned_with`."""
        plan = plan or self._catalogue.default
        owned = self._catalogue.owned(plan, plan_version)
        if owned is None:
            log.error("a company has a plan that the catalogue does not know", company_id=str(company_id), plan=plan)
            raise EntitlementsUnavailable("the company's plan is not in the catalogue")
        return owned
