"""The rest of /api/v1/auth: me, sessions, passwords, registration, methods."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import pytest
from browser import API, Browser, assert_error, settle, signed_in, tenant
from harness import PASSWORD, Harness, Servers, running
from offers import Offer, offer
from second_factor import secured

from identry.core.ids import uuid7
from identry.core.limits import CHECK_METHOD, PASSWORD_CHANGE
from identry.records import groups, identities, tenants
from identry.records.groups import Group
from identry.records.identities import Identity

NEW = "another horse, another battery"
BEARER_ROUTES = [
    ("GET", "/me", None),
    ("GET", "/sessions", None),
    ("DELETE", f"/sessions/{uuid4()}", None),
    ("POST", "/password/change", {"current_password": PASSWORD, "new_password": NEW}),
]


async def a_group(app: Harness, tenant_id: UUID, user_id: UUID, name: str, *permissions: str) -> UUID:
    now, group_id = app.clock.now(), uuid7(app.clock)
    assert await groups.insert(app.db, Group(group_id, tenant_id, name, "", list(permissions), False, now, now))
    assert await groups.add_member(app.db, tenant_id, group_id, user_id, now)
    return group_id


@pytest.mark.parametrize(("method", "path", "body"), BEARER_ROUTES, ids=["me", "sessions", "end", "password"])
@pytest.mark.parametrize("header", ["", "Bearer", "Bearer nonsense", "Basic abc", "Bearer a.b.c"])
async def test_without_a_good_token_nothing_is_told(app: Harness, method, path, body, header: str) -> None:
    headers = {"Authorization": header} if header else {}
    reply = await app.http.request(method, f"{API}{path}", json=body, headers=headers)
    assert_error(reply, 401, "invalid_token")
    assert reply.headers["www-authenticate"].startswith("Bearer")


async def test_me_has_groups_and_the_union_of_their_permissions(app: Harness) -> None:
    person, home, foreign = await app.make_user(), await tenant(app), await tenant(app)
    browser = await signed_in(app, person, home)
    await settle(app, person, foreign, is_active=True, now=app.clock.now().replace(year=2020))
    desk = await a_group(app, home, person.id, "Desk", "incidents:read", "incidents:update")
    await a_group(app, home, person.id, "Auditors", "incidents:read", "assets:read")
    await a_group(app, foreign, person.id, "Elsewhere", "vpn:manage")
    me = (await browser.get("/me")).json()
    assert [group["name"] for group in me["groups"]] == ["Auditors", "Desk"]
    assert {"id": str(desk), "name": "Desk"} in me["groups"]
    assert me["permissions"] == ["assets:read", "incidents:read", "incidents:update"]
    assert me["tenant_id"] == str(home)
    assert me["modules"] == sorted(me["modules"]) != []


async def test_the_owner_of_the_company_is_shown_in_admin_beside_its_other_groups(app: Harness) -> None:
    person, home = await app.make_user(), uuid4()
    await app.join(person, home, "OWNER")
    await a_group(app, home, person.id, "Zeppelins", "assets:read")
    await a_group(app, home, person.id, "accounts", "vendors:read")
    browser = Browser(app)
    assert (await browser.login(person)).status_code == 200
    me = (await browser.get("/me")).json()
    assert [group["name"] for group in me["groups"]] == ["accounts", "Admin", "Zeppelins"]
    assert me["permissions"] == ["*", "assets:read", "vendors:read"]
    assert me == browser.me
    assert (await browser.post("/refresh")).json()["user"] == me
    await app.db.execute("UPDATE company_memberships SET role = 'ADMIN' WHERE user_id = $1", person.id)
    for told in ((await browser.post("/refresh")).json()["user"], (await browser.get("/me")).json()):
        assert [group["name"] for group in told["groups"]] == ["accounts", "Zeppelins"]


async def test_me_and_a_refresh_tell_each_way_to_sign_in_once(app: Harness) -> None:
    person, now = await app.make_user(), app.clock.now()
    browser = await signed_in(app, person)
    for kind in ("oidc", "entra", "entra"):
        identity_id, issuer = uuid7(app.clock), "https://id.example"
        identity = Identity(identity_id, person.id, kind, issuer, "", str(identity_id), None, None, now, None)
        assert await identities.insert(app.db, identity)
    for told in ((await browser.post("/refresh")).json()["user"], (await browser.get("/me")).json()):
        assert told["auth_methods"] == ["password", "microsoft", "oidc"]


async def test_me_says_that_a_second_factor_is_demanded(app: Harness) -> None:
    home = await tenant(app)
    browser = await signed_in(app, tenant_id=home)
    await app.db.execute("UPDATE tenants SET mfa_required = true WHERE id = $1", home)
    assert (await browser.get("/me")).json()["must_enroll_mfa"] is True


async def test_sessions_are_listed_and_the_current_one_is_marked(app: Harness) -> None:
    person = await app.make_user()
    browser = await signed_in(app, person)
    other = Browser(app, ip="203.0.113.9")
    await other.login(person)
    await app.sign_in(person)
    await signed_in(app)
    found = (await browser.get("/sessions")).json()["data"]
    assert [session["current"] for session in found] == [False, False, True]
    assert found[0]["tenant_id"] is None
    assert found[1]["ip"] == "203.0.113.9"
    claims = await app.app.engines.browser.verifier.verify(browser.access_token)
    assert found[2]["id"] == claims["sid"]
    assert set(found[0]) == {
        "id",
        "tenant_id",
        "created_at",
        "last_used_at",
        "expires_at",
        "amr",
        "ip",
        "user_agent",
        "current",
    }  # fmt: skip - one list


async def test_a_session_that_is_ended_is_over_at_once(app: Harness) -> None:
    person = await app.make_user()
    browser = await signed_in(app, person)
    other = Browser(app)
    await other.login(person)
    victim = next(s["id"] for s in (await browser.get("/sessions")).json()["data"] if not s["current"])
    reply = await browser.delete(f"/sessions/{victim}")
    assert (reply.status_code, reply.content) == (204, b"")
    assert_error(await other.get("/me"), 401, "token_revoked")
    assert_error(await other.post("/refresh"), 401, "token_revoked")
    assert (await browser.get("/me")).status_code == 200
    assert_error(await browser.delete(f"/sessions/{victim}"), 404, "not_found")
    [row] = await app.audit("auth.session.ended", target_user_id=person.id)
    assert str(row["session_id"]) == victim


async def test_a_session_of_somebody_else_does_not_exist(app: Harness) -> None:
    home = await tenant(app)
    mine, theirs = await signed_in(app, tenant_id=home), await signed_in(app, tenant_id=home)
    [foreign] = (await theirs.get("/sessions")).json()["data"]
    assert_error(await mine.delete(f"/sessions/{foreign['id']}"), 404, "not_found")
    assert_error(await mine.delete(f"/sessions/{uuid4()}"), 404, "not_found")
    assert_error(await mine.delete("/sessions/nonsense"), 400, "validation_error")
    assert (await theirs.get("/me")).status_code == 200


async def test_whom_a_tenants_provider_vouched_for_sees_and_ends_the_sessions_of_that_tenant(app: Harness) -> None:
    person = await app.make_user()
    elsewhere = await signed_in(app, person)
    here = await signed_in(app, person)
    await app.sign_in(person)
    sessions = {s["id"]: s for s in (await here.get("/sessions")).json()["data"]}
    assert len(sessions) == 3
    [own] = [s for s in sessions.values() if s["current"]]
    [foreign] = [s["id"] for s in (await elsewhere.get("/sessions")).json()["data"] if s["current"]]
    await app.db.execute("UPDATE sessions SET amr = '{sso_tenant}' WHERE id = $1", UUID(own["id"]))
    assert [s["id"] for s in (await here.get("/sessions")).json()["data"]] == [own["id"]]
    for other in (foreign, person.session_id):
        assert_error(await here.delete(f"/sessions/{other}"), 404, "not_found")
    assert (await elsewhere.get("/me")).status_code == 200
    assert (await here.delete(f"/sessions/{own['id']}")).status_code == 204


async def test_a_changed_password_ends_every_other_session_and_half_done_sign_in(app: Harness) -> None:
    ada = await secured(app)
    person = ada.person
    await settle(app, person, await tenant(app))
    browser, half_done = Browser(app), Browser(app)
    ticket = (await browser.login(person)).json()["session_token"]
    await browser.post("/mfa/verify", {"session_token": ticket, "totp_code": ada.code(app)})
    app.clock.advance(60)
    other = Browser(app)
    ticket = (await other.login(person)).json()["session_token"]
    await other.post("/mfa/verify", {"session_token": ticket, "totp_code": ada.code(app)})
    waiting = (await half_done.login(person)).json()["session_token"]
    reply = await browser.post("/password/change", {"current_password": PASSWORD, "new_password": NEW})
    assert (reply.status_code, reply.content) == (204, b"")
    assert (await browser.get("/me")).status_code == 200
    assert (await browser.post("/refresh")).status_code == 200
    assert_error(await other.get("/me"), 401, "token_revoked")
    assert_error(await other.post("/refresh"), 401, "token_revoked")
    app.clock.advance(60)
    late = await half_done.post("/mfa/verify", {"session_token": waiting, "totp_code": ada.code(app)})
    assert_error(late, 401, "session_token_expired")
    assert_error(await Browser(app).login(person), 401, "invalid_credentials")
    assert (await Browser(app).login(person, NEW)).status_code == 200
    assert [mail["template"] for mail in await app.mails(person.email)] == ["password_changed"]
    [row] = await app.audit("auth.password.changed", target_user_id=person.id)
    assert row["details"]


async def test_a_wrong_current_password_changes_nothing_and_is_counted(app: Harness) -> None:
    browser = await signed_in(app)
    body = {"current_password": "not it", "new_password": NEW}
    for _ in range(PASSWORD_CHANGE.limit):
        assert_error(await browser.post("/password/change", body), 401, "invalid_credentials")
    assert_error(await browser.post("/password/change", body), 429, "rate_limited")
    assert_error(await browser.post("/password/change", {**body, "current_password": PASSWORD}), 429, "rate_limited")
    assert len(await app.audit("auth.password.change_failed", target_user_id=browser.me["id"])) == 10


async def test_a_password_that_the_policy_refuses_names_the_field(app: Harness) -> None:
    browser = await signed_in(app)
    reply = await browser.post("/password/change", {"current_password": PASSWORD, "new_password": "short"})
    assert_error(reply, 400, "validation_error")
    assert reply.json()["error"]["details"]["fields"][0]["field"] == "new_password"


async def test_of_two_changes_at_once_one_wins(app: Harness) -> None:
    browser = await signed_in(app)
    bodies = [{"current_password": PASSWORD, "new_password": f"{NEW} {n}"} for n in range(4)]
    replies = await asyncio.gather(*(browser.post("/password/change", body) for body in bodies))
    assert sorted(reply.status_code for reply in replies) == [204, 401, 401, 401]


async def test_a_tenant_with_single_sign_on_changes_no_passwords(app: Harness) -> None:
    home = await tenant(app)
    browser = await signed_in(app, tenant_id=home)
    await app.db.execute("UPDATE tenants SET auth_policy = 'restricted' WHERE id = $1", home)
    reply = await browser.post("/password/change", {"current_password": PASSWORD, "new_password": NEW})
    assert_error(reply, 403, "password_login_disabled")


async def test_a_forgotten_password_is_replaced_and_every_session_ends(app: Harness) -> None:
    person = await app.make_user()
    browser = await signed_in(app, person)
    known = await Browser(app).post("/password-reset/request", {"email": person.email})
    unknown = await Browser(app).post("/password-reset/request", {"email": f"{uuid4().hex}@example.com"})
    assert known.status_code == unknown.status_code == 202
    assert known.json() == unknown.json()
    [mail] = await app.mails(person.email)
    raw = next(link for link in mail["links"] if "token=" in link).partition("token=")[2].partition("&")[0]
    weak = await Browser(app).post("/password-reset/confirm", {"token": raw, "new_password": "short"})
    assert_error(weak, 400, "validation_error")
    assert weak.json()["error"]["details"]["fields"][0]["field"] == "new_password"
    done = await Browser(app).post("/password-reset/confirm", {"token": raw, "new_password": NEW})
    assert (done.status_code, done.content) == (204, b"")
    assert_error(await browser.get("/me"), 401, "token_revoked")
    assert_error(await browser.post("/refresh"), 401, "token_revoked")
    assert (await Browser(app).login(person, NEW)).status_code == 200
    again = await Browser(app).post("/password-reset/confirm", {"token": raw, "new_password": NEW})
    assert_error(again, 400, "validation_error")


def somebody(domain: str = "example.com") -> dict[str, str]:
    return {"email": f"r-{uuid4().hex}@{domain}", "password": "a long enough one", "full_name": "Grace Hopper"}


async def test_a_registration_waits_for_approval_and_gives_no_session(app: Harness) -> None:
    body, browser = somebody(), Browser(app)
    reply = await browser.post("/register", body)
    assert reply.status_code == 201
    assert reply.json()["status"] == "pending_approval"
    assert reply.json()["user"]["email"] == body["email"]
    assert browser.cookie == browser.access_token == ""
    assert_error(await Browser(app).post("/register", body), 409, "email_exists")
    login = await Browser(app).post("/login", {"email": body["email"], "password": body["password"]})
    assert_error(login, 403, "pending_approval")


async def test_a_registration_is_refused_where_there_is_none(servers: Servers) -> None:
    async with running(servers, PUBLIC_REGISTRATION_ENABLED="false") as app:
        assert_error(await Browser(app).post("/register", somebody()), 403, "registration_disabled")


async def test_only_addresses_of_allowed_domains_register_on_either_surface(servers: Servers) -> None:
    async with running(servers, AUTH_ALLOWED_EMAIL_DOMAINS="acme.com, *.acme.org, bücher.example") as app:
        for domain, status in {
            "acme.com": 201,
            "ACME.com": 201,
            "dept.acme.org": 201,
            "xn--bcher-kva.example": 201,
            "acme.org": 403,
            "sub.acme.com": 403,
            "notacme.com": 403,
            "acme.com.evil.com": 403,
            "example.com": 403,
        }.items():  # fmt: skip - a table
            reply = await Browser(app).post("/register", somebody(domain))
            assert reply.status_code == status, domain
            if status == 403:
                assert_error(reply, 403, "email_domain_not_allowed")
        body = somebody()
        body["fullName"] = body.pop("full_name")
        platform = await app.http.post("/auth/register", json=body)
        assert (platform.status_code, platform.json()["error"]["code"]) == (403, "email_domain_not_allowed")


async def test_check_method_tells_nothing_about_who_exists(app: Harness) -> None:
    person = await app.make_user()
    for address in (person.email, "nobody@example.com", "not an address", "x@", "@", "x@-.-"):
        reply = await Browser(app).post("/check-method", {"email": address})
        assert reply.status_code == 200
        assert reply.json() == {"methods": ["password"], "preferred": "password", "sso": None}


async def test_check_method_offers_microsoft_where_it_is_configured(servers: Servers) -> None:
    async with running(servers, MS_CLIENT_ID="id", MS_CLIENT_SECRET="secret") as app:
        reply = await Browser(app).post("/check-method", {"email": "a@example.com"})
        assert reply.json()["methods"] == ["password", "microsoft"]


async def test_check_method_is_limited(app: Harness) -> None:
    browser = Browser(app, ip=app.fresh_ip())
    for _ in range(CHECK_METHOD.limit):
        assert (await browser.post("/check-method", {"email": "a@example.com"})).status_code == 200
    assert_error(await browser.post("/check-method", {"email": "a@example.com"}), 429, "rate_limited")


async def test_what_is_not_there_answers_in_the_words_of_the_surface(app: Harness) -> None:
    assert_error(await app.http.get(f"{API}/nothing"), 404, "not_found")
    assert_error(await app.http.get(f"{API}/login"), 405, "method_not_allowed")


def joining(offered: Offer, **changes: str) -> dict[str, str]:
    body = {"email": offered.email, "password": "a long enough one", "full_name": "Gil Guest"}
    return {**body, "invitation_token": offered.token, **changes}


async def test_whoever_was_invited_joins_and_is_signed_in_at_once(app: Harness) -> None:
    offered, browser = await offer(app, role="MANAGER"), Browser(app)
    reply = await browser.post("/register", joining(offered))
    assert reply.status_code == 201, reply.text
    assert reply.json()["user"]["tenant_id"] == str(offered.company)
    assert (await browser.get("/me")).status_code == 200
    assert (await browser.post("/refresh")).status_code == 200
    assert_error(await Browser(app).post("/register", joining(offered)), 410, "invitation_used")


async def test_an_invitation_of_another_address_is_none(app: Harness) -> None:
    offered = await offer(app)
    for changes in ({"email": "somebody-else@example.com"}, {"invitation_token": "nobody's"}):
        assert_error(await Browser(app).post("/register", joining(offered, **changes)), 404, "not_found")
    app.clock.advance(8 * 86400)
    assert_error(await Browser(app).post("/register", joining(offered)), 410, "invitation_expired")


async def test_an_account_joins_with_its_password_and_its_second_factor(app: Harness) -> None:
    ada = await secured(app)
    offered = await offer(app, ada.person.email)
    assert_error(await Browser(app).post("/register", joining(offered)), 401, "invalid_credentials")
    browser = Browser(app)
    reply = await browser.post("/register", joining(offered, password=PASSWORD))
    assert reply.status_code == 200
    assert reply.json()["mfa_required"] is True
    assert browser.cookie == ""


async def test_invitations_go_to_allowed_domains_only_and_a_tenant_narrows_them(servers: Servers) -> None:
    async with running(servers, AUTH_ALLOWED_EMAIL_DOMAINS="acme.com, *.acme.com") as app:
        company = uuid4()
        owner = await app.signed_in()
        await app.join(owner, company, "OWNER")

        async def invite(address: str) -> str:
            reply = await app.http.post(
                f"/internal/companies/{company}/invitations",
                json={"email": address, "role": "MEMBER", "businessUnitId": None},
                headers=owner.bearer,
            )
            return "created" if reply.status_code == 201 else reply.json()["error"]["code"]

        assert await invite(f"{uuid4().hex}@acme.com") == "created"
        assert await invite(f"{uuid4().hex}@example.com") == "email_domain_not_allowed"
        narrow = "UPDATE tenants SET allowed_email_domains = '{desk.acme.com}' WHERE id = $1"
        await app.db.execute(narrow, company)
        assert await invite(f"{uuid4().hex}@acme.com") == "email_domain_not_allowed"
        assert await invite(f"{uuid4().hex}@desk.acme.com") == "created"


async def test_a_browsers_token_opens_what_the_groups_of_its_tenant_allow(app: Harness) -> None:
    person, home = await app.make_user(), await tenant(app)
    browser = await signed_in(app, person, home)
    path = "/api/v1/rbac/permissions"
    headers = {"Authorization": f"Bearer {browser.access_token}"}
    refused = await app.http.get(path, headers=headers)
    assert_error(refused, 403, "permission_denied")
    assert refused.json()["error"]["details"]["required"] == "rbac:read"
    await a_group(app, home, person.id, "Readers", "rbac:read")
    await tenants.touch(app.db, home)
    assert (await app.http.get(path, headers=headers)).status_code == 200
    await app.db.execute("UPDATE tenant_members SET is_active = false WHERE user_id = $1", person.id)
    assert_error(await app.http.get(path, headers=headers), 401, "token_revoked")
