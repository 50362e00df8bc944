"""/login/link: people sign in on the pages by a mailed link, without JavaScript."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

from browser import settle, tenant
from harness import Harness, Person, Servers, running
from letters import letters
from provider.accessibility import page_faults
from provider.account import kept
from provider.applications import application
from provider.authorization import CALLBACK, request_of
from provider.page_browser import ORIGIN, PageBrowser
from provider.people import somebody, user_row
from resets import confirm, mailed_token
from second_factor import secured

from identry.core.limits import MAGIC_LINK, MAGIC_LINK_VERIFY, PAGE_LINK
from identry.records import passkeys, users


async def asked(app: Harness, browser: PageBrowser, email: str, url: str = "/login/link") -> None:
    page = await browser.open(url)
    assert page_faults(page) == []
    page = await browser.submit(email=email)
    assert (page.status, urlsplit(page.path).path) == (200, "/login/link/sent"), page.text
    assert page_faults(page) == []


async def link_to(app: Harness, person: Person, url: str = "/login/link") -> str:
    """The path of a link that was asked for in another browser."""
    await app.app.engines.limiter.forget(MAGIC_LINK, person.email, None)
    await asked(app, PageBrowser(app), person.email, url)
    mailed = (await letters(app, person.email, "magic_link"))[0].context["url"]
    assert mailed.startswith(f"{ORIGIN}/login/link/open?")
    return urlsplit(mailed)._replace(scheme="", netloc="").geturl()


async def session_of(app: Harness, browser: PageBrowser) -> Any:
    return await app.app.engines.provider.pages.sessions.find(browser.session)


async def gone(browser: PageBrowser, link: str) -> None:
    page = await browser.open(link)
    assert "This link is no longer valid" in page.text
    assert page_faults(page) == []
    assert browser.session is None


async def test_a_link_signs_in_once_and_goes_on_where_the_person_was_going(app: Harness) -> None:
    person, browser = await app.make_user(), PageBrowser(app)
    page = await browser.open("/login?return_to=/account/apps")
    link = await link_to(app, person, next(link for link in page.links if link.startswith("/login/link")))
    for _ in range(2):  # opening it is no use of it: programs that look into mail open links too
        page = await browser.open(link)
        assert page_faults(page) == []
        assert person.email in page.text
        assert browser.session is None
    page = await browser.submit("/login/link/open")
    assert (page.status, page.path) == (200, "/account/apps")
    session = await session_of(app, browser)
    assert (session.user.id, list(session.amr)) == (person.id, ["otp"])
    [row] = await app.audit("auth.magic_link.redeemed", target_user_id=person.id)
    assert row["outcome"] == "success"
    await gone(PageBrowser(app), link)


async def test_an_application_gets_its_person_in_the_browser_that_it_sent_here_and_no_other(app: Harness) -> None:
    made = await application(app, redirect_uris=[CALLBACK], name="Ledger Reports", first_party=True)
    person, here, elsewhere = await app.make_user(), PageBrowser(app), PageBrowser(app)
    await here.open(f"/oauth/authorize?{urlencode(request_of(made, scope='openid'))}")
    asking = next(link for link in here.page.links if link.startswith("/login/link"))
    for browser, arrives in ((elsewhere, "/account"), (here, CALLBACK)):
        await app.app.engines.limiter.forget(MAGIC_LINK, person.email, None)
        await here.open(asking)
        await here.submit(email=person.email)
        letter = (await letters(app, person.email, "magic_link"))[0].context
        assert letter["application_name"] == "Ledger Reports"
        await browser.open(letter["url"].removeprefix(ORIGIN))
        assert (await browser.submit("/login/link/open")).path.partition("?")[0] == arrives


async def test_nobody_learns_who_has_an_account(app: Harness) -> None:
    sealed = await app.make_user()
    await settle(app, sealed, await tenant(app, auth_policy="restricted"))
    shut, stranger = await app.make_user(is_active=False), somebody()
    shown = set()
    for email in ((await app.make_user()).email, sealed.email, shut.email, stranger):
        browser = PageBrowser(app)
        await asked(app, browser, email)
        shown.add(browser.page.text)
    assert len(shown) == 1
    for email in (sealed.email, shut.email, stranger):
        assert await letters(app, email, "magic_link") == []


async def test_a_link_skips_no_second_factor(app: Harness) -> None:
    ada, browser = await secured(app), PageBrowser(app)
    await browser.open(await link_to(app, ada.person))
    page = await browser.submit("/login/link/open")
    assert (page.path, browser.session) == ("/login/verify", None)
    await browser.submit(code=ada.code(app))
    assert list((await session_of(app, browser)).amr) == ["otp", "mfa"]


async def test_a_link_is_worth_nothing_once_it_is_old_or_replaced_or_its_account_changed(app: Harness) -> None:
    person = await app.make_user()
    first = await link_to(app, person)
    second = await link_to(app, person)
    await gone(PageBrowser(app), first)
    app.clock.advance(timedelta(minutes=16))
    await gone(PageBrowser(app), second)
    person = await app.make_user()
    link = await link_to(app, person)
    assert (await confirm(app, await mailed_token(app, person))).status_code == 200
    await gone(PageBrowser(app), link)
    link = await link_to(app, person)
    await users.update(app.db, person.id, {"email": somebody()}, now=app.clock.now(), bump=True)
    await gone(PageBrowser(app), link)
    for nonsense in ("", "token=x", "token=" + "f" * 64, "token=%00"):
        await gone(PageBrowser(app), f"/login/link/open?{nonsense}")
    person, browser = await app.make_user(), PageBrowser(app)
    await browser.open(await link_to(app, person))
    await users.update(app.db, person.id, {"is_active": False}, now=app.clock.now(), bump=True)
    page = await browser.submit("/login/link/open")
    assert (page.status, browser.session) == (403, None)


async def test_of_many_who_send_one_link_at_once_one_is_signed_in(app: Harness) -> None:
    person = await app.make_user()
    link = await link_to(app, person)
    browsers = [PageBrowser(app) for _ in range(20)]
    for browser in browsers:
        await browser.open(link)
    await asyncio.gather(*(browser.submit("/login/link/open") for browser in browsers))
    assert sum(browser.session is not None for browser in browsers) == 1


async def test_the_reader_of_the_mailbox_takes_an_account_whose_address_was_never_proven(app: Harness) -> None:
    person, browser = await app.make_user(email_verified=False), PageBrowser(app)
    squatter = await app.sign_in(person)
    await kept(app, person, "Squatter's key")
    await browser.open(await link_to(app, person))
    assert (await browser.submit("/login/link/open")).path == "/account"
    row = await user_row(app, person.email)
    assert (row["email_verified"], row["password_hash"]) == (True, None)
    assert not await passkeys.has_any(app.db, person.id)
    assert (await app.http.get("/auth/me", headers=squatter.bearer)).status_code == 401


async def test_links_and_their_tries_are_counted(app: Harness) -> None:
    email = somebody()
    for _ in range(MAGIC_LINK.limit):
        await asked(app, PageBrowser(app), email)
    browser = PageBrowser(app)
    await browser.open("/login/link")
    assert (await browser.submit(email=email)).status == 429, "of one mailbox"
    browser = PageBrowser(app)
    await browser.open("/login/link")
    for _ in range(PAGE_LINK.limit):
        await app.app.engines.limiter.spend(PAGE_LINK, browser.address)
    assert (await browser.submit(email=somebody())).status == 429, "of one address"
    browser = PageBrowser(app)
    await browser.open(await link_to(app, await app.make_user()))
    for _ in range(MAGIC_LINK_VERIFY.limit):
        await app.app.engines.limiter.spend(MAGIC_LINK_VERIFY, browser.address)
    assert (await browser.submit("/login/link/open")).status == 429
    assert browser.session is None


async def test_a_form_of_another_site_uses_no_link_up(app: Harness) -> None:
    person, browser = await app.make_user(), PageBrowser(app)
    link = await link_to(app, person)
    page = await browser.open(link)
    form = page.form("/login/link/open")
    for headers, fields in (
        ({"Origin": "https://evil.example.com"}, form.fields),
        ({"Origin": ORIGIN}, {"token": form.fields["token"]}),
    ):
        reply = await browser.send("POST", form.action, data=fields, headers=headers)
        assert (reply.status_code in {400, 403}, browser.session) == (True, None)
    await browser.open(link)
    assert (await browser.submit("/login/link/open")).path == "/account"


async def test_under_a_policy_of_single_sign_on_no_link_is_offered(servers: Servers) -> None:
    policy = {"AUTH_POLICY": "restricted", "AUTH_ALLOWED_EMAIL_DOMAINS": "example.com"}
    async with running(servers, **policy) as app:
        browser = PageBrowser(app)
        page = await browser.open("/login")
        assert not [link for link in page.links if "/login/link" in link]
        assert (await browser.open("/login/link")).status == 404
