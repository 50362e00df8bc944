"""Signing in with a tenant's own provider: a certified one, by its own pages, over HTTP."""

from __future__ import annotations

import secrets
from uuid import UUID

from browser import Browser, assert_error, settle, tenant
from harness import Harness
from services.openid_provider import OpenIdProvider
from single_sign_on import Acme, SsoWindow, member

from identry.records import groups, identities, tenants
from identry.records.identities import IdentityKey


async def test_somebody_new_gets_an_account_and_a_session_in_the_tenant(acme: Acme, window: SsoWindow) -> None:
    ada = acme.someone()
    body = await window.sign_in_as(ada)
    me = body["user"]
    assert (me["email"], me["full_name"], me["tenant_id"]) == (f"{ada}@example.com", "Ada Lovelace", str(acme.id))
    assert me["auth_methods"] == ["oidc"]
    assert (await window.get("/me")).json() == me
    assert (await window.post("/refresh")).status_code == 200
    [session] = (await window.get("/sessions")).json()["data"]
    assert (session["amr"], session["tenant_id"]) == (["sso_tenant"], str(acme.id))
    [identity] = (await window.get("/identities")).json()["data"]
    assert (identity["provider"], identity["issuer"]) == ("oidc", acme.provider.issuer)


async def test_claims_are_taken_from_the_id_token_where_they_are(acme: Acme, window: SsoWindow) -> None:
    acme.provider.set(conformIdTokenClaims=False)
    before = acme.provider.set().count("GET /me")
    body = await window.sign_in_as(acme.someone("in.token@example.org", name="Grace Hopper"))
    assert (body["user"]["email"], body["user"]["full_name"]) == ("in.token@example.org", "Grace Hopper")
    assert acme.provider.set().count("GET /me") == before, "nobody asked again"


async def test_the_subject_is_the_account_whatever_its_address_becomes(acme: Acme, window: SsoWindow) -> None:
    ada = acme.someone()
    first = await window.sign_in_as(ada)
    acme.provider.account(ada, email="renamed@elsewhere.example", email_verified=True, name="Ada King")
    second = await SsoWindow(acme).sign_in_as(ada)
    assert second["user"]["id"] == first["user"]["id"]
    assert second["user"]["email"] == f"{ada}@example.com"
    found = await identities.find(acme.app.db, IdentityKey(acme.provider.issuer, "", ada))
    assert found is not None
    assert found.email == "renamed@elsewhere.example"


async def test_new_people_come_into_the_default_groups(acme: Acme, window: SsoWindow) -> None:
    read_only = next(g for g, _ in await groups.of_tenant(acme.app.db, acme.id) if g.name == "Read only")
    assert (await acme.configure(default_group_ids=[str(read_only.id)]))[0] == 200
    body = await window.sign_in_as(acme.someone())
    assert [g["name"] for g in body["user"]["groups"]] == ["Read only"]
    assert "incidents:read" in body["user"]["permissions"]


async def test_without_jit_only_people_who_are_known_come_in(acme: Acme, window: SsoWindow) -> None:
    known = acme.someone()
    await window.sign_in_as(known)
    assert (await acme.configure(jit=False))[0] == 200
    assert (await SsoWindow(acme).arrive_as(acme.someone())) == {"error": "access_denied"}
    await SsoWindow(acme).sign_in_as(known)


async def test_an_account_is_found_by_an_address_only_with_every_proof(acme: Acme, window: SsoWindow) -> None:
    domain = await acme.domain()
    person = await member(acme, email=f"grace-{secrets.token_hex(3)}@{domain}")
    unverified = acme.someone(person.email, verified=False)
    assert await window.arrive_as(unverified) == {"error": "account_link_required"}
    assert await acme.refusal() == ("account_link_required", "address not verified by the provider")
    silent = acme.someone(person.email, email_verified=None)
    assert await SsoWindow(acme).arrive_as(silent) == {"error": "account_link_required"}
    assert await identities.of_user(acme.app.db, person.id) == [], "nothing is half-linked"
    body = await SsoWindow(acme).sign_in_as(acme.someone(person.email))
    assert body["user"]["id"] == str(person.id)
    assert sorted(body["user"]["auth_methods"]) == ["oidc", "password"]


async def test_an_address_of_a_domain_that_nobody_verified_finds_nobody(acme: Acme, window: SsoWindow) -> None:
    person = await member(acme)
    assert await window.arrive_as(acme.someone(person.email)) == {"error": "account_link_required"}
    assert await acme.refusal() == ("account_link_required", "domain not verified by the tenant")


async def test_people_of_another_tenants_domain_get_no_account_here(
    acme: Acme, window: SsoWindow, provider: OpenIdProvider
) -> None:
    other = await Acme(acme.app, provider).made()
    theirs = acme.someone(f"eve@{await other.domain()}")
    assert await window.arrive_as(theirs) == {"error": "email_domain_not_allowed"}


async def test_an_unverified_address_of_somebody_new_stays_unverified(acme: Acme, window: SsoWindow) -> None:
    body = await window.sign_in_as(acme.someone(verified=False))
    verified = await acme.app.db.fetchval("SELECT email_verified FROM users WHERE id = $1", UUID(body["user"]["id"]))
    assert verified is False


async def test_a_tenants_provider_opens_that_tenant_and_no_other(
    acme: Acme, window: SsoWindow, provider: OpenIdProvider
) -> None:
    ada = acme.someone()
    first = await window.sign_in_as(ada)
    elsewhere = await tenant(acme.app)
    person = await acme.app.make_user()
    await settle(acme.app, person, elsewhere)
    await acme.app.db.execute(
        "INSERT INTO tenant_members SELECT $1, $2, true, now(), now()", elsewhere, UUID(first["user"]["id"])
    )
    body = await SsoWindow(acme).sign_in_as(ada)
    assert body["user"]["tenant_id"] == str(acme.id), "although the other membership is newer"
    other = await Acme(acme.app, provider).made(jit=False)
    assert await SsoWindow(other).arrive_as(ada) == {"error": "account_inactive"}


async def test_somebody_who_was_removed_does_not_come_back_by_signing_in(acme: Acme, window: SsoWindow) -> None:
    ada = acme.someone()
    body = await window.sign_in_as(ada)
    await acme.app.db.execute(
        "UPDATE tenant_members SET is_active = false WHERE user_id = $1", UUID(body["user"]["id"])
    )
    assert await SsoWindow(acme).arrive_as(ada) == {"error": "account_inactive"}


async def test_a_restricted_tenant_is_entered_by_its_provider_alone(acme: Acme, window: SsoWindow) -> None:
    domain = await acme.domain()
    person = await member(acme, email=f"p-{secrets.token_hex(3)}@{domain}")
    await acme.app.db.execute("UPDATE tenants SET auth_policy = 'restricted' WHERE id = $1", acme.id)
    assert_error(await Browser(acme.app).login(person), 403, "password_login_disabled")
    assert (await window.sign_in_as(acme.someone(person.email)))["user"]["id"] == str(person.id)


async def test_a_tenant_that_demands_a_second_factor_gets_it_from_the_provider_or_from_us(
    acme: Acme, window: SsoWindow
) -> None:
    await acme.app.db.execute("UPDATE tenants SET mfa_required = true WHERE id = $1", acme.id)
    body = await window.sign_in_as(acme.someone())
    assert body["mfa_setup_required"] is True
    assert "access_token" not in body


async def test_a_tenants_demand_and_its_provider_plant_no_factor_in_an_account_that_others_share(
    acme: Acme, window: SsoWindow
) -> None:
    subject = acme.someone()
    ada = UUID((await window.sign_in_as(subject))["user"]["id"])
    await tenants.put_member(acme.app.db, await tenant(acme.app), ada, is_active=True, now=acme.app.clock.now())
    await acme.app.db.execute("UPDATE tenants SET mfa_required = true WHERE id = $1", acme.id)
    arrived = await window.arrive_as(subject)
    assert_error(await window.exchange(arrived["code"]), 403, "own_proof_required")


async def test_a_person_may_go_on_where_the_app_was(acme: Acme, window: SsoWindow) -> None:
    arrived = await window.arrive_as(acme.someone(), return_to="/reports?x=1")
    assert arrived["return_to"] == "/reports?x=1"
    arrived = await SsoWindow(acme).arrive_as(acme.someone(), return_to="//evil.example")
    assert set(arrived) == {"code"}


async def test_who_declines_at_the_provider_is_denied(acme: Acme, window: SsoWindow) -> None:
    url = await window.leave()
    state = dict(pair.split("=", 1) for pair in url.split("?", 1)[1].split("&"))["state"]
    issuer = acme.provider.issuer
    told = await window.come_back(f"{acme.callback}?error=access_denied&state={state}&iss={issuer}")
    assert told == {"error": "access_denied"}


async def test_tenants_without_a_provider_answer_as_tenants_that_do_not_exist(acme: Acme, sso_app: Harness) -> None:
    bare = await tenant(sso_app, slug=f"bare-{secrets.token_hex(4)}")
    slug = await sso_app.db.fetchval("SELECT slug FROM tenants WHERE id = $1", bare)
    assert (await acme.configure(enabled=False))[0] == 200
    for name in (slug, acme.slug, "no-such-tenant", "UPPER", "a_b", "%00", "x" * 200, "..%2fx"):
        reply = await sso_app.http.get(
            f"/api/v1/auth/sso/{name}/login", headers={"X-Forwarded-For": sso_app.fresh_ip()}
        )
        assert_error(reply, 404, "not_found")
