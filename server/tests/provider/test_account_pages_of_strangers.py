"""Pages for people who are not signed in: sign-up, forgotten password, proof of an address, invitations."""

from __future__ import annotations

import secrets
from urllib.parse import urlencode
from uuid import uuid4

import offers
from harness import PASSWORD, Harness, Person
from letters import letters
from provider.applications import application
from provider.authorization import request_of
from provider.page_browser import PageBrowser
from resets import NEW


async def test_a_forgotten_password_is_replaced_by_the_link_of_the_mail(app: Harness) -> None:
    person, browser = await app.make_user(), PageBrowser(app)
    await browser.open("/forgot-password")
    page = await browser.submit(email=person.email)
    assert page.path == "/forgot-password/sent"
    stranger = PageBrowser(app)
    await stranger.open("/forgot-password")
    assert (await stranger.submit(email="nobody@example.com")).text == page.text, "it tells nobody who has an account"

    token = (await letters(app, person.email, "password_reset"))[0].context["token"]
    await browser.open(f"/reset-password?token={token}")
    page = await browser.submit(new_password="password")
    assert page.status == 400
    assert "among the first that attackers try" in page.text
    page = await browser.open(next(link for link in page.links if "lang=de" in link))
    assert ("Neues Passwort" in page.text, page.status) == (True, 200), "another language, the same link of the mail"
    page = await browser.submit(new_password=NEW)
    assert page.path == "/reset-password/done"

    person.password = NEW
    assert (await browser.sign_in(person)).path == "/account"
    await browser.open(f"/reset-password?token={token}&lang=en")
    page = await browser.submit(new_password="another good passphrase")
    assert (page.status, "no longer valid" in page.text) == (400, True)


async def test_whoever_signs_up_here_waits_for_approval(app: Harness) -> None:
    browser, email = PageBrowser(app), f"new-{secrets.token_hex(5)}@example.com"
    await browser.open("/signup")
    page = await browser.submit(full_name="New Person", email=email, password=PASSWORD)
    assert page.path == "/signup/done"
    assert "as soon as it is approved" in page.text
    page = await browser.sign_in(_person(email))
    assert (page.status, "waiting for approval" in page.text) == (403, True)


async def test_whoever_signs_up_for_an_application_proves_the_address(app: Harness) -> None:
    made = await application(app, redirect_uris=["https://client.example.com/callback"], name="Ledger")
    browser, email = PageBrowser(app), f"new-{secrets.token_hex(5)}@example.com"
    page = await browser.open(f"/oauth/authorize?{urlencode(request_of(made))}")
    assert page.path.startswith("/login?request=")
    assert "to continue to Ledger" in page.text
    signup = next(link for link in page.links if link.startswith("/signup?request="))
    await browser.open(signup)
    page = await browser.submit(full_name="New Person", email=email, password=PASSWORD)
    assert "confirm your email address" in page.text

    token = (await letters(app, email, "verify_email"))[0].context["token"]
    page = await browser.open(f"/verify-email?token={token}")
    assert not await _verified(app, email), "opening the link is not enough: mail scanners do that"
    page = await browser.submit()
    assert page.path == "/verify-email/done"
    assert await _verified(app, email)
    await browser.open(f"/verify-email?token={token}")
    page = await browser.submit()
    assert (page.status, "no longer valid" in page.text) == (400, True)


async def test_an_invitation_is_accepted_on_a_page(app: Harness) -> None:
    made, browser = await offers.offer(app), PageBrowser(app)
    page = await browser.open(f"/invite/{made.token}")
    assert made.email in page.text
    page = await browser.submit(full_name="Gil Guest", password="short")
    assert (page.status, "too short" in page.text) == (400, True)
    page = await browser.submit(full_name="Gil Guest", password=PASSWORD)
    assert (page.path, browser.session is None) == ("/account", False)
    assert (made.company, "MEMBER", True) in await offers.roles(app, made.email)
    page = await browser.open(f"/invite/{made.token}")
    assert (page.status, "accepted before" in page.text) == (410, True)
    page = await browser.open("/invite/nothing")
    assert page.status == 404


async def test_whoever_types_the_address_alone_comes_to_their_account(app: Harness) -> None:
    reply = await app.http.get("/")
    assert (reply.status_code, reply.headers["location"]) == (302, "/account")


async def test_former_addresses_lead_to_the_pages(app: Harness) -> None:
    for page in ("login", "signup", "forgot-password", "reset-password", "verify-email", "invite"):
        reply = await app.http.get(f"/auth/{page}?token=a%20b")
        assert (reply.status_code, reply.headers["location"]) == (302, f"/{page}?token=a%20b")
    reply = await app.http.post("/auth/login", data={"email": "a@example.com"})
    assert reply.status_code == 415


async def _verified(app: Harness, email: str) -> bool:
    return bool(await app.db.fetchval("SELECT email_verified FROM users WHERE email = $1", email))


def _person(email: str) -> Person:
    return Person(uuid4(), email, PASSWORD)
