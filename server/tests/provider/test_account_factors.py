"""/account/mfa and /account/passkeys: how somebody proves that it is them, on pages without JavaScript."""

from __future__ import annotations

import re
from datetime import timedelta

import pyotp
import pytest
from browser import settle, tenant
from harness import PASSWORD, Harness
from letters import letters
from provider.account import Owner, elsewhere, is_live, kept, owner
from provider.browsers import Browser
from provider.page_browser import PageBrowser
from second_factor import Secured, secured

from identry.records import passkeys

_CODES = re.compile(r"\b[0-9A-HJKMNP-TV-Z]{5}-[0-9A-HJKMNP-TV-Z]{5}\b")


async def secured_owner(app: Harness) -> tuple[Owner, Secured]:
    """Somebody with an authenticator app and recovery codes, signed in with both factors."""
    who = await secured(app, codes=True)
    browser = PageBrowser(app)
    await browser.sign_in(who.person)
    page = await browser.submit("/verify", code=who.code(app))
    assert page.path == "/account", page.text
    app.clock.advance(timedelta(seconds=30))  # the next code is another one
    return Owner(who.person, browser), who


async def test_an_authenticator_app_is_set_up_with_its_picture_and_ten_recovery_codes(app: Harness) -> None:
    me = await owner(app)
    other = await elsewhere(app, me.person)
    page = await me.browser.open("/account")
    assert "Your account has no second factor" in page.text
    await me.browser.open("/account/mfa/set-up")
    page = await me.browser.submit("/set-up")
    assert "<svg" in page.reply.text
    key = re.search(r'id="key">([A-Z2-7 ]+)<', page.reply.text)[1].replace(" ", "")
    page = await me.browser.submit("/code", code="000000")
    assert page.status == 401
    assert "This code is wrong" in page.text
    assert key not in page.reply.text.replace(" ", ""), "the key is shown once"
    page = await me.browser.submit("/code", code=pyotp.TOTP(key).at(int(app.clock.timestamp())))
    assert page.status == 200
    codes = _CODES.findall(page.text)
    assert len(set(codes)) == 10
    assert not await is_live(app, other)
    page = await me.browser.open("/account/security")
    assert "10 recovery codes left" in page.text
    assert (await letters(app, me.person.email))[0].template == "mfa_enabled"
    again = PageBrowser(app)
    assert (await again.sign_in(me.person)).path.startswith("/login/verify")


async def test_recovery_codes_are_renewed_and_the_factor_is_turned_off_on_proof(app: Harness) -> None:
    me, who = await secured_owner(app)
    await me.browser.open("/account/mfa/codes")
    assert (await me.browser.submit("/codes", code=who.wrong(app))).status == 401
    page = await me.browser.submit("/codes", code=who.code(app))
    renewed = _CODES.findall(page.text)
    assert len(set(renewed)) == 10
    assert not set(renewed) & set(who.codes)
    await me.browser.open("/account/mfa/off")
    page = await me.browser.submit("/off", code=renewed[0], password="wrong")
    assert page.status == 401
    page = await me.browser.submit("/off", code=renewed[0], password=PASSWORD)
    assert (page.status, page.path) == (200, "/account/security")
    assert "The authenticator app was turned off." in page.text
    assert (await PageBrowser(app).sign_in(me.person)).path == "/account"


@pytest.mark.parametrize("path", ["/account/mfa/set-up", "/account/mfa/codes", "/account/mfa/off"])
async def test_what_touches_a_factor_takes_a_recent_sign_in(app: Harness, path: str) -> None:
    me, _ = await secured_owner(app)
    app.clock.advance(timedelta(minutes=11))
    page = await me.browser.open(path)
    assert page.path.endswith("&again=1")
    page = await me.browser.submit("/login", email=me.person.email, password=PASSWORD)
    assert page.path.startswith("/login/verify"), "the factor is asked for again"


async def test_what_a_tenants_provider_vouched_for_changes_no_account_that_others_share(app: Harness) -> None:
    person = await app.make_user()
    signed_in = await Browser(app).sign_in(person, "sso_tenant", "otp", "mfa")
    browser = PageBrowser(app, cookies=dict(signed_in.cookies))
    await settle(app, person, await tenant(app))
    assert (await browser.open("/account/mfa/set-up")).status == 200
    await settle(app, person, await tenant(app))
    for path in ("/account/mfa/set-up", "/account/email", "/account/password/first"):
        page = await browser.open(path)
        assert page.status == 403, path
        assert "Your account belongs to other organisations too." in page.text


async def test_where_a_tenant_wants_a_recent_code_a_password_is_changed_after_one(app: Harness) -> None:
    me, _ = await secured_owner(app)
    await settle(app, me.person, await tenant(app, mfa_for_changes=True))
    new = {"current_password": PASSWORD, "new_password": "another horse, another battery"}
    await me.browser.open("/account/password")
    app.clock.advance(timedelta(minutes=11))
    page = await me.browser.submit("/password", **new)
    assert page.path == "/login?return_to=%2Faccount%2Fpassword&again=1"
    plain = await owner(app)
    await settle(app, plain.person, await tenant(app, mfa_for_changes=True))
    await plain.browser.open("/account/password")
    page = await plain.browser.submit("/password", **new)
    assert page.status == 403
    assert "Set one up first." in page.text


async def test_passkeys_are_renamed_and_removed(app: Harness) -> None:
    me = await owner(app)
    page = await me.browser.open("/account/passkeys")
    assert "No passkeys yet" in page.text
    one = await kept(app, me.person, "Phone <3")
    await me.browser.open(f"/account/passkeys/{one.id}/rename")
    page = await me.browser.submit("/rename", name="  ")
    assert page.status == 400
    page = await me.browser.submit("/rename", name="Blue key")
    assert "The passkey was renamed." in page.text
    assert "Blue key" in page.text
    await me.browser.open(f"/account/passkeys/{one.id}/remove")
    page = await me.browser.submit("/remove")
    assert "The passkey was removed." in page.text
    assert await passkeys.of_user(app.db, me.person.id) == []


async def test_the_last_way_in_is_not_taken_away(app: Harness) -> None:
    me = await owner(app)
    one = await kept(app, me.person, "Phone")
    await app.db.execute("UPDATE users SET password_hash = NULL WHERE id = $1", me.person.id)
    await me.browser.open(f"/account/passkeys/{one.id}/remove")
    page = await me.browser.submit("/remove")
    assert page.status == 409
    assert "This is the last way to sign in" in page.text
    assert len(await passkeys.of_user(app.db, me.person.id)) == 1
