"""POST /oauth/token with a code: one grant, once, for the client and request that it was made for (RFC 6749 §4.1.3)."""

from __future__ import annotations

import asyncio
from uuid import UUID

from harness import Harness
from provider.applications import application, claims_of
from provider.grants import REDIRECT, VERIFIER, code_for, exchange, granted, refreshed, refusal

from identry.records import users
from identry.tokens import session_of_jti

ACCESS = {
    *("iss", "aud", "exp", "iat", "nbf", "jti", "sub", "type", "scope", "role", "roles", "app_roles"),
    *("token_version", "auth_time", "amr", "acr", "user_id"),
}
ID = {
    *("iss", "aud", "exp", "iat", "nbf", "jti", "sub", "type", "role", "app_roles", "auth_time", "amr", "acr"),
    *("nonce", "at_hash", "email", "email_verified", "name", "preferred_username"),
}


async def test_a_code_becomes_tokens_with_exactly_the_claims_of_the_contract(app: Harness) -> None:
    person, made = await app.make_user(), await application(app, name="Web")
    reply = await exchange(app, made, await code_for(app, person, made))
    assert reply.status_code == 200, reply.text
    assert (reply.headers["Cache-Control"], reply.headers["Pragma"]) == ("no-store", "no-cache")
    assert (reply.headers["X-RateLimit-Limit"], reply.headers["X-RateLimit-Remaining"]) == ("600", "599")
    body = reply.json()
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 900)
    assert (body["scope"], body["roles"]) == ("openid email profile offline_access api", ["user"])
    access, identity = claims_of(body["access_token"]), claims_of(body["id_token"])
    number = await app.db.fetchval("SELECT number FROM users WHERE id = $1", person.id)
    assert (set(access), set(identity)) == (ACCESS, ID)
    assert access["sub"] == identity["sub"] == str(number)
    assert access["aud"] == identity["aud"] == [made.client.client_id]
    assert (access["amr"], access["acr"], access["token_version"]) == (["pwd"], "pwd", 1)
    assert (identity["nonce"], identity["email"]) == ("n-0S6_WzA2Mj", person.email)
    [event] = await app.audit("oauth.grant.opened", actor_user_id=person.id)
    assert event["session_id"] == session_of_jti(access["jti"])


async def test_a_code_is_worth_nothing_to_whoever_cannot_show_what_it_is_bound_to(app: Harness) -> None:
    person, made, other = await app.make_user(), await application(app), await application(app)
    public = await application(app, auth_method="none")
    wrong = [
        {"redirect_uri": REDIRECT + "/"},
        {"redirect_uri": ""},
        {"code_verifier": ""},
        {"code_verifier": "x" * 43},
        {"code_verifier": VERIFIER + "="},
    ]
    for fields in wrong:
        code = await code_for(app, person, made)
        assert refusal(await exchange(app, made, code, **fields)) == (400, "invalid_grant"), fields
        assert refusal(await exchange(app, made, code)) == (400, "invalid_grant"), "it was used up"
    for fields in ({"code": ""}, {"code": "unknown"}, {"code": "x" * 1000}):
        assert refusal(await exchange(app, made, "-", **fields)) == (400, "invalid_grant"), fields
    code = await code_for(app, person, made)
    for stranger in (other, public):
        assert refusal(await exchange(app, stranger, code)) == (400, "invalid_grant")
    assert (await exchange(app, made, code)).status_code == 200, "what another client did is no harm"
    unchallenged = await code_for(app, person, made, code_challenge=None)
    assert refusal(await exchange(app, made, unchallenged)) == (400, "invalid_grant"), "a downgrade"
    late = await code_for(app, person, made)
    app.clock.advance(61)
    assert refusal(await exchange(app, made, late)) == (400, "invalid_grant")


async def test_a_second_use_ends_what_the_first_one_gave(app: Harness) -> None:
    person, made = await app.make_user(), await application(app)
    code = await code_for(app, person, made)
    first = (await exchange(app, made, code)).json()
    assert refusal(await exchange(app, made, code)) == (400, "invalid_grant")
    assert refusal(await refreshed(app, made, first["refresh_token"])) == (400, "invalid_grant")
    session_id = session_of_jti(claims_of(first["access_token"])["jti"])
    assert len(await app.audit("oauth.code.reuse_detected", session_id=session_id)) == 1


async def test_of_thirty_who_present_one_code_at_once_one_gets_tokens(app: Harness) -> None:
    person, made = await app.make_user(), await application(app)
    code = await code_for(app, person, made)
    replies = await asyncio.gather(*(exchange(app, made, code) for _ in range(30)))
    assert sorted(reply.status_code for reply in replies) == [200] + [400] * 29
    rows = await app.db.fetch("SELECT revoked_at FROM sessions WHERE client_id = $1", made.client.id)
    assert [row["revoked_at"] is not None for row in rows] == [True], "the others ended it: somebody has the code"


async def test_nobody_gets_tokens_whose_account_changed_since_the_code_was_given(app: Harness) -> None:
    made = await application(app)
    changes = [{"is_active": False}, {"approval_status": "REJECTED"}, {"mfa_enabled": True}, {}]
    for change in changes:
        person = await app.make_user()
        code = await code_for(app, person, made)
        await users.update(app.db, person.id, change, now=app.clock.now(), bump=not change)
        assert refusal(await exchange(app, made, code)) == (400, "invalid_grant"), change
    person = await app.make_user()
    code = await code_for(app, person, made)
    await app.db.execute("UPDATE clients SET is_active = false WHERE id = $1", made.client.id)
    assert refusal(await exchange(app, made, code)) == (401, "invalid_client")


async def test_what_a_client_is_set_to_shows_in_its_tokens(app: Harness) -> None:
    person = await app.make_user(global_role="PLATFORM_ADMIN")
    made = await application(
        app,
        token_format="at+jwt",
        profile_claims=True,
        audiences=["https://api.example.com", "https://files.example.com"],
        claim_mappings='{"mail": "email", "who": "user_id", "team": "department", "odd": "password_hash"}',
        backchannel_logout_uri="https://web.example.com/logout",
        grant_types=["authorization_code"],
    )
    await app.db.execute("INSERT INTO user_profiles (user_id, department) VALUES ($1, 'Research')", person.id)
    body = (await exchange(app, made, await code_for(app, person, made))).json()
    assert "refresh_token" not in body
    claims, identity = claims_of(body["access_token"]), claims_of(body["id_token"])
    assert set(claims) == ACCESS | {"client_id", "email", "name", "email_verified"} | {
        f"https://socrate/{name}" for name in ("mail", "who", "team")
    }
    assert (claims["https://socrate/team"], claims["https://socrate/who"]) == ("Research", str(person.id))
    assert claims["aud"] == [made.client.client_id, "https://api.example.com", "https://files.example.com"]
    assert (claims["role"], claims["roles"]) == ("admin", ["admin"])
    assert UUID(identity["sid"]) == session_of_jti(identity["jti"])
    narrowed = await exchange(app, made, await code_for(app, person, made), resource="https://files.example.com")
    assert claims_of(narrowed.json()["access_token"])["aud"] == [made.client.client_id, "https://files.example.com"]
    unknown = await exchange(app, made, await code_for(app, person, made), resource="https://elsewhere.example.com")
    assert refusal(unknown) == (400, "invalid_target")


async def test_tenant_plan_and_roles_come_from_where_the_person_stands(app: Harness) -> None:
    from identry.core.ids import uuid7

    person, company = await app.make_user(), uuid7(app.clock)
    await app.join(person, company, "MANAGER")
    made, other = await application(app), await application(app)
    for one, role in ((made, "editor"), (other, "viewer")):
        await app.db.execute(
            "INSERT INTO app_members (client_id, user_id, role, created_at, updated_at) VALUES ($1, $2, $3, $4, $4)",
            one.client.id,
            person.id,
            role,
            app.clock.now(),
        )
    tokens = await granted(app, person, made)
    claims = claims_of(tokens["access_token"])
    assert (claims["role"], claims["roles"]) == ("editor", ["user", "editor"])
    assert (
        claims["app_roles"]
        == tokens["app_roles"]
        == {made.client.client_id: "editor", other.client.client_id: "viewer"}
    )
    assert (claims["tenant_id"], claims["plan"]) == (str(company), app.app.engines.default_plan)
    elsewhere = await application(app, tenant_id=uuid7(app.clock))
    assert refusal(await exchange(app, elsewhere, await code_for(app, person, elsewhere))) == (400, "invalid_grant")
