"""Devices that signed in before: a neighbour who guesses at the same address does not lock them out."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

from browser import Browser, settle, tenant
from harness import PASSWORD, Harness, Person
from provider.applications import App
from provider.callers import MANAGE
from provider.page_browser import PageBrowser
from provider.people import log_in, member, public_app

from identry.core.limits import ACCOUNT_FAILURES, APP_ACCOUNT_FAILURES, APP_LOGIN, BROWSER_LOGIN, LOGIN, PAGE_LOGIN


async def _try(app: Harness, made: App, person: Person, ip: str, password: str = PASSWORD, **told: Any) -> Any:
    """A sign-in at an application, the tries of the minute given back."""
    await app.app.engines.login_limiter.forget(APP_LOGIN, ip)
    return await log_in(app, made, person.email, password, ip=ip, **told)


async def _locked(app: Harness, made: App, person: Person, **told: Any) -> str:
    """An address where nobody gets in as this person any more."""
    ip = app.fresh_ip()
    for _ in range(APP_ACCOUNT_FAILURES.limit):
        assert (await _try(app, made, person, ip, "wrong", **told)).status_code == 401
    return ip


async def test_a_device_that_handed_its_token_back_gets_in_where_others_are_locked_out(app: Harness) -> None:
    made = await public_app(app)
    person = await member(app, made)
    reply = await _try(app, made, person, app.fresh_ip(), device_token="")
    token = reply.json()["device_token"]
    ip = await _locked(app, made, person)
    assert (await _try(app, made, person, ip)).status_code == 403
    reply = await _try(app, made, person, ip, device_token=token)
    assert reply.status_code == 200
    assert reply.json()["device_token"] not in {"", token}
    assert "device_token" not in (await _try(app, made, person, app.fresh_ip())).json(), "who wants none is given none"


async def test_a_device_has_as_many_tries_as_an_address_has_and_no_more(app: Harness) -> None:
    made = await public_app(app)
    person = await member(app, made)
    first, second = [
        (await _try(app, made, person, app.fresh_ip(), device_token="")).json()["device_token"] for _ in range(2)
    ]
    ip = await _locked(app, made, person, device_token=first)
    for address in (ip, app.fresh_ip()):
        assert (await _try(app, made, person, address, device_token=first)).status_code == 403
        assert (await _try(app, made, person, address, device_token=second)).status_code == 200
        assert (await _try(app, made, person, address)).status_code == 200
    app.clock.advance(timedelta(minutes=16))
    assert (await _try(app, made, person, ip, device_token=first)).status_code == 200


async def test_what_is_no_token_of_this_device_for_this_person_exempts_from_nothing(app: Harness) -> None:
    made = await public_app(app)
    person, other = await member(app, made), await member(app, made)
    told = {"device_token": ""}
    token = (await _try(app, made, person, app.fresh_ip(), **told)).json()["device_token"]
    strange = (await _try(app, made, other, app.fresh_ip(), **told)).json()["device_token"]
    raw = base64.urlsafe_b64decode(token)
    later = raw[:16] + b"\xff" * 6 + raw[22:]
    forged = [base64.urlsafe_b64encode(bad).decode() for bad in (later, raw[:-1], raw + b"x", bytes(54), b"")]
    ip = await _locked(app, made, person)
    for bad in (strange, *forged, token[:-1], token + "=", "ä" * 60, "\x00"):
        assert (await _try(app, made, person, ip, device_token=bad)).status_code == 403, bad
    assert (await _try(app, made, person, ip, device_token="x" * 201)).status_code == 400
    app.clock.advance(timedelta(days=180))
    ip = await _locked(app, made, person)
    assert (await _try(app, made, person, ip, device_token=token)).status_code == 403, "it is too old"


async def test_a_browser_in_which_somebody_signed_in_is_known_on_the_page(app: Harness) -> None:
    person, ip = await app.make_user(), app.fresh_ip()
    known, stranger = (PageBrowser(app, address=ip) for _ in range(2))
    await known.sign_in(person)
    token = known.cookies.pop("__Host-identry_device")
    known.cookies = {"__Host-identry_device": token}
    wrong = Person(person.id, person.email, "wrong")
    for _ in range(APP_ACCOUNT_FAILURES.limit):
        await app.app.engines.login_limiter.forget(PAGE_LOGIN, ip)
        assert (await stranger.sign_in(wrong)).status == 401
    assert "__Host-identry_device" not in stranger.cookies
    await app.app.engines.login_limiter.forget(PAGE_LOGIN, ip)
    assert (await stranger.sign_in(person)).status == 429
    assert (await known.sign_in(person)).path == "/account"
    assert known.cookies["__Host-identry_device"] != token


async def test_a_browser_in_which_somebody_signed_in_is_known_to_the_single_page_app_too(app: Harness) -> None:
    person, ip = await app.make_user(), app.fresh_ip()
    await settle(app, person, await tenant(app))
    known, stranger = (Browser(app, ip=ip) for _ in range(2))
    assert (await known.login(person)).status_code == 200
    token, known.cookie = known.device, ""
    for _ in range(ACCOUNT_FAILURES.limit):
        await app.app.engines.login_limiter.forget(BROWSER_LOGIN, ip)
        assert (await stranger.login(person, "wrong")).status_code == 401
    assert stranger.device == ""
    await app.app.engines.login_limiter.forget(BROWSER_LOGIN, ip)
    assert (await stranger.login(person)).status_code == 429
    assert (await known.login(person)).status_code == 200
    assert known.device != token


async def test_a_device_of_an_administrator_is_known_on_the_admin_port(app: Harness) -> None:
    person, ip = await app.make_user(global_role="PLATFORM_SUPERADMIN"), app.fresh_ip()

    async def enter(path: str, password: str = PASSWORD, bearer: str = "", **told: Any) -> Any:
        await app.app.engines.login_limiter.forget(APP_LOGIN, ip)
        headers = {"X-Forwarded-For": ip} | ({"Authorization": f"Bearer {bearer}"} if bearer else {})
        who = {} if bearer else {"email": person.email}
        body = {**who, "password": password, **told}
        return await app.http.post(f"{MANAGE}/api/admin/{path}", json=body, headers=headers)

    first = (await enter("login", device_token="")).json()
    for _ in range(APP_ACCOUNT_FAILURES.limit):
        assert (await enter("login", "wrong")).status_code == 401
    assert (await enter("login")).status_code == 403
    assert (await enter("elevate", bearer=first["access_token"])).status_code == 403
    known = {"device_token": first["device_token"]}
    assert (await enter("elevate", bearer=first["access_token"], **known)).status_code == 200
    again = await enter("login", **known)
    assert (again.status_code, again.json()["device_token"] not in {"", first["device_token"]}) == (200, True)


async def test_a_password_that_was_wrong_on_one_surface_was_wrong_on_all(app: Harness) -> None:
    made = await public_app(app)
    person, ip = await member(app, made), app.fresh_ip()

    async def at_the_platform(password: str) -> int:
        await app.app.engines.login_limiter.forget(LOGIN, ip)
        body = {"email": person.email, "password": password}
        return int((await app.http.post("/auth/login", json=body, headers={"X-Forwarded-For": ip})).status_code)

    assert [await at_the_platform("wrong") for _ in range(APP_ACCOUNT_FAILURES.limit)] == [401] * 5
    assert (await _try(app, made, person, ip)).status_code == 403
    left = ACCOUNT_FAILURES.limit - APP_ACCOUNT_FAILURES.limit
    assert [await at_the_platform("wrong") for _ in range(left)] == [401] * left
    assert await at_the_platform(PASSWORD) == 429
