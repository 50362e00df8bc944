"""Linking an identity of the tenant's own provider from the account page."""

from __future__ import annotations

from browser import assert_error
from federation import Window
from harness import Harness
from provider.page_browser import ORIGIN, PageBrowser
from services.openid_provider import OpenIdProvider, go_through
from single_sign_on import Acme, SsoWindow, member

from identry.records import identities


async def begun(window: Window, status: int = 200) -> str:
    """Begin to link; returns where the browser goes."""
    reply = await window.post("/identities/sso/link")
    assert reply.status_code == status, reply.text
    return str(reply.json()["authorization_url"])


async def test_who_proved_both_signs_in_with_it_from_then_on(acme: Acme, window: SsoWindow) -> None:
    person = await member(acme)
    ada = acme.someone(person.email, verified=False)
    assert await window.arrive_as(ada) == {"error": "account_link_required"}
    at_home = SsoWindow(acme)
    await at_home.password(person)
    back = await go_through(await begun(at_home), ada, stop=acme.callback)
    assert await at_home.come_back(back) == {"linked": "oidc"}
    assert (await SsoWindow(acme).sign_in_as(ada))["user"]["id"] == str(person.id)
    assert [m["subject"] for m in await acme.app.mails(person.email)], "the owner is told"


async def test_an_identity_of_somebody_else_is_not_linked(acme: Acme, window: SsoWindow) -> None:
    ada = acme.someone()
    await window.sign_in_as(ada)
    person = await member(acme)
    at_home = SsoWindow(acme)
    await at_home.password(person)
    back = await go_through(await begun(at_home), ada, stop=acme.callback)
    assert await at_home.come_back(back) == {"error": "account_link_required"}
    assert await identities.of_user(acme.app.db, person.id) == []


async def test_a_session_that_a_tenants_provider_vouched_for_links_nothing_for_other_tenants(
    acme: Acme, window: SsoWindow, provider: OpenIdProvider
) -> None:
    body = await window.sign_in_as(acme.someone())
    other = await Acme(acme.app, provider).made()
    await acme.app.db.execute(
        "INSERT INTO tenant_members SELECT $1, $2::uuid, true, now(), now()", other.id, body["user"]["id"]
    )
    assert_error(await window.post("/identities/sso/link"), 403, "permission_denied")


async def test_an_old_sign_in_links_nothing(acme: Acme) -> None:
    at_home = SsoWindow(acme)
    await at_home.password(await member(acme))
    acme.app.clock.advance(601)
    assert_error(await at_home.post("/identities/sso/link"), 401, "reauthentication_required")


async def test_without_a_provider_there_is_nothing_to_link(acme: Acme, sso_app: Harness) -> None:
    at_home = SsoWindow(acme)
    await at_home.password(await member(acme))
    await acme.configure(issuer="http://127.0.0.1:1", client_secret="x")
    assert_error(await at_home.post("/identities/sso/link"), 409, "provider_unavailable")
    await acme.configure(enabled=False)
    assert_error(await at_home.post("/identities/sso/link"), 404, "not_found")


async def test_from_a_page_the_way_leads_to_the_provider_and_back_to_the_page(acme: Acme) -> None:
    person, browser = await member(acme), PageBrowser(acme.app)
    ada = acme.someone(person.email)
    await browser.sign_in(person)
    page = await browser.open("/account/identities")
    assert "Nothing linked" in page.text
    form = page.form("/link")
    reply = await browser.send("POST", form.action, data=form.fields, headers={"Origin": ORIGIN})
    assert reply.status_code == 303, reply.text
    back = await go_through(reply.headers["location"], ada, stop=acme.callback)
    page = await browser.open(back.removeprefix(ORIGIN))
    assert page.path == "/account/identities?linked=oidc"
    assert "The account was linked." in page.text
    assert person.email in page.text
    await browser.open(next(link for link in page.links if link.endswith("/remove")))
    page = await browser.submit("/remove")
    assert "The account was unlinked." in page.text
    assert await identities.of_user(acme.app.db, person.id) == []
    refused = await browser.open("/account/identities?error=access_denied")
    assert "The account was not linked." in refused.text
