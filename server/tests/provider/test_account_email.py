"""/account/email: another address, by proof that it is one's own (SECURITY §2 rows 26, 30, 31, 34)."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from harness import PASSWORD, Harness
from letters import letters
from provider.account import Owner, elsewhere, granted, is_live, live_grants, owner
from provider.page_browser import ORIGIN, PageBrowser
from resets import mailed_token

from identry.records import users


def fresh(me: Owner) -> str:
    return f"new-{me.person.email}"


async def asked(app: Harness, me: Owner, address: str) -> str:
    """The token that is mailed to the address that somebody asks for."""
    await me.browser.open("/account/email")
    page = await me.browser.submit("/email", email=address)
    assert page.status == 200, page.text
    assert f"We sent a link to {address}." in page.text
    [letter, *_] = await letters(app, address, "email_change")
    return letter.context["token"]


async def test_the_address_changes_when_its_link_is_confirmed_and_all_else_of_the_old_one_ends(app: Harness) -> None:
    me = await owner(app)
    other = await elsewhere(app, me.person)
    grant = await granted(app, me.person, "Reports", "openid")
    reset = await mailed_token(app, me.person)
    token = await asked(app, me, fresh(me))
    assert (await letters(app, me.person.email))[0].template == "email_change_requested"
    page = await me.browser.open(f"/account/email/confirm?token={token}")
    assert fresh(me) in page.text
    assert (await users.find(app.db, me.person.id)).email == me.person.email, "to look changes nothing"

    page = await me.browser.submit("/confirm")

    assert (page.path, page.status) == ("/account/profile", 200)
    assert "Your email address was changed." in page.text
    user = await users.find(app.db, me.person.id)
    assert (user.email, user.email_verified) == (fresh(me), True)
    assert (await letters(app, me.person.email))[0].template == "email_changed"
    assert not await is_live(app, other)
    assert await live_grants(app, grant) == 0
    dead = await app.http.post("/auth/password-reset/confirm", json={"token": reset, "newPassword": "passphrase now"})
    assert dead.status_code == 400
    assert (await me.browser.open("/account")).path == "/account", "the browser that confirmed it goes on"
    [row] = await app.audit("user.email_changed", target_user_id=me.person.id)
    assert (row["actor_user_id"], row["outcome"]) == (me.person.id, "success")
    assert me.person.email not in row["details"]
    await me.browser.open(f"/account/email/confirm?token={token}")
    assert "This link does not work" in me.browser.page.text


@pytest.mark.parametrize("what", ["another account", "expired", "newer", "password", "taken", "no token"])
async def test_a_link_opens_nothing(app: Harness, what: str) -> None:
    me = await owner(app)
    token, browser = await asked(app, me, fresh(me)), me.browser
    if what == "another account":
        browser = (await owner(app)).browser
    elif what == "expired":
        app.clock.advance(timedelta(hours=24, seconds=1))
        await browser.sign_in(me.person)
    elif what == "newer":
        await asked(app, me, f"newer-{me.person.email}")
    elif what == "password":
        await browser.open("/account/password")
        await browser.submit("/password", current_password=PASSWORD, new_password="another horse, another battery")
    elif what == "taken":
        await app.make_user(email=fresh(me))
    csrf = (await browser.open("/account")).form("/logout").fields["csrf"]
    sent = {"csrf": csrf, "token": "x" * 43 if what == "no token" else token}
    reply = await browser.send("POST", "/account/email/confirm", data=sent, headers={"Origin": ORIGIN})
    assert reply.status_code == 400
    assert (await users.find(app.db, me.person.id)).email == me.person.email
    if what == "taken":
        assert (await app.audit("user.email_changed", target_user_id=me.person.id))[-1]["outcome"] == "failure"


async def test_of_many_at_once_one_confirms(app: Harness) -> None:
    me = await owner(app)
    token = await asked(app, me, fresh(me))
    csrf = me.browser.page.form("/logout").fields["csrf"]
    sent = {"data": {"csrf": csrf, "token": token}, "headers": {"Origin": ORIGIN}}
    replies = await asyncio.gather(*(me.browser.send("POST", "/account/email/confirm", **sent) for _ in range(20)))
    assert [reply.status_code for reply in replies].count(303) == 1
    done = await app.audit("user.email_changed", target_user_id=me.person.id)
    assert [row["outcome"] for row in done].count("success") == 1
    assert (await users.find(app.db, me.person.id)).token_version == 2


async def test_nothing_tells_whether_an_address_has_an_account(app: Harness) -> None:
    me, taken = await owner(app), await app.make_user()
    pages = []
    for address in (taken.email, fresh(me)):
        await me.browser.open("/account/email")
        page = await me.browser.submit("/email", email=address)
        pages.append((page.status, page.path, page.text.replace(address, "…")))
    assert pages[0] == pages[1]
    assert await letters(app, taken.email) == []


async def test_an_address_that_cannot_be_is_told_at_its_field(app: Harness) -> None:
    me = await owner(app)
    for wrong, text in (
        (me.person.email, "This is your address already."),
        ("nobody", "This is not an email address."),
    ):
        await me.browser.open("/account/email")
        page = await me.browser.submit("/email", email=wrong)
        assert page.status == 400
        assert text in page.text
    assert await letters(app, me.person.email, "email_change_requested") == []


async def test_it_takes_a_recent_sign_in_and_comes_back_to_the_page(app: Harness) -> None:
    me = await owner(app)
    app.clock.advance(timedelta(minutes=11))
    page = await me.browser.open("/account/email")
    assert page.path == "/login?return_to=%2Faccount%2Femail&again=1"
    page = await me.browser.submit("/login", email=me.person.email, password=PASSWORD)
    assert page.path == "/account/email"
    assert page.status == 200


async def test_requests_are_limited_and_the_link_waits_for_whoever_is_not_signed_in(app: Harness) -> None:
    me = await owner(app)
    for number in range(6):
        await me.browser.open("/account/email")
        page = await me.browser.submit("/email", email=f"n{number}-{me.person.email}")
    assert page.status == 429
    [letter] = await letters(app, f"n4-{me.person.email}", "email_change")
    token = letter.context["token"]
    stranger = PageBrowser(app)
    page = await stranger.open(f"/account/email/confirm?token={token}")
    assert page.path.startswith("/login?return_to=%2Faccount%2Femail%2Fconfirm")
    page = await stranger.submit("/login", email=me.person.email, password=PASSWORD)
    assert f"n4-{me.person.email}" in page.text
