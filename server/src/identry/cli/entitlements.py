"""`identry entitlements plans|show|set`: which plan of the built-in catalogue a company has."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import UUID

from identry.cli.arguments import uuid_of
from identry.cli.one_off import database_of, one_off
from identry.cli.terminal import complain, list_problems, say
from identry.core.clock import SystemClock
from identry.entitlements import Catalogue, CatalogueError
from identry.flows.company_plans.service import CompanyPlans, PlanStatus
from identry.records.audit import Audit
from identry.settings import Settings, SettingsError, load


def plans() -> int:
    """Print the plans of the catalogue and what each one owns."""
    try:
        catalogue = Catalogue.load(load().entitlements_file)
    except SettingsError as error:
        list_problems(error.problems)
        return 1
    except CatalogueError as error:
        complain(str(error))
        return 1
    for name in catalogue.plans:
        owned = catalogue.owned(name, 0)
        assert owned is not None
        default = " (default)" if name == catalogue.default else ""
        say(f"{name}{default}: {', '.join(sorted(owned.modules)) or 'nothing'}")
    return 0


def show(company: str) -> int:
    """Print the plan of a company."""
    return _with_plans(company, lambda service, company_id: service.show(company_id))


def assign(company: str, plan: str) -> int:
    """Give a company a plan."""
    return _with_plans(company, lambda service, company_id: service.set(company_id, plan))


def _with_plans(company: str, ask: Callable[[CompanyPlans, UUID], Awaitable[PlanStatus]]) -> int:
    async def job(settings: Settings) -> int:
        company_id, clock = uuid_of(company), SystemClock()
        catalogue = Catalogue.load(settings.entitlements_file)
        async with database_of(settings) as db:
            status = await ask(CompanyPlans(db, clock, Audit(clock), catalogue), company_id)
        chosen = "" if status.chosen else " (the default: none was chosen)"
        owns = ", ".join(sorted(status.owned.modules)) or "nothing" if status.owned else "unknown to the catalogue"
        say(f"{company_id}: {status.plan}{chosen}: {owns}")
        if settings.core_url:
            complain("CORE_URL is set: Core tells what a company owns, and this plan counts for nothing")
        return 0

    return one_off(job)
