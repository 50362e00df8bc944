"""Signing in with a tenant's own provider from a page, and back to a page, without JavaScript."""

from __future__ import annotations

from urllib.parse import urlsplit

from provider.page_browser import PageBrowser
from services.openid_provider import go_through
from single_sign_on import Acme, member


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
