"""POST /api/v1/auth/login and mfa/verify: shapes, cookie, gates, policy, limits."""

from __future__ import annotations

from http.cookies import SimpleCookie

import pytest
from browser import API, Browser, assert_error, settle, signed_in, tenant
from harness import PASSWORD, Harness, Servers, running
from second_factor import secured

from identry.core.limits import BROWSER_LOGIN, BROWSER_MFA_VERIFY


async def person_of(app: Harness, **fields):
    person = await app.make_user(**fields)
    home = await tenant(app)
    await settle(app, person, home)
    return person, home


async def test_a_password_becomes_a_session_of_the_tenant(app: Harness) -> None:
    person, home = await person_of(app, full_name="Ada Lovelace")
    reply = await Browser(app).login(person)
    assert reply.status_code == 200
    body = reply.json()
    assert set(body) == {"access_token", "token_type", "expires_in", "user"}
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 3600)
    me = body["user"]
    assert (me["id"], me["tenant_id"], me["tenant_name"]) == (str(person.id), str(home), "Acme")
    assert (me["full_name"], me["auth_methods"], me["must_enroll_mfa"]) == ("Ada Lovelace", ["password"], False)
    assert (me["groups"], me["permissions"]) == ([], [])
    assert me["last_login_at"]
    [row] = await app.audit("auth.login.succeeded", target_user_id=person.id)
    assert row["company_id"] == home


async def test_the_refresh_token_is_in_the_cookie_and_nowhere_else(app: Harness) -> None:
    person, _ = await person_of(app)
    reply = await Browser(app).login(person)
    line, device = reply.headers.get_list("set-cookie")
    cookie = SimpleCookie(line)["refresh_token"]
    attributes = [part.strip() for part in line.split(";")][1:]
    assert sorted(attributes) == ["HttpOnly", "Max-Age=604800", "Path=/api/v1/auth", "SameSite=Strict", "Secure"]
    assert cookie.value not in reply.text
    assert device.startswith("__Host-identry_device=")
    assert device.endswith("; Path=/; Max-Age=15552000; HttpOnly; Secure; SameSite=Strict")
    assert reply.headers["cache-control"] == "no-store"


async def test_the_token_has_the_claims_of_the_contract_and_no_permissions(app: Harness) -> None:
    browser = await signed_in(app)
    engines = app.app.engines
    claims = await engines.browser.verifier.verify(browser.access_token)
    assert set(claims) == {
        "iss",
        "aud",
        "sub",
        "user_id",
        "tenant_id",
        "sid",
        "jti",
        "iat",
        "nbf",
        "exp",
        "type",
        "token_version",
        "role",
        "plan",
        "amr",
        "auth_time",
    }  # fmt: skip - the contract's list
    assert (claims["iss"], claims["aud"]) == ("https://auth.example.com", "https://app.example.com")
    assert claims["sub"] == claims["user_id"] == browser.me["id"]
    assert (claims["tenant_id"], claims["type"], claims["role"]) == (browser.me["tenant_id"], "access", "MEMBER")
    assert claims["exp"] - claims["iat"] == 3600
    assert claims["plan"] == browser.me["plan"]


async def test_the_role_in_the_company_is_in_the_token(app: Harness) -> None:
    person, home = await person_of(app)
    await app.join(person, home, "MANAGER")
    browser = Browser(app)
    await browser.login(person)
    claims = await app.app.engines.browser.verifier.verify(browser.access_token)
    assert claims["role"] == "MANAGER"


async def test_wrong_address_and_wrong_password_answer_the_same(app: Harness) -> None:
    person, _ = await person_of(app)
    wrong = await Browser(app).login(person, "not the password")
    unknown = await Browser(app).post("/login", {"email": "nobody@example.com", "password": PASSWORD})
    assert_error(wrong, 401, "invalid_credentials")
    assert wrong.json() == unknown.json()
    assert "set-cookie" not in wrong.headers


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"email": "a@example.com"},
        {"email": 1, "password": "x"},
        {"email": "a@example.com", "password": 7},
    ],
    ids=["nothing", "list", "empty", "no password", "number", "number as password"],
)
async def test_a_malformed_body_names_its_fields(app: Harness, body) -> None:
    reply = await Browser(app).post("/login", body)
    assert_error(reply, 400, "validation_error")
    assert reply.json()["error"]["details"]["fields"]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"approval_status": "PENDING", "is_active": False}, "pending_approval"),
        ({"approval_status": "REJECTED", "is_active": False}, "registration_rejected"),
        ({"is_active": False}, "account_inactive"),
    ],
    ids=["pending", "rejected", "inactive"],
)
async def test_a_closed_gate_is_said_only_after_the_proof(app: Harness, fields, code) -> None:
    person, _ = await person_of(app, **fields)
    assert_error(await Browser(app).login(person), 403, code)
    assert_error(await Browser(app).login(person, "not the password"), 401, "invalid_credentials")


async def test_who_has_no_active_tenant_does_not_get_in(app: Harness) -> None:
    alone = await app.make_user()
    assert_error(await Browser(app).login(alone), 403, "tenant_inactive")
    removed = await app.make_user()
    await settle(app, removed, await tenant(app), is_active=False)
    assert_error(await Browser(app).login(removed), 403, "tenant_inactive")
    closed = await app.make_user()
    await settle(app, closed, await tenant(app, is_active=False))
    assert_error(await Browser(app).login(closed), 403, "tenant_inactive")


async def test_a_session_is_of_the_newest_tenant_that_is_active(app: Harness) -> None:
    person, old = await person_of(app)
    app.clock.advance(60)
    await settle(app, person, await tenant(app, is_active=False))
    assert (await Browser(app).login(person)).json()["user"]["tenant_id"] == str(old)
    app.clock.advance(60)
    new = await tenant(app)
    await settle(app, person, new)
    assert (await Browser(app).login(person)).json()["user"]["tenant_id"] == str(new)


async def test_a_tenant_that_wants_single_sign_on_refuses_passwords_on_both_surfaces(app: Harness) -> None:
    person = await app.make_user()
    await settle(app, person, await tenant(app, auth_policy="restricted"))
    assert_error(await Browser(app).login(person), 403, "password_login_disabled")
    platform = await app.http.post("/auth/login", json={"email": person.email, "password": PASSWORD})
    assert platform.status_code == 403
    assert platform.json()["error"]["code"] == "password_login_disabled"
    assert_error(await Browser(app).login(person, "not the password"), 401, "invalid_credentials")


async def test_a_second_factor_comes_before_any_token(app: Harness) -> None:
    ada = await secured(app)
    await settle(app, ada.person, await tenant(app))
    browser = Browser(app)
    reply = await browser.login(ada.person)
    assert reply.status_code == 200
    body = reply.json()
    assert set(body) == {"mfa_required", "session_token", "methods", "expires_in"}
    assert (body["mfa_required"], body["methods"], body["expires_in"]) == (True, ["totp", "recovery_code"], 300)
    assert "set-cookie" not in reply.headers
    assert not browser.device
    done = await browser.post("/mfa/verify", {"session_token": body["session_token"], "totp_code": ada.code(app)})
    assert done.status_code == 200
    assert browser.device, "a password was right here, and all that came after it"
    assert done.json()["user"]["mfa_enabled"] is True
    claims = await app.app.engines.browser.verifier.verify(browser.access_token)
    assert list(claims["amr"]) == ["pwd", "otp", "mfa"]
    again = await browser.post("/mfa/verify", {"session_token": body["session_token"], "totp_code": ada.code(app, 1)})
    assert_error(again, 401, "session_token_expired")


async def test_a_recovery_code_does_instead(app: Harness) -> None:
    ada = await secured(app, codes=True)
    await settle(app, ada.person, await tenant(app))
    browser = Browser(app)
    ticket = (await browser.login(ada.person)).json()["session_token"]
    reply = await browser.post("/mfa/verify", {"session_token": ticket, "recovery_code": ada.codes[0]})
    assert reply.status_code == 200, reply.text


async def test_wrong_codes_and_used_up_tickets_have_names_of_their_own(app: Harness) -> None:
    ada = await secured(app)
    await settle(app, ada.person, await tenant(app))
    browser = Browser(app)
    ticket = (await browser.login(ada.person)).json()["session_token"]
    for _ in range(5):
        reply = await browser.post("/mfa/verify", {"session_token": ticket, "totp_code": ada.wrong(app)})
        assert_error(reply, 401, "invalid_code")
    reply = await browser.post("/mfa/verify", {"session_token": ticket, "totp_code": ada.code(app)})
    assert_error(reply, 401, "session_token_expired")
    unknown = await browser.post("/mfa/verify", {"session_token": "nobody's", "totp_code": "123456"})
    assert_error(unknown, 401, "session_token_expired")


async def test_a_ticket_of_one_surface_opens_nothing_on_the_other(app: Harness) -> None:
    ada = await secured(app)
    await settle(app, ada.person, await tenant(app))
    browser = Browser(app)
    ticket = (await browser.login(ada.person)).json()["session_token"]
    code = ada.code(app)
    platform = await app.http.post("/auth/mfa/verify", json={"mfaToken": ticket, "code": code})
    assert platform.status_code == 401
    login = await app.http.post("/auth/login", json={"email": ada.person.email, "password": PASSWORD})
    foreign = login.json()["error"]["details"]["mfaToken"]
    assert_error(
        await browser.post("/mfa/verify", {"session_token": foreign, "totp_code": code}), 401, "session_token_expired"
    )


@pytest.mark.parametrize(
    "codes",
    [
        {},
        {"totp_code": "12345"},
        {"totp_code": "1234567"},
        {"totp_code": "12345a"},
        {"totp_code": "١٢٣٤٥٦"},
        {"totp_code": "123456", "recovery_code": "aaaaa-bbbbb"},
        {"totp_code": 123456},
    ],
    ids=["none", "short", "long", "letter", "other digits", "both", "number"],
)  # fmt: skip - one line a row
async def test_a_code_of_the_wrong_shape_costs_no_try(app: Harness, codes) -> None:
    ada = await secured(app)
    await settle(app, ada.person, await tenant(app))
    browser = Browser(app)
    ticket = (await browser.login(ada.person)).json()["session_token"]
    for _ in range(6):
        assert_error(await browser.post("/mfa/verify", {"session_token": ticket, **codes}), 400, "validation_error")
    reply = await browser.post("/mfa/verify", {"session_token": ticket, "totp_code": ada.code(app)})
    assert reply.status_code == 200


async def test_a_tenant_that_demands_a_second_factor_gives_a_set_up_ticket_and_no_token(app: Harness) -> None:
    person = await app.make_user()
    await settle(app, person, await tenant(app, mfa_required=True))
    reply = await Browser(app).login(person)
    assert reply.status_code == 200
    body = reply.json()
    assert set(body) == {"mfa_setup_required", "session_token", "expires_in"}
    assert "set-cookie" not in reply.headers
    verify = await Browser(app).post("/mfa/verify", {"session_token": body["session_token"], "totp_code": "123456"})
    assert_error(verify, 401, "session_token_expired")
    platform = await app.http.post("/auth/login", json={"email": person.email, "password": PASSWORD})
    assert platform.status_code == 403
    assert platform.json()["error"]["code"] == "mfa_setup_required"
    assert "details" not in platform.json()["error"]


async def test_an_address_that_tries_too_often_waits(app: Harness) -> None:
    browser = Browser(app, ip=app.fresh_ip())
    for _ in range(BROWSER_LOGIN.limit):
        reply = await browser.post("/login", {"email": "nobody@example.com", "password": "x"})
        if reply.status_code == 429:
            break
    last = await browser.post("/login", {"email": "other@example.com", "password": "x"})
    assert_error(last, 429, "rate_limited")
    assert int(last.headers["retry-after"]) > 0
    for _ in range(BROWSER_MFA_VERIFY.limit):
        await browser.post("/mfa/verify", {"session_token": "x", "totp_code": "123456"})
    assert_error(await browser.post("/mfa/verify", {"session_token": "x", "totp_code": "123456"}), 429, "rate_limited")


async def test_under_the_restricted_policy_every_password_route_says_so(servers: Servers) -> None:
    async with running(servers, AUTH_POLICY="restricted", AUTH_ALLOWED_EMAIL_DOMAINS="example.com") as app:
        person = await app.make_user()
        await settle(app, person, await tenant(app))
        browser = Browser(app)
        new = {"email": "new@example.com", "password": "a long enough one", "full_name": "N"}
        for path, body in {
            "/login": {"email": person.email, "password": PASSWORD},
            "/register": new,
            "/check-method": {"email": person.email},
            "/password-reset/request": {"email": person.email},
            "/password-reset/confirm": {"token": "x", "new_password": "a long enough one"},
        }.items():
            assert_error(await browser.post(path, body), 403, "password_login_disabled")
        for path, body in {
            "/auth/login": {"email": person.email, "password": PASSWORD},
            "/auth/password-reset/request": {"email": person.email},
            "/auth/password-reset/confirm": {"token": "x", "newPassword": "a long enough one"},
        }.items():
            reply = await app.http.post(path, json=body)
            assert (reply.status_code, reply.json()["error"]["code"]) == (403, "password_login_disabled")


async def test_mfa_required_by_the_deployment_binds_every_tenant(servers: Servers) -> None:
    async with running(servers, MFA_REQUIRED="true") as app:
        person = await app.make_user()
        await settle(app, person, await tenant(app))
        assert (await Browser(app).login(person)).json()["mfa_setup_required"] is True


async def test_plain_http_on_this_machine_has_a_cookie_without_secure(servers: Servers) -> None:
    async with running(servers, API_PUBLIC_URL="http://localhost:3097", REFRESH_COOKIE_SAMESITE="lax") as app:
        person = await app.make_user()
        await settle(app, person, await tenant(app))
        for line in (await Browser(app).login(person)).headers.get_list("set-cookie"):
            assert "Secure" not in line
            assert "SameSite=Lax" in line


async def test_without_public_addresses_production_has_no_such_routes(servers: Servers) -> None:
    async with running(servers, APP_ENV="staging", API_PUBLIC_URL="", APP_BASE_URL="") as app:
        reply = await app.http.post(f"{API}/login", json={"email": "a@example.com", "password": "x"})
        assert reply.status_code == 404
