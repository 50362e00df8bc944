"""Passkeys on the pages of a sign-in, as the browser's script sends them: alone, as the second step, or demanded."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from authenticator import Device, client_data
from browser import settle, tenant
from harness import Harness, Person, Servers, running
from letters import letters
from provider.page_browser import ORIGIN, PageBrowser
from second_factor import secured

DOMAIN = "example.com"


@pytest.fixture(scope="module")
async def house(servers: Servers) -> AsyncIterator[Harness]:
    """An application whose own pages are of the passkeys' domain."""
    async with running(servers, WEBAUTHN_RP_ID=DOMAIN) as app:
        yield app


async def asked(browser: PageBrowser) -> Any:
    """What the script of the page is told to ask the browser for."""
    where = re.search(r'data-options="([^"]+)"', browser.page.reply.text)[1].replace("&amp;", "&")
    form = browser.page.form("/passkey")
    return await browser.send("POST", where, data=form.fields, headers={"Origin": ORIGIN})


async def made(browser: PageBrowser, device: Device, **how: Any) -> str:
    """The answer of a device to that, on a page that wants a new passkey."""
    options = (await asked(browser)).json()["public_key"]
    data = client_data("create", options["challenge"], origin=ORIGIN)
    return json.dumps(device.created(options, data=data, **how))


async def signed(browser: PageBrowser, device: Device, **how: Any) -> str:
    """The same on a page that wants one that exists."""
    options = (await asked(browser)).json()["public_key"]
    data = client_data("get", options["challenge"], origin=ORIGIN)
    return json.dumps(device.signed(options, data=data, **how))


async def demanded(house: Harness, url: str = "/login") -> tuple[Person, PageBrowser]:
    """Somebody whose tenant demands a second factor that they do not have, at the page that offers one."""
    person, browser = await house.make_user(), PageBrowser(house, headers={"User-Agent": "X11; Linux Firefox/140"})
    await settle(house, person, await tenant(house, mfa_required=True))
    page = await browser.sign_in(person, url)
    assert urlsplit(page.path).path == "/login/set-up"
    return person, browser


async def test_a_demanded_passkey_is_made_on_the_way_and_is_the_second_step_from_then_on(house: Harness) -> None:
    person, browser = await demanded(house, "/login?return_to=/account/sessions")
    device = Device(rp_id=DOMAIN)
    assert browser.page.form("/passkey").fields["name"] == "Firefox on Linux"
    assert browser.page.form("/set-up").fields.keys() == {"csrf"}, "or an authenticator app"
    page = await browser.submit("/passkey", credential=await made(browser, device))
    assert page.path == "/account/sessions"
    found = await house.app.engines.provider.pages.sessions.find(browser.session)
    assert found.amr == ["pwd", "swk", "user", "mfa"]
    assert (await letters(house, person.email))[0].template == "passkey_added"
    assert "__Host-identry_step" not in browser.cookies

    again = PageBrowser(house)
    page = await again.sign_in(person)
    assert (page.path, again.session) == ("/login/verify", None)
    page = await again.submit("/passkey", credential=await signed(again, Device(rp_id=DOMAIN)))
    assert (page.status, again.session) == (401, None)
    page = await again.submit("/passkey", credential=await signed(again, device))
    assert page.path == "/account"

    alone = PageBrowser(house)
    await alone.open("/login?return_to=/account/history")
    page = await alone.submit("/passkey", credential=await signed(alone, device))
    assert page.path == "/account/history"


async def test_an_answer_that_is_none_adds_nothing_and_another_may_follow(house: Harness) -> None:
    person, browser = await demanded(house)
    device = Device(rp_id=DOMAIN)
    refused = [
        "[]",
        "null",
        '{"id":"a"}',
        "{" * 9000,
        await made(browser, device, rp_id="evil.com"),
        await made(browser, device, flags=0),
    ]
    for credential in refused:
        page = await browser.submit("/passkey", credential=credential)
        assert (page.status, browser.session) == (400, None)
        assert "The passkey was not added." in page.text
    stale = await made(browser, device)
    page = await browser.submit("/passkey", credential=stale)
    assert page.path == "/account"
    assert await house.db.fetchval("SELECT count(*) FROM passkeys WHERE user_id = $1", person.id) == 1
    assert len(await house.audit("auth.passkey.refused", target_user_id=person.id)) == 2


async def test_without_a_first_step_that_waits_there_is_nothing_to_answer(house: Harness) -> None:
    person, browser = await demanded(house)
    ticket = browser.cookies["__Host-identry_step"].split("~")[1]
    reply = await house.http.post(
        "/api/v1/auth/passkeys/register/options",
        json={"session_token": ticket},
        headers={"X-Forwarded-For": house.fresh_ip(), "Origin": "https://app.example.com"},
    )
    assert reply.status_code == 401, "the ticket of a page is none of another surface"
    form = browser.page.form("/passkey")
    foreign = await browser.send("POST", form.action, data=form.fields, headers={"Origin": "https://evil.test"})
    assert foreign.status_code == 403
    answer = await made(browser, Device(rp_id=DOMAIN))
    await house.db.execute("UPDATE users SET token_version = token_version + 1 WHERE id = $1", person.id)
    page = await browser.submit("/passkey", credential=answer)
    assert (page.status, page.forms) == (401, [])
    assert "Sign in again" in page.text
    assert (await browser.open("/login/set-up")).path == "/login"

    stranger = PageBrowser(house)
    await stranger.open("/login")
    form = stranger.page.form("/passkey")
    told = {"data": {**form.fields, "credential": answer, "name": "x"}, "headers": {"Origin": ORIGIN}}
    assert (await stranger.send("POST", "/login/set-up/passkey/options", **told)).status_code == 401
    reply = await stranger.send("POST", "/login/set-up/passkey", **told)
    assert (reply.status_code, reply.headers["location"]) == (303, "/login")


async def test_a_ticket_adds_no_passkey_beside_a_factor_that_it_did_not_prove(house: Harness) -> None:
    person, browser = await demanded(house)
    thief = PageBrowser(house)
    await thief.sign_in(person)
    answer = await made(thief, Device(rp_id=DOMAIN))
    # The newer ticket ended the older one: who has the password only is asked for the factor of whoever comes first.
    page = await browser.submit("/passkey", credential="{}")
    assert page.status == 401
    await browser.sign_in(person)
    page = await browser.submit("/passkey", credential=await made(browser, Device(rp_id=DOMAIN)))
    assert page.path == "/account"
    page = await thief.submit("/passkey", credential=answer)
    assert (page.status, thief.session) == (401, None)
    assert await house.db.fetchval("SELECT count(*) FROM passkeys WHERE user_id = $1", person.id) == 1


async def test_of_many_equal_answers_at_once_one_is_taken(house: Harness) -> None:
    person, browser = await demanded(house)
    form = browser.page.form("/passkey")
    told = {**form.fields, "credential": await made(browser, Device(rp_id=DOMAIN))}
    replies = await asyncio.gather(
        *(browser.send("POST", form.action, data=told, headers={"Origin": ORIGIN}) for _ in range(20))
    )
    statuses = [reply.status_code for reply in replies]
    assert set(statuses) <= {303, 400, 401, 429, 503}
    assert statuses.count(303) <= 1
    made_sessions = await house.db.fetchval("SELECT count(*) FROM sessions WHERE user_id = $1", person.id)
    keys = await house.db.fetchval("SELECT count(*) FROM passkeys WHERE user_id = $1", person.id)
    assert (made_sessions, keys) == (statuses.count(303), 1)


async def test_where_there_can_be_no_passkey_none_is_offered(app: Harness) -> None:
    _, browser = await demanded(app)
    assert [urlsplit(form.action).path for form in browser.page.forms] == ["/login/set-up"]
    ada = await secured(app)
    assert (await PageBrowser(app).sign_in(ada.person)).path == "/login/verify"
