"""Signing in with Microsoft over HTTP: the way there, back, and to a session."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

from browser import APP, assert_error, settle
from federation import LEAVING, Federation, Window, guid, link, someone
from harness import Harness, Servers, running
from second_factor import secured
from services.entra import CLIENT_ID, CLIENT_SECRET
from tenants import Tenant

from identry.federation.provider import Admission
from identry.records import tenants


async def test_somebody_new_of_a_tenants_directory_is_signed_in(there: Federation, window: Window) -> None:
    tid = guid()
    tenant_id = await there.tenant(tid)
    ada = someone(tid)

    body = await window.sign_in(ada)

    me = body["user"]
    assert (me["email"], me["full_name"], me["tenant_id"]) == (ada.email, "Ada Lovelace", str(tenant_id))
    assert me["auth_methods"] == ["microsoft"]
    assert body["token_type"] == "Bearer"
    assert (await window.get("/me")).json() == me
    assert (await window.post("/refresh")).status_code == 200
    [session] = (await window.get("/sessions")).json()["data"]
    assert session["amr"] == ["sso"]


async def test_the_second_sign_in_is_the_same_account_whatever_its_address_became(
    there: Federation, window: Window
) -> None:
    tid = guid()
    await there.tenant(tid)
    ada = someone(tid)
    first = await window.sign_in(ada)
    there.entra.claims = {"email": "renamed@elsewhere.example", "name": "Ada King"}

    second = await Window(there).sign_in(ada)

    assert second["user"]["id"] == first["user"]["id"]
    assert second["user"]["email"] == ada.email
    [identity] = (await window.get("/identities")).json()["data"]
    assert (identity["email"], identity["full_name"]) == ("renamed@elsewhere.example", "Ada King")
    assert (identity["provider"], identity["issuer"]) == ("microsoft", f"{there.entra.url}/{tid}/v2.0")


async def test_the_request_is_the_contracts(there: Federation, window: Window) -> None:
    url = await window.leave(email=" Ada@Example.com ", return_to="/reports?x=1")

    assert url.startswith(f"{there.entra.url}/common/oauth2/v2.0/authorize?")
    asked = dict(parse_qsl(urlsplit(url).query))
    assert asked["client_id"] == CLIENT_ID
    assert asked["redirect_uri"] == "https://auth.example.com/api/v1/auth/microsoft/callback"
    assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
    assert asked["login_hint"] == "ada@example.com"
    assert "reports" not in url


async def test_the_token_request_shows_secret_and_verifier_and_nothing_leaves_by_url(
    there: Federation, window: Window
) -> None:
    await there.tenant(tid := guid())
    arrived = await window.arrive(someone(tid))

    [form] = there.entra.forms
    assert form["client_secret"] == CLIENT_SECRET
    assert len(form["code_verifier"]) >= 43
    assert set(arrived) == {"code"}
    assert len(arrived["code"]) == 43


async def test_the_app_goes_on_where_it_wanted_to(there: Federation, window: Window) -> None:
    await there.tenant(tid := guid())
    arrived = await window.arrive(someone(tid), return_to="/reports?x=1&y=%20#top")
    assert arrived["return_to"] == "/reports?x=1&y=%20#top"


async def test_the_binding_cookie_is_the_contracts(there: Federation, window: Window) -> None:
    await there.tenant(tid := guid())
    reply = await window.get("/microsoft/login")
    line = reply.headers["set-cookie"]
    assert line.startswith(f"{LEAVING}=")
    assert line.endswith("; Path=/; Max-Age=600; HttpOnly; Secure; SameSite=Lax")
    there.entra.who = someone(tid)

    back = await window.callback(await window.prove(reply.headers["location"]))

    assert back.headers["cache-control"] == "no-store"
    [line] = back.headers.get_list("set-cookie")
    assert line.endswith("; Path=/; Max-Age=60; HttpOnly; Secure; SameSite=Lax")
    arrived = dict(parse_qsl(urlsplit(back.headers["location"]).query))
    done = await window.exchange(arrived["code"])
    assert [c.partition("=")[0] for c in done.headers.get_list("set-cookie")] == ["refresh_token", LEAVING]
    assert LEAVING not in window.cookies


async def test_a_provider_that_asked_for_more_factors_satisfies_the_tenants_demand(
    there: Federation, window: Window
) -> None:
    await there.tenant(tid := guid(), mfa_required=True)
    there.entra.claims = {"amr": ["pwd", "mfa"]}
    body = await window.sign_in(someone(tid))
    assert body["user"]["must_enroll_mfa"] is True  # of the account; the session has its factor
    [session] = (await window.get("/sessions")).json()["data"]
    assert session["amr"] == ["sso", "mfa"]


async def test_without_a_factor_at_the_provider_the_tenants_demand_leads_to_the_set_up(
    there: Federation, window: Window
) -> None:
    await there.tenant(tid := guid(), mfa_required=True)
    there.entra.claims = {"amr": ["pwd"]}
    body = await window.sign_in(someone(tid))
    assert body["mfa_setup_required"] is True
    assert "refresh_token" not in window.cookies


async def test_groups_of_the_tenant_are_given_and_of_no_other(there: Federation, window: Window) -> None:
    mine, other = await Tenant(there.app).made(), await Tenant(there.app).made()
    readers, foreign = await mine.group("users:read", name="Readers"), await other.group("users:read")
    tid = guid()
    there.said.directories[tid] = Admission(mine.id, True, (readers.id, foreign.id))

    body = await window.sign_in(someone(tid))

    assert [group["name"] for group in body["user"]["groups"]] == ["Readers"]
    assert body["user"]["permissions"] == ["users:read"]


async def test_what_happened_is_in_the_audit_log(there: Federation, window: Window) -> None:
    tid = guid()
    tenant_id = await there.tenant(tid)
    user_id = UUID((await window.sign_in(someone(tid)))["user"]["id"])

    events = [row["event"] for row in await there.app.audit(target_user_id=user_id)]

    assert events == ["user.created", "tenant.member.updated", "identity.linked", "auth.login.succeeded"]
    [signed_in] = await there.app.audit("auth.login.succeeded", target_user_id=user_id)
    assert signed_in["company_id"] == tenant_id


async def test_the_session_is_in_the_directorys_tenant_even_when_another_is_newer(
    there: Federation, window: Window
) -> None:
    tid = guid()
    tenant_id = await there.tenant(tid)
    ada = someone(tid)
    person = (await window.sign_in(ada))["user"]
    newer = await there.tenant()
    there.app.clock.advance(60)
    await tenants.put_member(there.app.db, newer, UUID(person["id"]), is_active=True, now=there.app.clock.now())

    assert (await Window(there).sign_in(ada))["user"]["tenant_id"] == str(tenant_id)


async def test_the_accounts_own_factor_is_asked_for_and_the_tenant_remembered_meanwhile(
    app: Harness, there: Federation, window: Window
) -> None:
    tid = guid()
    tenant_id = await there.tenant(tid)
    ada = someone(tid)
    account = await secured(app, email=ada.email)
    await settle(app, account.person, tenant_id)
    await link(there, account.person, ada)
    app.clock.advance(60)
    newer = await there.tenant()
    await settle(app, account.person, newer)

    body = await window.sign_in(ada)

    assert body["mfa_required"] is True
    assert body["methods"] == ["totp", "recovery_code"]
    assert "refresh_token" not in window.cookies
    step = {"session_token": body["session_token"], "totp_code": account.code(app)}
    reply = await window.post("/mfa/verify", step)
    assert reply.status_code == 200, reply.text
    assert reply.json()["user"]["tenant_id"] == str(tenant_id)


async def test_a_factor_at_the_provider_stands_for_the_accounts_own(
    app: Harness, there: Federation, window: Window
) -> None:
    tid = guid()
    tenant_id = await there.tenant(tid)
    ada = someone(tid, amr=["rsa", "mfa"])
    account = await secured(app, email=ada.email)
    await settle(app, account.person, tenant_id)
    await link(there, account.person, ada)
    assert "access_token" in await window.sign_in(ada)


async def test_without_its_settings_microsoft_does_not_exist(servers: Servers) -> None:
    async with running(servers) as plain:
        for path in ("/microsoft/login", "/microsoft/callback?code=x&state=y"):
            assert_error(await plain.http.get(f"/api/v1/auth{path}"), 404, "not_found")
        reply = await plain.http.post("/api/v1/auth/identities/microsoft/link", headers={"Origin": APP})
        assert_error(reply, 404, "not_found")
        assert_error(
            await plain.http.post("/api/v1/auth/exchange", json={"code": "x"}, headers={"Origin": APP}),
            401,
            "invalid_code",
        )


async def test_somebody_without_any_tenant_is_not_let_in(app: Harness, there: Federation, window: Window) -> None:
    person = await app.make_user()
    tenant_id = await there.tenant()
    await settle(app, person, tenant_id)
    await window.password(person)
    ada = someone(guid())
    there.entra.who = ada
    assert (await window.come_back(await window.prove(await window.link()))) == {"linked": "microsoft"}
    await settle(app, person, tenant_id, is_active=False)

    assert await Window(there).arrive(ada) == {"error": "account_inactive"}
