"""The parameter `claims`: what is asked for one by one is agreed to as its scope, and then told."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from harness import Harness
from provider.applications import application
from provider.authorization import CALLBACK, ask, code_of, error_of, go_on, landed, request_of, web_client
from provider.browsers import Browser
from provider.page_browser import PageBrowser
from provider.test_authorize import id_token, stored


def claims(**members: Any) -> str:
    return json.dumps(members)


async def test_a_claim_brings_its_scope_where_the_client_may_have_it(app: Harness) -> None:
    person = await app.make_user()
    browser = await Browser(app).sign_in(person)
    wide, narrow = await web_client(app), await web_client(app, scopes=["openid", "email"])
    named = claims(userinfo={"name": {"essential": True}, "unknown#de": None}, id_token={"picture": None}, other=1)
    for client, scope, granted in (
        (wide, "openid", ["openid", "profile"]),
        (wide, "openid profile email", ["openid", "profile", "email"]),
        (narrow, "openid", ["openid"]),
        (wide, "email", ["email"]),
    ):
        row = await stored(app, code_of(await ask(browser, client, scope=scope, claims=named)))
        assert row["scopes"] == granted


async def test_the_consent_page_names_what_a_claim_brings_and_remembers_it_as_such(app: Harness) -> None:
    made = await application(app, redirect_uris=[CALLBACK])
    person, browser = await app.make_user(), PageBrowser(app)
    for wanted, told in (({}, False), ({"email": None}, True)):
        asked = request_of(made, scope="openid", claims=claims(userinfo=wanted))
        page = await browser.open(f"/oauth/authorize?{urlencode(asked)}")
        if page.path.startswith("/login"):
            page = await browser.submit("/login", email=person.email, password=person.password)
        assert page.path.startswith("/consent")
        assert ("See your email address" in page.text) is told
        page = await browser.submit("/consent", decision="agree")
        assert page.path.startswith(CALLBACK)


async def test_a_sub_that_is_asked_for_is_the_only_one_that_will_do(app: Harness) -> None:
    client, person, other = await web_client(app), await app.make_user(), await app.make_user()
    browser = await Browser(app).sign_in(person)
    own, strange = [
        str(await app.db.fetchval("SELECT number FROM users WHERE id = $1", who.id)) for who in (person, other)
    ]
    for member in ("id_token", "userinfo"):
        code_of(await ask(browser, client, claims=claims(**{member: {"sub": {"value": own}}})))
        wrong = claims(**{member: {"sub": {"values": [strange]}}})
        assert error_of(await ask(browser, client, claims=wrong, prompt="none")) == "login_required"
        assert landed(await ask(browser, client, claims=wrong)).address == "/login"
    nobody = claims(id_token={"sub": {"value": "999999999999"}})
    assert error_of(await ask(browser, client, claims=nobody)) == "login_required"
    hint = await id_token(app, client, person.id)
    code_of(await ask(browser, client, claims=claims(id_token={"sub": {"value": own}}), id_token_hint=hint))
    both = await ask(browser, client, claims=claims(id_token={"sub": {"value": strange}}), id_token_hint=hint)
    assert error_of(both) == "invalid_request"


async def test_an_acr_that_is_asked_for_is_reached_by_signing_in(app: Harness) -> None:
    client, person = await web_client(app), await app.make_user()
    browser = await Browser(app).sign_in(person)
    for wanted in (None, {"essential": True}, {"values": ["phr"]}, {"essential": True, "values": ["phr", "pwd"]}):
        code_of(await ask(browser, client, claims=claims(id_token={"acr": wanted})))
    mfa = claims(id_token={"acr": {"essential": True, "values": ["phr", "mfa"]}})
    waits = landed(await ask(browser, client, claims=mfa))
    assert waits.address == "/login"
    await browser.sign_in(person, "pwd", "otp", "mfa")
    row = await stored(app, code_of(await go_on(browser, waits.handle)))
    assert row["amr"] == ["pwd", "otp", "mfa"]
