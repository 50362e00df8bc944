"""Signing in on pages, in a real browser: without JavaScript to an application and back, and with a passkey."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from provider.applications import application
from provider.authorization import PKCE
from second_factor import secured

from chromium.devtools import Tab
from chromium.house import House, at, clean, tells

pytestmark = pytest.mark.timeout(420)  # on a bare machine the browser is installed first


async def test_a_person_signs_in_agrees_and_arrives_at_the_application_without_any_script(house: House) -> None:
    callback = f"{house.url.replace('localhost', 'client.test')}/arrived"
    made = await application(
        house.app, name="Ledger Reports", redirect_uris=[callback], is_native=False, brand_color="#f2c14e"
    )
    ada = await secured(house.app)
    asked = {
        "client_id": made.client.client_id,
        "redirect_uri": callback,
        "response_type": "code",
        "scope": "openid email",
        "state": "state-1",
        **PKCE,
    }
    tab = await house.tab(scripts=False)
    await tab.goto(f"{house.url}/oauth/authorize?{urlencode(asked)}")
    await tells(tab, "to continue to Ledger Reports")
    await _type_and_send(tab, email=ada.person.email, password="not the password")
    await tells(tab, "Wrong email address or password.")
    await _type_and_send(tab, password=ada.person.password)
    await at(tab, "/login/verify")
    await _type_and_send(tab, code=ada.code(house.app))
    await at(tab, "/consent")
    await tells(tab, "See your email address")
    await tab.click("button[value=agree]")
    await tab.until("location.hostname === 'client.test' && location.search.includes('code=')")
    await clean(tab)


async def test_a_passkey_signs_in_on_the_page(house: House) -> None:
    person, tab = await house.app.make_user(), await house.tab(scripts=True)
    await house.passkeys(tab)
    await house.sign_in(tab, person)
    await tab.goto(f"{house.url}/account/passkeys/add")
    await tab.fill("[name=name]", "Blue key")
    await tab.click("main button.primary")
    await at(tab, "/account/passkeys")
    await tab.send("Network.clearBrowserCookies")

    await tab.goto(f"{house.url}/login")
    # Where the browser offers passkeys as the address is typed, this page has gone on by itself.
    await tab.until("location.pathname === '/account' || document.querySelector('form[data-passkey]:not([hidden])')")
    if await tab.run("location.pathname") != "/account":
        await tab.run("document.querySelector('form[data-passkey] button')?.click()")
    await at(tab, "/account")
    amr = await house.app.db.fetchval("SELECT amr FROM sessions WHERE user_id = $1 ORDER BY id DESC LIMIT 1", person.id)
    assert amr[1:] == ["user", "mfa"]
    await clean(tab)


async def _type_and_send(tab: Tab, **fields: str) -> None:
    for name, text in fields.items():
        await tab.fill(f"[name={name}]", text)
    await tab.click("button.primary")
