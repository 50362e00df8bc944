"""`identry tenant create` and `identry explain`: a tenant by hand, and why somebody may or may not."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from uuid import UUID

from identry.cli.arguments import uuid_of
from identry.cli.one_off import database_of, one_off
from identry.cli.terminal import complain, say
from identry.core.clock import SystemClock
from identry.core.db import Database
from identry.entitlements import BuiltInPlans, Catalogue
from identry.flows.rbac.explain import Explain, Explanation
from identry.flows.tenant_create.service import TenantCreate
from identry.permissions import canonical
from identry.records import tenants, users
from identry.records.audit import Audit
from identry.settings import Settings
from identry_kit.apierror import NotFound

_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)


def create(slug: str, name: str, tenant_id: str | None, admin: str | None) -> int:
    """Make a tenant and print its id."""

    async def ask(db: Database, _: Settings) -> int:
        clock = SystemClock()
        wanted = uuid_of(tenant_id) if tenant_id else None
        say(str(await TenantCreate(db, clock, Audit(clock))(slug, name, wanted, admin)))
        return 0

    if not _SLUG.fullmatch(slug) or not name.strip():
        complain("the slug is 1 to 63 lower-case letters, digits and hyphens, and the name is not empty")
        return 1
    return _with_database(ask)


def explain(user: str, permission: str, tenant: str | None) -> int:
    """Print why a user may, or may not; exit code 0 when allowed, 2 when not.

    Args:
        user: an address or a UUID.
        permission: a key or an alias.
        tenant: slug or UUID; None: the tenant of the user's next session.
    """

    async def ask(db: Database, settings: Settings) -> int:
        key = canonical(permission)
        if "@" in user:
            found = await users.find_by_email(db, user.strip().lower())
        else:
            found = await users.find(db, uuid_of(user, "address and no UUID"))
        if found is None:
            raise NotFound(f"no account {user}")
        place = await _tenant(db, tenant, found.id)
        plans = BuiltInPlans(db, Catalogue.load(settings.entitlements_file))
        answer = await Explain(db, plans, settings.auth_policy)(place.id, found.id, key)
        _print(found.email, place.slug, answer)
        if settings.core_url:
            complain("CORE_URL is set: Core tells what a company owns, not the built-in plan of the line `entitlement`")
        return 0 if answer.allowed else 2

    return _with_database(ask)


async def _tenant(db: Database, named: str | None, user_id: UUID) -> tenants.Tenant:
    if named is None:
        found = await tenants.home_of(db, user_id)
    else:
        found = await tenants.find_by_slug(db, named)
        if found is None and len(named) == 36:
            found = await tenants.find(db, uuid_of(named, "slug and no UUID"))
    if found is None:
        raise NotFound(
            f"no tenant {named}" if named else "the user is an active member of no tenant; name one: --tenant"
        )
    return found


def _print(email: str, slug: str, answer: Explanation) -> None:
    say(f"{email} {'may' if answer.allowed else 'may not'} {answer.permission} in {slug}")
    for check in answer.checks:
        mark = "yes" if check.passed else "no" if check.decides else "(no)"
        say(f"  {check.name:<12} {mark:<5} {check.reason}")
    for change in answer.changes:
        say(f"  to change it: {change}")


def _with_database(ask: Callable[[Database, Settings], Awaitable[int]]) -> int:
    async def job(settings: Settings) -> int:
        async with database_of(settings) as db:
            return await ask(db, settings)

    return one_off(job)
