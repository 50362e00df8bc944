"""A tenant's own provider: it opens that tenant and no other, as long as it is switched on, and proves what it may."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlsplit
from uuid import UUID

import pytest
from browser import assert_error, settle, tenant
from federation import LEAVING, Federation, Window, guid, link, someone
from services.entra import CLIENT_ID, CLIENT_SECRET, Account

from identry.app.invitation_rooms import acceptance
from identry.core.origin import SYSTEM
from identry.federation.departure import Departures, Errand
from identry.federation.microsoft import platform_app
from identry.federation.provider import Provider, ProviderUnavailable
from identry.federation.reach import Reach, Reaches
from identry.federation.token_request import Proofs
from identry.flows.accept_invitation.acceptance import InvitationGone
from identry.flows.federated_login.arrivals import Arrivals
from identry.flows.federated_login.invited import InvitedArrivals
from identry.flows.federated_login.refusals import Refused
from identry.flows.federated_login.service import FederatedLogin, Outcome, ProviderOff, Reply


@dataclass
class Own:
    """A tenant, its provider, and the flow through it."""

    there: Federation
    tenant_id: UUID
    tid: str
    provider: Provider

    @property
    def key(self) -> str:
        return str(self.tenant_id)

    def login(self) -> FederatedLogin:
        """The flow, as the application makes it."""
        e = self.there.app.app.engines
        reach = Reach(e.providers, e.provider_keys)
        arrivals = Arrivals(e.clock, e.audit, e.outbox, self.there.said, ())
        invitations = acceptance(self.there.app.app.settings, e, InvitationGone)
        return FederatedLogin(
            e.db,
            e.clock,
            e.audit,
            e.limiter,
            self.there.said,
            Departures(e.db, e.clock, e.pending_logins),
            Proofs(e.clock, Reaches(reach, reach)),
            arrivals,
            InvitedArrivals(e.clock, arrivals, invitations),
        )

    async def leave(self, account: Account) -> tuple[Reply, str]:
        """As far as the redirect back: what the callback is called with, and the cookie."""
        self.there.entra.who = account
        departure = await self.login().start(self.key, Errand(), SYSTEM)
        back = dict(parse_qsl(urlsplit(await Window(self.there).prove(departure.url)).query))
        return Reply(back["state"], back.get("code", ""), back.get("error", ""), back.get("iss", "")), departure.binding

    async def finish(self, reply: Reply, binding: str) -> Outcome:
        return await self.login().finish(self.key, reply, binding, SYSTEM)

    async def arrive(self, account: Account) -> Outcome:
        return await self.finish(*await self.leave(account))

    async def sign_in(self, account: Account) -> Window:
        """The whole way, the exchange over HTTP."""
        outcome = await self.arrive(account)
        assert outcome.issued is not None
        window = Window(self.there, {LEAVING: outcome.issued.binding})
        reply = await window.exchange(outcome.issued.code)
        assert reply.status_code == 200, reply.text
        return window

    async def refused(self, account: Account) -> str:
        """The code with which somebody is refused."""
        with pytest.raises(Refused) as refused:
            await self.arrive(account)
        return str(refused.value.code)

    def configure(self, **changed: Any) -> None:
        """Change the provider."""
        self.provider = self.there.said.providers[self.key] = replace(self.provider, **changed)


@pytest.fixture
async def own(there: Federation) -> Own:
    """A tenant whose provider is its directory at Entra ID."""
    tenant_id, tid = await there.tenant(), guid()
    provider = replace(
        platform_app(
            authority=there.entra.url,
            api_public_url="https://auth.example.com",
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
        ),
        key=str(tenant_id),
        tenant_id=tenant_id,
        directory_id=tid,
        jit=True,
    )
    made = Own(there, tenant_id, tid, provider)
    made.configure()
    return made


async def test_it_opens_its_tenant(own: Own) -> None:
    window = await own.sign_in(someone(own.tid))
    assert window.me["tenant_id"] == str(own.tenant_id)
    [session] = (await window.get("/sessions")).json()["data"]
    assert session["amr"] == ["sso_tenant"]


async def test_where_its_tenant_demands_a_second_factor_its_own_word_for_one_is_enough(
    there: Federation, own: Own
) -> None:
    person = await there.app.make_user()
    ada = someone(own.tid, amr=["pwd", "mfa"])
    await link(there, person, ada)
    for home in (own.tenant_id, await tenant(there.app)):
        await settle(there.app, person, home)
    await there.app.db.execute("UPDATE tenants SET mfa_required = true WHERE id = $1", own.tenant_id)
    assert (await own.sign_in(ada)).me["tenant_id"] == str(own.tenant_id)


async def test_people_of_another_directory_are_refused(own: Own) -> None:
    assert await own.refused(someone(guid())) == "token_invalid"


async def test_it_opens_its_tenant_and_no_other_for_whoever_belongs_to_several(there: Federation, own: Own) -> None:
    person = await there.app.make_user()
    ada = someone(own.tid)
    await link(there, person, ada)
    await settle(there.app, person, own.tenant_id)
    there.app.clock.advance(60)
    await settle(there.app, person, await there.tenant())
    assert (await own.sign_in(ada)).me["tenant_id"] == str(own.tenant_id)


async def test_a_known_person_who_is_no_member_yet_becomes_one_where_the_tenant_wants_that(
    there: Federation, own: Own
) -> None:
    person = await there.app.make_user()
    await settle(there.app, person, await there.tenant())
    ada = someone(own.tid)
    await link(there, person, ada)
    own.configure(jit=False)
    assert await own.refused(ada) == "account_inactive"
    own.configure(jit=True)
    assert (await own.sign_in(ada)).me["id"] == str(person.id)


async def test_whoever_was_removed_does_not_come_back_by_signing_in(there: Federation, own: Own) -> None:
    window = await own.sign_in(ada := someone(own.tid))
    await there.app.db.execute("UPDATE tenant_members SET is_active = false WHERE user_id = $1", UUID(window.me["id"]))
    assert await own.refused(ada) == "account_inactive"


async def test_a_closed_tenant_opens_to_nobody(there: Federation, own: Own) -> None:
    await own.sign_in(ada := someone(own.tid))
    await there.app.db.execute("UPDATE tenants SET is_active = false WHERE id = $1", own.tenant_id)
    assert await own.refused(ada) == "account_inactive"
    assert await own.refused(someone(own.tid)) == "tenant_unknown"


# -- switched off, replaced, away -------------------------------------------------------------------------------------


async def test_row_25_a_provider_that_was_switched_off_meanwhile_signs_nobody_in(there: Federation, own: Own) -> None:
    reply, binding = await own.leave(someone(own.tid))
    outcome = await own.arrive(someone(own.tid))
    del there.said.providers[own.key]

    with pytest.raises(Refused, match="provider_unavailable"):
        await own.finish(reply, binding)
    with pytest.raises(ProviderOff):
        await own.login().start(own.key, Errand(), SYSTEM)
    assert outcome.issued is not None
    window = Window(there, {LEAVING: outcome.issued.binding})
    assert_error(await window.exchange(outcome.issued.code), 401, "invalid_code")


@pytest.mark.parametrize(
    "changed", [{"client_id": "another"}, {"issuer": "https://another.example"}], ids=["client", "issuer"]
)
async def test_a_provider_that_was_replaced_meanwhile_gets_no_code_of_the_former(
    changed: dict[str, Any], there: Federation, own: Own
) -> None:
    reply, binding = await own.leave(someone(own.tid))
    own.configure(**changed)
    with pytest.raises(Refused, match="provider_unavailable"):
        await own.finish(reply, binding)
    assert there.entra.forms == []


async def test_the_callback_of_another_provider_finishes_nothing(there: Federation, own: Own) -> None:
    reply, binding = await own.leave(someone(own.tid))
    with pytest.raises(Refused, match="state_invalid"):
        await own.login().finish("microsoft", reply, binding, SYSTEM)
    window = Window(there, {LEAVING: binding})
    assert await window.come_back(f"https://x/?state={reply.state}&code={reply.code}") == {"error": "state_invalid"}


async def test_a_configuration_that_cannot_be_read_is_an_outage_and_nobodys_fault(
    there: Federation, own: Own, monkeypatch: pytest.MonkeyPatch
) -> None:
    reply, binding = await own.leave(someone(own.tid))
    outcome = await own.arrive(someone(own.tid))
    assert outcome.issued is not None

    async def away(_: str) -> Provider:
        raise ProviderUnavailable("its discovery document cannot be had")

    monkeypatch.setattr(there.said, "find", away)
    with pytest.raises(Refused, match="provider_unavailable"):
        await own.login().start(own.key, Errand(), SYSTEM)
    with pytest.raises(Refused, match="provider_unavailable"):
        await own.finish(reply, binding)
    window = Window(there, {LEAVING: outcome.issued.binding})
    assert_error(await window.exchange(outcome.issued.code), 503, "service_unavailable")


# -- providers that speak OpenID Connect and nothing more -------------------------------------------------------------


@pytest.fixture
def plain(own: Own) -> Own:
    """The same provider, as any OpenID provider."""
    own.configure(
        kind="oidc",
        issuer=f"{own.there.entra.url}/{own.tid}/v2.0",
        directory_id=None,
        client_authentication="client_secret_basic",
    )
    return own


async def test_its_identities_are_issuer_and_subject(there: Federation, plain: Own) -> None:
    window = await plain.sign_in(someone(plain.tid))
    assert window.me["auth_methods"] == ["oidc"]
    row = await there.app.db.fetchrow("SELECT * FROM identities WHERE user_id = $1", UUID(window.me["id"]))
    assert (row["issuer"], row["directory_id"]) == (plain.provider.issuer, "")
    assert row["subject"] not in {"", None}
    assert unquote_plus(there.entra.basic) == f"{CLIENT_ID}:{CLIENT_SECRET}"
    assert "client_secret" not in there.entra.forms[0]


@pytest.mark.parametrize(
    ("told", "linked"),
    [({"email_verified": True}, True), ({}, False), ({"email_verified": "true"}, False)],
    ids=["verified", "silent", "text"],
)
async def test_its_address_counts_only_when_it_says_that_it_looked(
    told: dict[str, Any], linked: bool, there: Federation, plain: Own
) -> None:
    person = await there.app.make_user(email=f"ada-{guid()[:8]}@{there.verified(plain.tenant_id)}")
    ada = someone(plain.tid, person.email, **told)
    if linked:
        assert (await plain.sign_in(ada)).me["id"] == str(person.id)
    else:
        assert await plain.refused(ada) == "account_link_required"


async def test_an_unproven_address_of_a_newcomer_stays_unproven(there: Federation, plain: Own) -> None:
    domain = there.verified(plain.tenant_id)
    for told, proven in ({"email_verified": False}, False), ({"email_verified": True}, True):
        ada = someone(plain.tid, f"ada-{guid()[:8]}@{domain}", **told)
        await plain.sign_in(ada)
        sql = "SELECT email_verified FROM users WHERE email = $1"
        assert await there.app.db.fetchval(sql, ada.email) is proven


async def test_no_way_to_the_providers_of_tenants_is_no_way(own: Own) -> None:
    e = own.there.app.app.engines
    with pytest.raises(LookupError):
        Reaches(Reach(e.providers, e.provider_keys)).of(own.provider)


def test_a_secret_does_not_print_itself(own: Own) -> None:
    assert CLIENT_SECRET not in repr(own.provider)
    assert CLIENT_SECRET not in f"{own.provider.client_secret}"
