"""A passkey as the second factor on the pages of a sign-in: made there because it is demanded, then asked for."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from browser import settle, tenant
from provider.applications import application
from provider.authorization import PKCE
from second_factor import secured

from chromium.devtools import Tab
from chromium.house import House, at, clean, tells

pytestmark = pytest.mark.timeout(420)  # on a bare machine the browser is installed first


async def _with_password(tab: Tab, email: str, password: str) -> None:
    await tab.fill("[name=email]", email)
    await tab.fill("[name=password]", password)
    await tab.click("button.primary")


async def test_who_must_have_a_second_factor_makes_a_passkey_and_goes_on_to_the_application(house: House) -> None:
    callback = f"{house.url.replace('localhost', 'client.test')}/arrived"
    made = await application(house.app, redirect_uris=[callback], is_native=False)
    asked = {
        "client_id": made.client.client_id,
        "redirect_uri": callback,
        "response_type": "code",
        "scope": "openid",
        "state": "state-1",
        **PKCE,
    }
    person, tab = await house.app.make_user(), await house.tab(scripts=True)
    await settle(house.app, person, await tenant(house.app, mfa_required=True))
    await house.passkeys(tab)
    await tab.goto(f"{house.url}/oauth/authorize?{urlencode(asked)}")
    await _with_password(tab, person.email, person.password)
    await at(tab, "/login/set-up")
    await tells(tab, "An authenticator app")
    await tab.click("form[data-passkey=create] button")
    await at(tab, "/consent")
    amr = await house.app.db.fetchval("SELECT amr FROM sessions WHERE user_id = $1", person.id)
    assert amr == ["pwd", "hwk", "user", "mfa"]
    name = await house.app.db.fetchval("SELECT name FROM passkeys WHERE user_id = $1", person.id)
    assert name.startswith("Chrome on ")
    await clean(tab)


async def test_a_passkey_is_the_second_step_of_somebody_with_an_app(house: House) -> None:
    ada, tab = await secured(house.app), await house.tab(scripts=True)
    await tab.goto(f"{house.url}/login?return_to=/account/passkeys/add")
    await _with_password(tab, ada.person.email, ada.person.password)
    await at(tab, "/login/verify")
    await tab.fill("[name=code]", ada.code(house.app))
    await tab.click("button.primary")
    await at(tab, "/account/passkeys/add")
    await house.passkeys(tab)
    await tab.click("main button.primary")
    await at(tab, "/account/passkeys")

    await tab.send("Network.clearBrowserCookies")
    await tab.send("Emulation.setScriptExecutionDisabled", value=True)  # or the sign-in page would ask for the passkey
    await tab.goto(f"{house.url}/login?return_to=/account/passkeys")
    await _with_password(tab, ada.person.email, ada.person.password)
    await at(tab, "/login/verify")
    await tab.send("Emulation.setScriptExecutionDisabled", value=False)
    await tab.goto(f"{house.url}/login/verify?by=passkey&return_to=/account/passkeys")
    await tab.click("form[data-passkey=get] button")
    await at(tab, "/account/passkeys")
    amr = await house.app.db.fetchval(
        "SELECT amr FROM sessions WHERE user_id = $1 ORDER BY id DESC LIMIT 1", ada.person.id
    )
    assert amr == ["pwd", "hwk", "user", "mfa"]
    await clean(tab)


async def test_whom_the_device_does_not_recognise_is_told_and_may_take_the_app(house: House) -> None:
    person, tab = await house.app.make_user(), await house.tab(scripts=True)
    await settle(house.app, person, await tenant(house.app, mfa_required=True))
    authenticator = await house.passkeys(tab)
    await tab.send("WebAuthn.setUserVerified", authenticatorId=authenticator, isUserVerified=False)
    await tab.goto(f"{house.url}/login")
    await _with_password(tab, person.email, person.password)
    await at(tab, "/login/set-up")
    await tab.click("form[data-passkey=create] button")
    await tells(tab, "The passkey was not created.")
    await tab.click("form:not([data-passkey]) button")
    await at(tab, "/login/set-up")
    await tells(tab, "Scan this picture")
    assert not await house.app.db.fetchval("SELECT count(*) FROM passkeys WHERE user_id = $1", person.id)
    await clean(tab)
