"""Set and show the plan of a company."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from identry.core.clock import Clock
from identry.core.db import Database
from identry.core.origin import SYSTEM
from identry.entitlements import Catalogue, Owned
from identry.records import company_plans
from identry.records.audit import Audit
from identry_kit.apierror import NotFound


class PlanUnknown(NotFound):
    """404: the catalogue has no such plan; the message lists those that it has."""


@dataclass(frozen=True, slots=True)
class PlanStatus:
    """A company's plan.

    Attributes:
        plan: its name.
        chosen: whether somebody chose it (else it is the default).
        owned: what it comes to; None when the catalogue does not know the plan (any more).
    """

    plan: str
    chosen: bool
    owned: Owned | None


class CompanyPlans:
    """Gives plans to companies."""

    def __init__(self, db: Database, clock: Clock, audit: Audit, catalogue: Catalogue) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._catalogue = catalogue

    async def show(self, company_id: UUID) -> PlanStatus:
        """The plan of a company."""
        row = await company_plans.find(self._db, company_id)
        plan, version = (row.plan, row.version) if row else (self._catalogue.default, 0)
        return PlanStatus(plan, row is not None, self._catalogue.owned(plan, version))

    async def set(self, company_id: UUID, plan: str) -> PlanStatus:
        """Give a company a plan; it counts from the next request on. Setting the same again changes nothing.

        Raises:
            PlanUnknown: the catalogue has no such plan.
        """
        if plan not in self._catalogue.plans:
            raise PlanUnknown(f"no plan {plan!r}; there are: {', '.join(self._catalogue.plans)}")
        async with self._db.transaction() as tx:
            before = await company_plans.find(tx, company_id)
            if before is None or before.plan != plan:
                after = await company_plans.put(tx, company_id, plan, self._clock.now())
                await self._audit.record(
                    tx,
                    "entitlements.updated",
                    SYSTEM,
                    actor="system",
                    company_id=company_id,
                    details={"plan": {"from": before.plan if before else None, "to": after.plan}},
                )
        return await self.show(company_id)
