"""Signing in with a tenant's own provider from a page, and back to a page, without JavaScript."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from browser import settle, tenant
from provider.browsers import Browser as Session
from provider.page_browser import PageBrowser
from second_factor import secured
from services.openid_provider import go_through
from single_sign_on import Acme, member

from identry.signin import MfaRequired


async def _at_the_provider(acme: Acme, browser: PageBrowser, subject: str) -> None:
    """From the button through the provider's pages, back to a page."""
    button = next(link for link in browser.page.links if link.startswith(f"/login/sso/{acme.slug}"))
    left = await browser.send("GET", button)
    assert left.status_code == 303, left.text
    back = await go_through(left.headers["location"], subject, stop=acme.callback)
    await browser.open(urlsplit(back)._replace(scheme="", netloc="").geturl())


async def test_an_address_leads_to_its_domains_provider_and_back_to_where_it_was_going(acme: Acme) -> None:
    domain, browser = await acme.domain(), PageBrowser(acme.app)
    ada = acme.someone(f"ada@{domain}")
    await browser.open("/login?return_to=/account/profile")
    await browser.open(next(link for link in browser.page.links if link.startswith("/login/sso")))
    page = await browser.submit("/login/sso", email="ada@elsewhere.example")
    assert "no single sign-on for this address" in page.text
    page = await browser.submit("/login/sso", email=f"ada@{domain}")
    assert "Continue with Acme" in page.text

    await _at_the_provider(acme, browser, ada)

    assert browser.page.path == "/account/profile"
    found = await acme.app.app.engines.provider.pages.sessions.find(browser.session)
    assert (found.user.email, found.amr) == (f"ada@{domain}", ["sso_tenant"])


async def test_a_code_of_another_browser_opens_nothing_and_a_refusal_is_told_on_a_page(acme: Acme) -> None:
    domain, browser, thief = await acme.domain(), PageBrowser(acme.app), PageBrowser(acme.app)
    ada = acme.someone(f"ada@{domain}")
    await browser.open("/login/sso")
    await browser.submit("/login/sso", email=f"ada@{domain}")
    button = next(link for link in browser.page.links if link.startswith(f"/login/sso/{acme.slug}"))
    left = await browser.send("GET", button)
    back = await go_through(left.headers["location"], ada, stop=acme.callback)
    arrived = await browser.send("GET", urlsplit(back)._replace(scheme="", netloc="").geturl())
    onward = urlsplit(arrived.headers["location"])
    assert (onward.netloc, onward.path) == ("auth.example.com", "/login/arrive")
    page = await thief.open(f"{onward.path}?{onward.query}")
    assert (page.status, thief.session) == (401, None)

    taken = await member(acme)  # an account of that address, which nobody linked
    other = acme.someone(taken.email)
    await browser.open("/login/sso")
    await browser.submit("/login/sso", email=f"x@{domain}")
    await _at_the_provider(acme, browser, other)
    assert browser.page.path.startswith("/login/arrive?error=account_link_required")
    assert (browser.page.status, browser.session) == (403, None)
    assert "link the new way there" in browser.page.text


async def test_only_words_of_ours_are_told_of_a_refusal(acme: Acme) -> None:
    page = await PageBrowser(acme.app).open("/login/arrive?error=%3Cb%3Ehello%3C/b%3E")
    assert page.status == 403
    assert "hello" not in page.text


async def _by_address(acme: Acme, subject: str, domain: str) -> PageBrowser:
    """A browser in which somebody signed in with the tenant's provider, or was refused."""
    browser = PageBrowser(acme.app)
    await browser.open("/login/sso")
    await browser.submit("/login/sso", email=f"x@{domain}")
    await _at_the_provider(acme, browser, subject)
    return browser


async def test_a_tenants_provider_alone_opens_no_session_that_reaches_other_tenants(acme: Acme) -> None:
    domain = await acme.domain()
    ada = await member(acme, email=f"ada@{domain}")
    browser = await _by_address(acme, subject := acme.someone(ada.email), domain)
    assert browser.page.path == "/account"
    await settle(acme.app, ada, await tenant(acme.app))
    assert (await browser.open("/account")).path.startswith("/login"), "the session of before reaches no further"

    again = await _by_address(acme, subject, domain)

    assert (again.page.status, again.session) == (403, None)
    assert "belongs to other organisations too" in again.page.text
    blocked = await acme.app.audit("auth.login.blocked", target_user_id=ada.id)
    assert "own_proof_required" in blocked[-1]["details"]


async def test_nor_one_of_the_platforms_staff(acme: Acme) -> None:
    domain = await acme.domain()
    ada = await member(acme, email=f"ada@{domain}")
    assert (await _by_address(acme, subject := acme.someone(ada.email), domain)).session
    await acme.app.db.execute("UPDATE users SET global_role = 'PLATFORM_SUPERADMIN' WHERE id = $1", ada.id)
    assert (await _by_address(acme, subject, domain)).page.status == 403


async def test_with_a_factor_of_their_own_people_of_several_tenants_come_in(acme: Acme) -> None:
    domain = await acme.domain()
    ada = await secured(acme.app, email=f"ada@{domain}")
    for home in (acme.id, await tenant(acme.app)):
        await settle(acme.app, ada.person, home)
    browser = await _by_address(acme, acme.someone(ada.person.email), domain)
    assert browser.page.path.startswith("/login/verify")
    assert browser.session is None
    page = await browser.submit("/login/verify", code=ada.code(acme.app))
    assert page.path == "/account"
    found = await acme.app.app.engines.provider.pages.sessions.find(browser.session)
    assert found.amr == ["sso_tenant", "otp", "mfa"]


async def test_a_factor_at_the_provider_is_that_providers_word_again(acme: Acme) -> None:
    ada = await secured(acme.app)
    for home in (acme.id, await tenant(acme.app)):
        await settle(acme.app, ada.person, home)
    for told in (("sso_tenant",), ("sso_tenant", "mfa")):
        with pytest.raises(MfaRequired):
            await Session(acme.app).sign_in(ada.person, *told)
    assert (await Session(acme.app).sign_in(ada.person, "sso_tenant", "otp", "mfa")).session_id
