"""A tenant comes into being: with its first company membership, or by an operator's hand. Both the same way.

Never: changes a tenant that exists, beyond who belongs to it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from uuid import UUID

from identry.core.clock import Clock
from identry.core.db import Executor
from identry.core.ids import uuid7
from identry.permissions import BUILT_INS
from identry.records import groups, tenants
from identry.records.groups import Group
from identry.records.tenants import Tenant

OwnSignIn = Callable[[Executor, UUID], Awaitable[bool]]
"""Whether a tenant has an enabled sign-in of its own (single sign-on with its provider)."""


async def follow(tx: Executor, clock: Clock, company_ids: Iterable[UUID], user_ids: Iterable[UUID]) -> None:
    """Companies whose memberships were just written become tenants, and those members become members of them.

    Part of the transaction that wrote the memberships of `user_ids`; `OWNER`s are in `Admin` from then on
    (records/groups.py). Who belonged to a tenant once comes back to it without the groups of then.
    """
    companies = sorted(set(company_ids))
    for company_id in companies:
        name = str(company_id)
        await create(tx, clock, company_id, slug=name, name=name_of_company(company_id))
        await tenants.touch(
            tx, company_id
        )  # holds the tenant before its members are written: never the other way round
    users = sorted(set(user_ids))
    await groups.leave_before_return(tx, companies, users)
    await tenants.follow_memberships(tx, companies, users, clock.now())


def name_of_company(company_id: UUID) -> str:
    """What a tenant is called as long as nobody named it."""
    return f"Company {str(company_id)[:8]}"


async def create(tx: Executor, clock: Clock, tenant_id: UUID, *, slug: str, name: str) -> bool:
    """Make a tenant with its built-in groups; False when the id or the slug is taken (nothing is written then)."""
    now = clock.now()
    if await tenants.find(tx, tenant_id) or not await tenants.insert(
        tx, Tenant(tenant_id, slug, name, True, "standard", [], False, 1, now, now)
    ):
        return False
    for built_in in BUILT_INS:
        group = Group(
            uuid7(clock), tenant_id, built_in.name, built_in.description, list(built_in.permissions), True, now, now
        )
        await groups.insert(tx, group)
    return True
