"""Accepting an invitation by an identity that another provider proved: what a callback of single sign-on calls."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from guests import address, invite, look
from harness import Person
from letters import letters
from msgspec.structs import replace
from tenants import Tenant

from identry.app.invitation_rooms import acceptance
from identry.core.ids import uuid7
from identry.core.origin import Origin
from identry.core.secrets import token_hash
from identry.flows.accept_invitation.acceptance import (
    AccountExists,
    InvitationExpired,
    InvitationGone,
    InvitationUsed,
    UnknownInvitation,
)
from identry.records import groups, tenants, users
from identry.records.invitations import Invitation
from identry.records.users import User
from identry.signin import (
    AccountInactive,
    CredentialsChanged,
    EmailDomainNotAllowed,
    PendingApproval,
    RegistrationRejected,
)
from identry_kit.apierror import APIError

ORIGIN = Origin("203.0.113.9", "a browser", "req-1")


async def by_identity(tenant: Tenant, token: str, user: User, verified_email: str | None = None) -> Invitation:
    """Accept as the callback does: in a transaction of its own."""
    service = acceptance(tenant.app.app.settings, tenant.app.app.engines, InvitationGone)
    async with tenant.app.db.transaction() as tx:
        return await service.by_identity(tx, token_hash(token), user, verified_email, ORIGIN)


async def provision(tenant: Tenant, token: str, email: str) -> Invitation:
    """Accept for a newcomer, whose account the same transaction makes."""
    made = await tenant.app.make_user()
    template = await row_of(tenant, made)
    user = replace(template, id=uuid7(tenant.app.clock), email=email, password_hash=None, auth_provider="microsoft")
    service = acceptance(tenant.app.app.settings, tenant.app.app.engines)
    async with tenant.app.db.transaction() as tx:
        return await service.by_identity(tx, token_hash(token), user, email, ORIGIN, is_new=True)


async def row_of(tenant: Tenant, person: Person) -> User:
    """The account of a person."""
    user = await users.find(tenant.app.db, person.id)
    assert user is not None
    return user


async def refused(tenant: Tenant, kind: type[APIError], token: str, user: User, email: str | None = None) -> None:
    """The acceptance is refused, and nothing is left of it."""
    with pytest.raises(kind):
        await by_identity(tenant, token, user, email)
    assert await tenants.find_member(tenant.app.db, tenant.id, user.id) is None


@pytest.mark.parametrize("vouched", [True, False], ids=["vouched", "not vouched"])
async def test_who_is_proven_elsewhere_joins_with_the_groups(tenant: Tenant, vouched: bool) -> None:
    person = await tenant.app.make_user(password_hash=None, auth_provider="microsoft", email_verified=False)
    guest = await invite(tenant, await tenant.group("incidents:read", name="Desk"), email=person.email)
    accepted = await by_identity(tenant, guest.token, await row_of(tenant, person), person.email if vouched else None)
    assert accepted.company_id == tenant.id
    assert [g.name for g in await groups.of_user(tenant.app.db, tenant.id, person.id)] == ["Desk"]
    assert (await row_of(tenant, person)).email_verified is True
    [row] = await tenant.app.audit("invitation.accepted", company_id=tenant.id)
    assert row["target_user_id"] == person.id
    assert json.loads(row["details"])["by"] == "identity"
    assert (await look(tenant.app, guest.token)).status_code == 410


async def test_a_newcomer_is_made_and_joins_in_one_transaction(tenant: Tenant) -> None:
    guest = await invite(tenant, await tenant.built_in("Read only"))
    accepted = await provision(tenant, guest.token, guest.email)
    user = await users.find_by_email(tenant.app.db, guest.email)
    assert user is not None
    assert accepted.company_id == tenant.id
    assert [g.name for g in await groups.of_user(tenant.app.db, tenant.id, user.id)] == ["Read only"]


async def test_an_account_that_was_made_meanwhile_is_not_joined_as_a_new_one(tenant: Tenant) -> None:
    person = await tenant.app.make_user()
    guest = await invite(tenant, email=person.email)
    with pytest.raises(AccountExists):
        await provision(tenant, guest.token, person.email)
    assert await tenants.find_member(tenant.app.db, tenant.id, person.id) is None


async def test_a_tenant_that_wants_single_sign_on_is_joined_this_way(tenant: Tenant) -> None:
    person = await tenant.app.make_user()
    guest = await invite(tenant, email=person.email)
    await tenant.app.db.execute("UPDATE tenants SET auth_policy = 'restricted' WHERE id = $1", tenant.id)
    await by_identity(tenant, guest.token, await row_of(tenant, person))
    member = await tenants.find_member(tenant.app.db, tenant.id, person.id)
    assert member is not None
    assert member.is_active


async def test_an_invitation_of_another_address_is_none(tenant: Tenant) -> None:
    person, guest = await tenant.app.make_user(), await invite(tenant)
    user = await row_of(tenant, person)
    await refused(tenant, UnknownInvitation, guest.token, user)
    await refused(tenant, UnknownInvitation, guest.token, user, guest.email)
    own = await invite(tenant, email=person.email)
    await refused(tenant, UnknownInvitation, own.token, user, address())
    await refused(tenant, UnknownInvitation, "nobody's", user)
    assert (await look(tenant.app, own.token)).status_code == 200
    with pytest.raises(UnknownInvitation):
        await provision(tenant, guest.token, stranger := address())
    assert await users.find_by_email(tenant.app.db, stranger) is None, "nothing is left of the account either"


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"is_active": False}, AccountInactive),
        ({"approval_status": "REJECTED"}, RegistrationRejected),
        ({"approval_status": "PENDING"}, PendingApproval),
    ],
    ids=["inactive", "rejected", "pending"],
)
async def test_a_closed_gate_stays_closed(tenant: Tenant, fields: dict[str, Any], kind: type[APIError]) -> None:
    person = await tenant.app.make_user(**fields)
    guest = await invite(tenant, email=person.email)
    await refused(tenant, kind, guest.token, await row_of(tenant, person))


async def test_used_expired_renewed_and_revoked_invitations_are_refused(tenant: Tenant) -> None:
    person = await tenant.app.make_user()
    user = await row_of(tenant, person)
    guest = await invite(tenant, email=person.email)
    assert (await tenant.ask("POST", f"/users/invitations/{guest.id}/resend"))[0] == 200
    await refused(tenant, UnknownInvitation, guest.token, user)
    newest = (await letters(tenant.app, person.email, "tenant_invitation"))[0].context["token"]
    assert (await tenant.ask("DELETE", f"/users/invitations/{guest.id}"))[0] == 204
    await refused(tenant, UnknownInvitation, newest, user)
    late = await invite(tenant, email=person.email)
    tenant.app.clock.advance(timedelta(days=7, seconds=1))
    await refused(tenant, InvitationExpired, late.token, user)
    tenant.app.clock.reset()
    await by_identity(tenant, late.token, user)
    with pytest.raises(InvitationGone):
        await by_identity(tenant, late.token, user)
    service = acceptance(tenant.app.app.settings, tenant.app.app.engines)
    async with tenant.app.db.transaction() as tx:
        with pytest.raises(InvitationUsed):
            await service.by_identity(tx, token_hash(late.token), user, None, ORIGIN)


async def test_an_inviter_who_lost_the_right_leaves_a_dead_link(tenant: Tenant) -> None:
    person, inviter = await tenant.app.make_user(), await tenant.person("Admin")
    guest = await invite(tenant, email=person.email, by=inviter)
    assert (await tenant.ask("DELETE", f"/users/{inviter.id}"))[0] == 204
    await refused(tenant, InvitationExpired, guest.token, await row_of(tenant, person))


async def test_a_domain_that_was_shut_out_since_stays_out(tenant: Tenant) -> None:
    person = await tenant.app.make_user()
    guest = await invite(tenant, email=person.email)
    await tenant.app.db.execute("UPDATE tenants SET allowed_email_domains = '{acme.com}' WHERE id = $1", tenant.id)
    await refused(tenant, EmailDomainNotAllowed, guest.token, await row_of(tenant, person))


async def test_an_account_that_changed_since_the_proof_does_not_join(tenant: Tenant) -> None:
    person = await tenant.app.make_user()
    guest, before = await invite(tenant, email=person.email), await row_of(tenant, person)
    await tenant.app.db.execute("UPDATE users SET token_version = token_version + 1 WHERE id = $1", person.id)
    await refused(tenant, CredentialsChanged, guest.token, before)
    await by_identity(tenant, guest.token, await row_of(tenant, person))


async def test_of_many_callbacks_at_once_one_accepts(tenant: Tenant) -> None:
    person = await tenant.app.make_user()
    guest, user = await invite(tenant, email=person.email), await row_of(tenant, person)
    outcomes = await asyncio.gather(
        *(by_identity(tenant, guest.token, user) for _ in range(20)), return_exceptions=True
    )
    assert len([outcome for outcome in outcomes if isinstance(outcome, Invitation)]) == 1
    assert {type(outcome) for outcome in outcomes} <= {Invitation, InvitationGone}
