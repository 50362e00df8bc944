"""Somebody's own account in a real browser: everything without JavaScript, and a passkey with it."""

from __future__ import annotations

import pyotp
from harness import PASSWORD
from provider.account import elsewhere, granted, is_live, live_grants

from chromium.house import House, at, clean, tells

NEW = "another horse, another battery"


async def test_an_account_is_looked_after_without_any_script(house: House) -> None:
    app, person = house.app, await house.app.make_user()
    other = await elsewhere(app, person)
    grant = await granted(app, person, "Reports", "openid", "email")
    tab = await house.tab(scripts=False)
    await house.sign_in(tab, person)

    await tab.click("a[href='/account/sessions']")
    await at(tab, "/account/sessions")
    await tab.click("form[action$='/end'] button")
    await tells(tab, "The device was signed out.")
    assert not await is_live(app, other)

    await tab.goto(f"{house.url}/account/apps")
    await tab.click("a[href$='/revoke']")
    await tab.until("document.querySelector('.danger') !== null")
    await tab.click("button.danger")
    await tells(tab, "Reports has no access any more.")
    assert await live_grants(app, grant) == 0

    await tab.goto(f"{house.url}/account/password")
    await tab.fill("[name=current_password]", PASSWORD)
    await tab.fill("[name=new_password]", NEW)
    await tab.click("main button.primary")
    await tells(tab, "Your password was changed.")

    await tab.click("a[href='/account/mfa/set-up']")
    await at(tab, "/account/mfa/set-up")
    await tab.click("main button.primary")
    key = (await tab.until("document.querySelector('#key')?.textContent")).replace(" ", "")
    await tab.fill("[name=code]", pyotp.TOTP(key).at(int(app.clock.timestamp())))
    await tab.click("main button.primary")
    assert await tab.until("document.querySelectorAll('.codes li').length") == 10
    assert await tab.run("document.querySelector('[data-copy]').hidden"), "a button that needs a script is not shown"

    await tab.click(".top form button")
    await tab.until("!location.pathname.startsWith('/account')")
    await tab.goto(f"{house.url}/account")
    await at(tab, "/login")
    await clean(tab)


async def test_a_passkey_is_added_on_the_page_and_kept(house: House) -> None:
    person = await house.app.make_user()
    tab = await house.tab(scripts=True)
    await house.passkeys(tab)
    await house.sign_in(tab, person)
    await tab.goto(f"{house.url}/account/passkeys/add")
    await tab.fill("[name=name]", "Blue key")
    await tab.click("main button.primary")
    await at(tab, "/account/passkeys")
    await tells(tab, "The passkey was added.")
    assert "Blue key" in await tab.text("main")
    await clean(tab)
