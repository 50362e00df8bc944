"""Accepting an invitation with an identity from elsewhere: /api/v1/auth/microsoft/login?invitation=…"""

from __future__ import annotations

import asyncio
import json
import secrets
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import pytest
from browser import assert_error, settle
from federation import PERSONAL, Federation, Window, guid, link, someone
from harness import PASSWORD, Harness, Person
from second_factor import secured
from tenants import Tenant

from identry.app.invitation_rooms import acceptance
from identry.core.ids import uuid7
from identry.core.origin import Origin
from identry.core.secrets import new_token, token_hash
from identry.federation.id_token import ProvenIdentity
from identry.federation.provider import ClientSecret, Provider
from identry.flows.accept_invitation.acceptance import InvitationGone
from identry.flows.federated_login.arrivals import Arrivals
from identry.flows.federated_login.invited import InvitedArrivals
from identry.flows.federated_login.refusals import Refused
from identry.flows.federated_login.standing import Proven
from identry.records import groups, identities, invitations, tenants, users
from identry.records.identities import IdentityKey
from identry.records.invitations import Invitation


@dataclass
class Invited:
    """An open invitation into a tenant, with one group."""

    tenant: Tenant
    token: str
    email: str
    inviter: Person


async def invited(app: Harness, email: str = "", *, into: Tenant | None = None) -> Invited:
    """Invite an address into the group Desk of a (new) tenant."""
    tenant = into or await Tenant(app).made()
    email = email or f"guest-{secrets.token_hex(6)}@example.com"
    group, token, now = await tenant.group("incidents:read", name="Desk"), new_token(), app.clock.now()
    row = Invitation(
        id=uuid7(app.clock),
        company_id=tenant.id,
        business_unit_id=None,
        email=email,
        role="MEMBER",
        invited_by=tenant.admin.id,
        created_at=now,
        expires_at=now + timedelta(days=7),
        accepted_at=None,
        revoked_at=None,
        group_ids=[group.id],
    )
    await invitations.put(app.db, row, token_hash(token))
    return Invited(tenant, token, email, tenant.admin)


async def is_member(app: Harness, tenant_id: UUID, email: str) -> bool:
    """Whether the address belongs to an active member."""
    user = await users.find_by_email(app.db, email)
    member = await tenants.find_member(app.db, tenant_id, user.id) if user else None
    return member is not None and member.is_active


async def looks(window: Window, token: str) -> int:
    """What the page behind the link is told."""
    return (await window.get(f"/invitations/{token}")).status_code


async def test_a_newcomer_joins_the_tenant_that_invited_whatever_their_directory(
    there: Federation, app: Harness, window: Window
) -> None:
    offer = await invited(app)
    assert "microsoft" in (await window.get(f"/invitations/{offer.token}")).json()["methods"]
    body = await window.sign_in(someone(PERSONAL, offer.email), invitation=offer.token)
    me = body["user"]
    assert (me["email"], me["tenant_id"]) == (offer.email, str(offer.tenant.id))
    assert [group["name"] for group in me["groups"]] == ["Desk"]
    assert me["auth_methods"] == ["microsoft"]
    user = await users.find_by_email(app.db, offer.email)
    assert user is not None
    assert (user.email_verified, user.password_hash) == (True, None)
    events = {row["event"] for row in await app.audit(target_user_id=user.id)}
    assert {"user.created", "tenant.member.created", "invitation.accepted", "identity.linked"} <= events
    assert await looks(window, offer.token) == 410
    assert (await window.get("/me")).status_code == 200


async def test_an_account_joins_by_the_identity_that_it_is_linked_to(there: Federation, app: Harness) -> None:
    person, tid = await app.make_user(), guid()
    ada = someone(tid, person.email)
    await link(there, person, ada)
    home = await there.tenant()
    await settle(app, person, home)
    offer = await invited(app, person.email)
    there.entra.claims = {"email": "renamed@elsewhere.example"}
    body = await Window(there).sign_in(ada, invitation=offer.token)
    assert (body["user"]["id"], body["user"]["tenant_id"]) == (str(person.id), str(offer.tenant.id))


async def test_the_link_and_an_equal_address_open_no_account_that_exists(there: Federation, app: Harness) -> None:
    person = await app.make_user()
    offer = await invited(app, person.email)
    window = Window(there)
    arrived = await window.arrive(someone(guid(), person.email), invitation=offer.token)
    assert arrived == {"error": "account_link_required"}
    assert await identities.of_user(app.db, person.id) == []
    assert not await is_member(app, offer.tenant.id, person.email)
    assert await looks(window, offer.token) == 200


async def test_an_identity_of_another_address_accepts_nothing(there: Federation, app: Harness) -> None:
    offer = await invited(app)
    window, stranger = Window(there), someone(guid())
    assert await window.arrive(stranger, invitation=offer.token) == {"error": "not_found"}
    assert await users.find_by_email(app.db, stranger.email or "") is None, "and leaves no account behind"
    person = await app.make_user()
    ada = someone(guid(), offer.email)  # says the invited address, and is linked to the account of another one
    await link(there, person, ada)
    assert await Window(there).arrive(ada, invitation=offer.token) == {"error": "not_found"}
    assert await looks(window, offer.token) == 200


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ("UPDATE invitations SET revoked_at = now() WHERE email = $1", "not_found"),
        ("UPDATE invitations SET accepted_at = now() WHERE email = $1", "invitation_used"),
        ("UPDATE invitations SET expires_at = created_at WHERE email = $1", "invitation_expired"),
        ("UPDATE invitations SET invited_by = NULL WHERE email = $1", "invitation_expired"),
        ("UPDATE invitations SET token_hash = id::text::bytea WHERE email = $1", "not_found"),
    ],
    ids=["revoked", "used", "expired", "inviter gone", "renewed"],
)
async def test_what_happened_to_the_invitation_meanwhile_is_told_and_nobody_is_let_in(
    there: Federation, app: Harness, change: str, error: str
) -> None:
    offer, window, before = await invited(app), Window(there), await there.refusals()
    there.entra.who = someone(guid(), offer.email)
    back = await window.prove(await window.leave(invitation=offer.token))
    await app.db.execute(change, offer.email)
    assert await window.come_back(back) == {"error": error}
    assert await users.find_by_email(app.db, offer.email) is None
    [row] = await there.refusals(*before)
    assert json.loads(row["details"])["error"] == error


async def test_an_unknown_token_is_told_at_the_end_and_lets_nobody_in(there: Federation, window: Window) -> None:
    await there.tenant(tid := guid())
    assert await window.arrive(someone(tid), invitation="nobody's") == {"error": "not_found"}


async def test_a_domain_that_the_tenant_shut_out_stays_out(there: Federation, app: Harness) -> None:
    offer = await invited(app)
    narrow = "UPDATE tenants SET allowed_email_domains = '{acme.com}' WHERE id = $1"
    await app.db.execute(narrow, offer.tenant.id)
    arrived = await Window(there).arrive(someone(guid(), offer.email), invitation=offer.token)
    assert arrived == {"error": "email_domain_not_allowed"}
    assert await users.find_by_email(app.db, offer.email) is None


async def test_a_tenant_that_wants_single_sign_on_is_joined_this_way_and_not_by_password(
    there: Federation, app: Harness
) -> None:
    offer, window = await invited(app), Window(there)
    await app.db.execute("UPDATE tenants SET auth_policy = 'restricted' WHERE id = $1", offer.tenant.id)
    assert (await window.get(f"/invitations/{offer.token}")).json()["methods"] == ["microsoft"]
    refused = await window.post(f"/invitations/{offer.token}/accept", {"password": PASSWORD, "full_name": "Gil"})
    assert_error(refused, 403, "password_login_disabled")
    body = await window.sign_in(someone(guid(), offer.email), invitation=offer.token)
    assert body["user"]["tenant_id"] == str(offer.tenant.id)


async def test_a_closed_gate_of_the_account_stays_closed(there: Federation, app: Harness) -> None:
    person = await app.make_user(is_active=False)
    ada = someone(guid(), person.email)
    await link(there, person, ada)
    offer = await invited(app, person.email)
    assert await Window(there).arrive(ada, invitation=offer.token) == {"error": "account_inactive"}
    assert not await is_member(app, offer.tenant.id, person.email)


async def test_our_own_second_factor_is_asked_for_at_the_exchange(there: Federation, app: Harness) -> None:
    ada = await secured(app)
    account = someone(guid(), ada.person.email)
    await link(there, ada.person, account)
    offer, window = await invited(app, ada.person.email), Window(there)
    arrived = await window.arrive(account, invitation=offer.token)
    waiting = (await window.exchange(arrived["code"])).json()
    assert waiting["mfa_required"] is True
    code = {"session_token": waiting["session_token"], "totp_code": ada.code(app)}
    done = await window.post("/mfa/verify", code)
    assert done.json()["user"]["tenant_id"] == str(offer.tenant.id)


async def test_a_tenants_own_provider_accepts_no_invitation_of_another(there: Federation, app: Harness) -> None:
    """The platform's app speaks for a directory; a provider that a tenant configured opens that tenant only."""
    offer, elsewhere = await invited(app), await there.tenant()
    e = app.app.engines
    arrivals = Arrivals(e.clock, e.audit, e.outbox, there.said, ())
    arriving = InvitedArrivals(e.clock, arrivals, acceptance(app.app.settings, e, InvitationGone))
    identity = ProvenIdentity(
        "oidc", IdentityKey("https://idp.example.com", "", guid()), offer.email, True, "Gil Guest", False
    )

    async def come(tenant_id: UUID) -> UUID:
        async with app.db.transaction() as tx:
            proven = Proven(own_provider(tenant_id), identity, None, None)
            return (await arriving.admit(tx, proven, token_hash(offer.token), Origin(None, None, None))).tenant_id

    with pytest.raises(Refused) as refused:
        await come(elsewhere)
    assert refused.value.code == "tenant_unknown"
    assert await users.find_by_email(app.db, offer.email) is None
    assert await come(offer.tenant.id) == offer.tenant.id


def own_provider(tenant_id: UUID) -> Provider:
    """What a tenant configured."""
    url = "https://idp.example.com"
    return Provider(
        key=str(tenant_id),
        kind="oidc",
        tenant_id=tenant_id,
        issuer=url,
        authorization_endpoint=f"{url}/authorize",
        token_endpoint=f"{url}/token",
        jwks_uri=f"{url}/jwks",
        redirect_uri="https://auth.example.com/callback",
        client_id="identry",
        client_secret=ClientSecret("secret"),
        directory_id=None,
        jit=True,
        default_group_ids=(),
        display_name="Example",
    )


async def test_of_many_who_come_back_at_once_one_accepts(there: Federation, app: Harness) -> None:
    offer = await invited(app)
    there.entra.who = someone(guid(), offer.email)
    windows = [Window(there) for _ in range(6)]
    urls = [await window.prove(await window.leave(invitation=offer.token)) for window in windows]
    arrived = await asyncio.gather(*(window.come_back(url) for window, url in zip(windows, urls, strict=True)))
    assert len([told for told in arrived if "code" in told]) == 1
    assert {told.get("error", "") for told in arrived} <= {"", "invitation_used"}
    user = await users.find_by_email(app.db, offer.email)
    assert user is not None
    assert len(await identities.of_user(app.db, user.id)) == 1
    assert [g.name for g in await groups.of_user(app.db, offer.tenant.id, user.id)] == ["Desk"]
    assert len(await app.audit("invitation.accepted", target_user_id=user.id)) == 1


async def test_by_password_and_by_identity_at_once_one_accepts(there: Federation, app: Harness) -> None:
    for _ in range(8):
        offer, window = await invited(app), Window(there)
        there.entra.who = someone(guid(), offer.email)
        url = await window.prove(await window.leave(invitation=offer.token))
        arrived, reply = await asyncio.gather(
            window.come_back(url),
            Window(there).post(f"/invitations/{offer.token}/accept", {"password": PASSWORD, "full_name": "Gil"}),
        )
        assert ("code" in arrived) != (reply.status_code == 200), (arrived, reply.text)
        assert arrived.get("error", "") in {"", "invitation_used", "account_link_required"}
        assert reply.status_code in {200, 409, 410}
