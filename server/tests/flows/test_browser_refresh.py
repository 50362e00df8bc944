"""POST /api/v1/auth/refresh and logout: the platform's rotation behind a cookie, and who may ask for it."""

from __future__ import annotations

import asyncio

import pytest
from browser import APP, Browser, assert_error, signed_in, tenant
from harness import Harness, Servers, running


async def test_a_reload_restores_the_session_with_the_cookie_alone(app: Harness) -> None:
    browser = await signed_in(app)
    first, browser.access_token = browser.cookie, ""
    reply = await browser.post("/refresh")
    assert reply.status_code == 200, reply.text
    assert set(reply.json()) == {"access_token", "token_type", "expires_in", "user"}
    assert browser.cookie not in {"", first}
    assert (await browser.get("/me")).json() == browser.me


async def test_two_tabs_at_once_both_stay_signed_in(app: Harness) -> None:
    browser = await signed_in(app)
    tabs = [Browser(app, cookie=browser.cookie) for _ in range(10)]
    replies = await asyncio.gather(*(tab.post("/refresh") for tab in tabs))
    assert {reply.status_code for reply in replies} == {200}
    assert len({tab.cookie for tab in tabs}) == 1
    for tab in tabs[:2]:
        assert (await tab.get("/me")).status_code == 200
    assert (await tabs[1].post("/refresh")).status_code == 200


async def test_a_replayed_cookie_ends_the_session_and_is_taken_away(app: Harness) -> None:
    browser = await signed_in(app)
    thief = Browser(app, cookie=browser.cookie)
    await browser.post("/refresh")
    await browser.post("/refresh")
    app.clock.advance(11)
    reply = await thief.post("/refresh")
    assert_error(reply, 401, "token_revoked")
    assert thief.cookie == ""
    assert "Max-Age=0" in reply.headers["set-cookie"]
    assert_error(await browser.get("/me"), 401, "token_revoked")
    assert await app.audit("auth.refresh.reuse_detected", target_user_id=browser.me["id"])


@pytest.mark.parametrize("cookie", ["", "nonsense", "x" * 200, '"'], ids=["none", "nonsense", "long", "quote"])
async def test_a_cookie_that_is_none_of_ours_is_refused_and_cleared(app: Harness, cookie: str) -> None:
    reply = await Browser(app, cookie=cookie).post("/refresh")
    assert_error(reply, 401, "invalid_token")
    [line] = reply.headers.get_list("set-cookie")
    attributes = sorted(part.strip() for part in line.split(";"))
    assert attributes == [
        "HttpOnly",
        "Max-Age=0",
        "Path=/api/v1/auth",
        "SameSite=Strict",
        "Secure",
        "refresh_token=",
    ]  # fmt: skip - one list


async def test_a_second_cookie_of_the_name_planted_by_a_sibling_domain_makes_neither_count(app: Harness) -> None:
    browser = await signed_in(app)
    other = await signed_in(app)
    for planted in (
        f"refresh_token={other.cookie}; refresh_token={browser.cookie}",
        f"refresh_token={browser.cookie}; refresh_token={browser.cookie}",
    ):  # fmt: skip - both orders
        reply = await Browser(app).post("/refresh", Cookie=planted)
        assert_error(reply, 401, "invalid_token")
    reply = await Browser(app).post("/refresh", Cookie=f"theme=dark; refresh_token={browser.cookie}; x")
    assert reply.status_code == 200


async def test_a_refresh_token_of_one_surface_is_none_on_the_other(app: Harness) -> None:
    person = await app.make_user()
    browser = await signed_in(app, person)
    await app.sign_in(person)
    reply = await app.http.post("/auth/refresh", json={"refreshToken": browser.cookie})
    assert reply.status_code == 401
    assert_error(await Browser(app, cookie=person.refresh_token).post("/refresh"), 401, "invalid_token")
    assert (await browser.post("/refresh")).status_code == 200


async def test_an_access_token_of_one_surface_is_refused_on_the_other(app: Harness) -> None:
    person = await app.make_user()
    browser = await signed_in(app, person)
    await app.sign_in(person)
    reply = await app.http.get("/auth/me", headers={"Authorization": f"Bearer {browser.access_token}"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (401, "unauthorized")
    assert_error(await Browser(app, access_token=person.access_token).get("/me"), 401, "invalid_token")


@pytest.mark.parametrize(
    "end",
    [
        "UPDATE users SET is_active = false WHERE id = $1",
        "UPDATE users SET token_version = token_version + 1 WHERE id = $1",
        "UPDATE tenant_members SET is_active = false WHERE user_id = $1",
        "UPDATE tenants SET is_active = false WHERE id IN (SELECT tenant_id FROM tenant_members WHERE user_id = $1)",
        "DELETE FROM tenant_members WHERE user_id = $1",
    ],
    ids=["deactivated", "superseded", "removed from the tenant", "tenant closed", "membership deleted"],
)
async def test_who_may_not_any_more_is_out_at_once(app: Harness, end: str) -> None:
    person = await app.make_user()
    browser = await signed_in(app, person)
    await app.db.execute(end, person.id)
    assert_error(await browser.get("/me"), 401, "token_revoked")
    assert_error(await browser.post("/refresh"), 401, "token_revoked")


@pytest.mark.parametrize("demand", ["mfa_required = true", "auth_policy = 'restricted'"], ids=["factor", "sso"])
async def test_what_the_tenant_demands_now_holds_from_the_next_refresh(app: Harness, demand: str) -> None:
    home = await tenant(app)
    browser = await signed_in(app, tenant_id=home)
    await app.db.execute(f"UPDATE tenants SET {demand} WHERE id = $1", home)
    assert (await browser.get("/me")).status_code == 200
    assert_error(await browser.post("/refresh"), 401, "token_revoked")


async def test_the_session_ends_at_its_horizon_however_often_refreshed(app: Harness) -> None:
    browser = await signed_in(app)
    for _ in range(6):
        app.clock.advance(86400)
        assert (await browser.post("/refresh")).status_code == 200
    app.clock.advance(86401)
    assert_error(await browser.post("/refresh"), 401, "token_revoked")


async def test_logout_ends_the_session_and_always_answers_the_same(app: Harness) -> None:
    browser = await signed_in(app)
    copy = Browser(app, cookie=browser.cookie, access_token=browser.access_token)
    reply = await browser.post("/logout")
    assert (reply.status_code, reply.content) == (204, b"")
    assert browser.cookie == ""
    assert_error(await copy.get("/me"), 401, "token_revoked")
    assert_error(await copy.post("/refresh"), 401, "token_revoked")
    for again in (browser, Browser(app), Browser(app, cookie="nonsense"), Browser(app, access_token="nonsense")):
        assert (await again.post("/logout")).status_code == 204


async def test_logout_with_the_access_token_alone_ends_its_session(app: Harness) -> None:
    browser = await signed_in(app)
    only_token = Browser(app, access_token=browser.access_token)
    assert (await only_token.post("/logout")).status_code == 204
    assert_error(await browser.post("/refresh"), 401, "token_revoked")


async def test_logout_ends_this_session_and_no_other(app: Harness) -> None:
    person = await app.make_user()
    one = await signed_in(app, person)
    other = Browser(app)
    await other.login(person)
    await one.post("/logout")
    assert (await other.get("/me")).status_code == 200


FOREIGN = [
    "https://evil.example",
    "https://app.example.com.evil.example",
    "https://APP.example.com",
    "https://app.example.com:443",
    "https://app.example.com.",
    "http://app.example.com",
    "https://example.com",
    "https://app.example.com/",
    "null",
    "*",
    "https://sub.app.example.com",
    "https://cloud.example.com:8443",
]  # fmt: skip - a table


@pytest.mark.parametrize("origin", FOREIGN)
@pytest.mark.parametrize("path", ["/refresh", "/logout"])
async def test_a_page_of_another_origin_cannot_use_the_cookie(app: Harness, path: str, origin: str) -> None:
    browser = await signed_in(app)
    foreign = Browser(app, origin=origin, cookie=browser.cookie)
    assert_error(await foreign.post(path), 403, "origin_not_allowed")
    assert foreign.cookie == browser.cookie
    assert (await browser.post("/refresh")).status_code == 200


@pytest.mark.parametrize(
    "origin", ["https://auth.example.com", APP, "https://cloud.example.com", "http://localhost:5173"]
)
async def test_own_and_named_origins_may(app: Harness, origin: str) -> None:
    browser = await signed_in(app)
    browser.origin = origin
    assert (await browser.post("/refresh")).status_code == 200


async def test_without_an_origin_the_referrer_decides(app: Harness) -> None:
    browser = await signed_in(app)
    browser.origin = ""
    assert (await browser.post("/refresh", Referer=f"{APP}/some/page?x=1")).status_code == 200
    for foreign in ("https://evil.example/", "https://app.example.com.evil.example/", "about:blank", "http://[", ""):
        assert_error(await browser.post("/refresh", Referer=foreign), 403, "origin_not_allowed")


async def test_with_neither_only_a_cookie_that_stays_at_home_counts(app: Harness, servers: Servers) -> None:
    browser = await signed_in(app)
    browser.origin = ""
    assert (await browser.post("/refresh")).status_code == 200
    async with running(servers, REFRESH_COOKIE_SAMESITE="none") as lax:
        browser = await signed_in(lax)
        browser.origin = ""
        assert_error(await browser.post("/refresh"), 403, "origin_not_allowed")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
async def test_what_a_foreign_form_could_send_is_refused(app: Harness, kind: str) -> None:
    browser = await signed_in(app)
    reply = await browser.post("/refresh", **{"Content-Type": kind})
    assert reply.status_code == 415
    assert (await browser.post("/refresh")).status_code == 200


async def test_an_expired_access_token_is_invalid_until_refreshed(app: Harness) -> None:
    browser = await signed_in(app)
    app.clock.advance(3600 + 31)
    assert_error(await browser.get("/me"), 401, "invalid_token")
    await browser.post("/refresh")
    assert (await browser.get("/me")).status_code == 200


async def test_one_service_alone_may_sign_with_a_shared_secret(servers: Servers) -> None:
    async with running(servers, BROWSER_TOKEN_ALG="HS256") as app:
        browser = await signed_in(app)
        assert (await browser.get("/me")).status_code == 200
        header, payload, signature = browser.access_token.split(".")
        for forged in (f"{header}.{payload}.{signature[:-2]}AA", f"{header}.{payload}.", browser.access_token + "="):
            assert_error(await Browser(app, access_token=forged).get("/me"), 401, "invalid_token")
        person = await app.signed_in()
        assert_error(await Browser(app, access_token=person.access_token).get("/me"), 401, "invalid_token")
    async with running(servers) as other:
        assert_error(await Browser(other, access_token=browser.access_token).get("/me"), 401, "invalid_token")
