"""Whether strangers may make themselves an account is said for the deployment, and otherwise by an application."""

from __future__ import annotations

from urllib.parse import urlencode

from harness import PASSWORD, Harness, Servers, running
from provider.applications import App, application
from provider.authorization import CALLBACK, request_of
from provider.page_browser import PageBrowser
from provider.people import public_app, sign_up, somebody

ASKED = {"full_name": "Ada Lovelace", "password": PASSWORD}


async def _on_the_pages(app: Harness, made: App) -> tuple[bool, int]:
    """Whether an application's sign-in page leads to a sign-up; what that answers to a form, wherever it is from."""
    browser = PageBrowser(app)
    page = await browser.open(f"/oauth/authorize?{urlencode(request_of(made))}")
    offered = [link for link in page.links if link.startswith("/signup")]
    there = page.path.replace("/login", "/signup")
    page = await browser.open(there)
    assert bool(page.forms) is bool(offered)
    assert page.status == (200 if offered else 403)
    form = {"csrf": (await browser.open("/login")).form("/login").fields["csrf"], **ASKED, "email": somebody()}
    reply = await browser.send("POST", there, data=form, headers={"Sec-Fetch-Site": "same-origin"})
    return bool(offered), reply.status_code


async def _at(app: Harness, word: str) -> App:
    return await application(app, redirect_uris=[CALLBACK], sign_up=word)


async def test_an_application_takes_nobody_though_the_deployment_does(app: Harness) -> None:
    made = await public_app(app, sign_up="closed")
    reply = await sign_up(app, made)
    assert (reply.status_code, reply.json()["error"]) == (403, "sign-up is disabled")
    for word, told in (("closed", (False, 403)), ("inherit", (True, 303)), ("open", (True, 303))):
        assert await _on_the_pages(app, await _at(app, word)) == told, word


async def test_an_application_takes_people_though_the_deployment_does_not(servers: Servers) -> None:
    async with running(servers, redis=False, SIGNUP_ENABLED="false") as app:
        for word, status in (("inherit", 403), ("closed", 403), ("open", 201)):
            assert (await sign_up(app, await public_app(app, sign_up=word))).status_code == status, word
        for word, told in (("inherit", (False, 403)), ("open", (True, 303))):
            assert await _on_the_pages(app, await _at(app, word)) == told, word
