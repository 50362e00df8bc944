"""A person at the app's page: password, second factor, reload, tabs, log-out; and pages of other origins."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import pytest
from browser import settle, tenant
from enrolment import code_of, wrong_code
from harness import Person
from second_factor import secured

from chromium.devtools import DevToolsError, Tab
from chromium.world import World, give, me, press, problem, sees, sign_in

pytestmark = pytest.mark.timeout(420)  # on a bare machine the browser is installed first


async def member(world: World, **fields: object) -> Person:
    person = await world.app.make_user(**fields)
    await settle(world.app, person, await tenant(world.app))
    return person


async def test_a_password_signs_in_and_a_reload_restores_the_session(world: World) -> None:
    visitor = await world.visitor()
    person = await member(world, full_name="Ada Lovelace")
    tab = await visitor.signed_in(person)
    assert await tab.text("#name") == "Ada Lovelace"
    await tab.reload()
    await sees(tab, "account")
    assert (await me(tab))["email"] == person.email
    assert len(await world.app.audit("auth.login.succeeded", target_user_id=person.id)) == 1


async def test_a_wrong_password_is_told_and_leaves_no_cookie(world: World) -> None:
    visitor = await world.visitor()
    person = await member(world)
    tab = await visitor.tab()
    person.password += "!"
    await sign_in(tab, person)
    assert await problem(tab) == "invalid_credentials"
    assert await visitor.cookie(tab) is None


async def test_a_second_factor_is_asked_before_there_is_any_cookie(world: World) -> None:
    visitor = await world.visitor()
    ada = await secured(world.app)
    await settle(world.app, ada.person, await tenant(world.app))
    tab = await visitor.tab()
    await sign_in(tab, ada.person)
    await sees(tab, "second-factor")
    assert await visitor.cookie(tab) is None
    await give(tab, ada.wrong(world.app))
    assert await problem(tab) == "invalid_code"
    await give(tab, ada.code(world.app))
    await sees(tab, "account")
    assert (await me(tab))["mfa_enabled"] is True
    await tab.reload()
    await sees(tab, "account")


async def test_a_reload_between_the_two_steps_begins_again(world: World) -> None:
    visitor = await world.visitor()
    ada = await secured(world.app)
    await settle(world.app, ada.person, await tenant(world.app))
    tab = await visitor.tab()
    await sign_in(tab, ada.person)
    await sees(tab, "second-factor")
    await tab.reload()
    await sees(tab, "sign-in")


async def test_a_recovery_code_opens_instead_of_the_app(world: World) -> None:
    visitor = await world.visitor()
    ada = await secured(world.app, codes=True)
    await settle(world.app, ada.person, await tenant(world.app))
    tab = await visitor.tab()
    await sign_in(tab, ada.person)
    await give(tab, ada.codes[0])
    await sees(tab, "account")


@pytest.mark.parametrize("demanded", [True, False], ids=["demanded at sign-in", "from the account"])
async def test_an_authenticator_app_is_set_up_and_asked_for_from_then_on(world: World, *, demanded: bool) -> None:
    visitor = await world.visitor()
    person = await world.app.make_user()
    await settle(world.app, person, await tenant(world.app, mfa_required=demanded))
    tab = await visitor.tab()
    await sign_in(tab, person)
    if not demanded:
        await sees(tab, "account")
        await tab.click("[data-do=setUp]")
    await sees(tab, "mfa-setup")
    assert (await visitor.cookie(tab) is None) is demanded
    await tab.until("document.querySelector('#qr').naturalWidth > 100")
    secret = str(await tab.until("document.querySelector('#secret').textContent"))
    await give(tab, wrong_code(world.app, secret))
    assert await problem(tab) == "invalid_code"
    await give(tab, code_of(world.app, secret))
    await sees(tab, "recovery-codes")
    assert await tab.run("new Set([...document.querySelectorAll('#codes li')].map(li => li.textContent)).size") == 10
    await tab.click("[data-do=done]")
    await sees(tab, "account")
    assert (await me(tab))["mfa_enabled"] is True

    await tab.click("[data-do=logOut]")
    await sees(tab, "sign-in")
    await sign_in(tab, person)
    await sees(tab, "second-factor")
    await give(tab, code_of(world.app, secret, 1))
    await sees(tab, "account")


async def test_the_browser_keeps_the_cookie_from_scripts_and_from_other_paths(world: World) -> None:
    visitor = await world.visitor()
    tab = await visitor.signed_in(await member(world))
    cookie = await visitor.cookie(tab)
    assert cookie is not None
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Strict", "/api/v1/auth")
    assert cookie["domain"] == "localhost"  # without a leading dot: of this host only
    assert not cookie["session"]
    assert cookie["expires"] - time.time() > 6 * 86400
    elsewhere = await tab.cookies(f"{world.api_url}/auth/refresh")
    assert [(c["name"], c["httpOnly"]) for c in elsewhere] == [
        ("identry_device", True)
    ]  # by which no session is opened
    for page in (tab, await visitor.tab(f"{world.api_url}/api/v1/auth/me")):
        assert await page.run("document.cookie") == ""
    kept = "JSON.stringify([{...localStorage}, {...sessionStorage}, history.state])"
    assert await tab.run(kept) == "[{},{},null]"


async def at_once(*tabs: Tab) -> None:
    """Refresh in all of them."""
    await asyncio.gather(*(press(tab, "refresh") for tab in tabs))


async def test_two_tabs_that_refresh_at_once_both_stay_signed_in(world: World) -> None:
    visitor = await world.visitor()
    one = await visitor.signed_in(await member(world))
    other = await visitor.tab()
    await sees(other, "account")
    before = len(world.front.seen)
    with world.front.meeting("/api/v1/auth/refresh", 2):
        for _ in range(20):
            await at_once(one, other)
            for tab in (one, other):
                assert await tab.run("document.querySelector('#problem').textContent") == ""
                await sees(tab, "account")
    shared = Counter(cookie for _, path, cookie in world.front.seen[before:] if path.endswith("/refresh"))
    assert list(shared.values()) == [2] * 20  # the two of each round carried the same cookie
    for tab in (one, other):
        await tab.reload()
        await sees(tab, "account")


async def test_a_log_out_in_one_tab_ends_the_other_at_its_next_step(world: World) -> None:
    visitor = await world.visitor()
    one = await visitor.signed_in(await member(world))
    other = await visitor.tab()
    await sees(other, "account")
    await one.click("[data-do=logOut]")
    await sees(one, "sign-in")
    assert await visitor.cookie(one) is None
    await press(other, "refresh")
    await sees(other, "sign-in")
    assert await problem(other) == "invalid_token"
    await one.reload()
    await sees(one, "sign-in")


async def test_another_visitor_is_nobody(world: World) -> None:
    await (await world.visitor()).signed_in(await member(world))
    await sees(await (await world.visitor()).tab(), "sign-in")


ASK = """
(async () => {
  try {
    const answer = await fetch("%s/api/v1/auth/%s", {method: "%s", credentials: "include", headers: %s})
    return [answer.status, await answer.text()]
  } catch (error) { return [0, error.name] }
})()
"""


@pytest.mark.parametrize("headers", ['{"Content-Type": "application/json"}', '{"Content-Type": "text/plain"}', "{}"])
async def test_a_page_of_another_origin_can_neither_read_nor_refresh(world: World, headers: str) -> None:
    visitor = await world.visitor()
    tab = await visitor.signed_in(await member(world))
    cookie = await visitor.cookie(tab)
    foreign = await visitor.tab(f"{world.foreign_url}/config.json")
    for method, path in (("POST", "refresh"), ("POST", "logout"), ("GET", "me"), ("POST", "login")):
        assert await foreign.run(ASK % (world.api_url, path, method, headers)) == [0, "TypeError"]
    assert await visitor.cookie(tab) == cookie
    await press(tab, "refresh")
    await sees(tab, "account")


FORM = """<form method="post" enctype="text/plain" action="%s/api/v1/auth/logout"><input name="x"></form>"""
FRAME = """<iframe src="%s/api/v1/auth/me"></iframe>"""


async def test_a_foreign_form_and_a_foreign_frame_get_nothing(world: World) -> None:
    visitor = await world.visitor()
    tab = await visitor.signed_in(await member(world))
    cookie = await visitor.cookie(tab)
    foreign = await visitor.tab(f"{world.foreign_url}/config.json")
    await foreign.run(f"document.body.innerHTML = '{FORM % world.api_url}'; document.forms[0].submit()")
    await foreign.until("document.body.innerText.includes('origin_not_allowed')")
    assert await visitor.cookie(tab) == cookie
    framed = await visitor.tab(f"{world.foreign_url}/config.json")
    shown = "new Promise(loaded => document.querySelector('iframe').onload = loaded).then(() => 1)"
    await framed.run(f"document.body.innerHTML = '{FRAME % world.api_url}'; {shown}")
    with pytest.raises(DevToolsError, match="SecurityError"):
        await framed.run("frames[0].document.body.innerText")
    await press(tab, "refresh")
    await sees(tab, "account")


async def test_the_page_asks_again_when_its_access_token_has_expired(world: World) -> None:
    visitor = await world.visitor()
    tab = await visitor.signed_in(await member(world))
    world.app.clock.advance(3600 + 31)
    await press(tab, "whoAmI")
    await sees(tab, "account")
    assert await tab.run("document.querySelector('#problem').textContent") == ""


async def test_nothing_of_a_session_is_in_the_address_bar_or_the_history(world: World) -> None:
    visitor = await world.visitor()
    tab = await visitor.signed_in(await member(world))
    history = await tab.send("Page.getNavigationHistory")
    assert {entry["url"] for entry in history["entries"]} <= {"about:blank", f"{world.app_url}/", world.app_url}
