"""POST /oauth/introspect, /oauth/revoke and /oauth/userinfo: what a token is worth, and that it ends when it should."""

from __future__ import annotations

from typing import Any

from harness import Harness
from httpx2 import Response
from provider.applications import App, application, claims_of
from provider.grants import ask, granted, refreshed, refusal
from provider.proofs import Holder

from identry.records import users
from identry.tokens import session_of_jti

INACTIVE = {"active": False}


async def introspected(app: Harness, asker: App, token: str, **fields: str) -> Any:
    reply = await app.http.post("/oauth/introspect", data={"token": token, **asker.credentials, **fields})
    assert reply.status_code == 200, reply.text
    assert reply.headers["Cache-Control"] == "no-store"
    return reply.json()


async def revoke(app: Harness, made: App, token: str, **fields: str) -> Response:
    return await app.http.post("/oauth/revoke", data={"token": token, **made.credentials, **fields})


async def service_token(app: Harness, made: App, **fields: Any) -> str:
    return str((await ask(app, made, "client_credentials", **fields)).json()["access_token"])


async def test_a_users_token_is_told_as_the_contract_has_it(app: Harness) -> None:
    person, made, server = await app.make_user(), await application(app), await application(app)
    tokens = await granted(app, person, made)
    claims = claims_of(tokens["access_token"])
    told = await introspected(app, server, tokens["access_token"], token_type_hint="access_token")
    assert told == {
        "active": True,
        "scope": claims["scope"],
        "client_id": made.client.client_id,
        "username": person.email,
        "token_type": "Bearer",
        "exp": claims["exp"],
        "iat": claims["iat"],
        "sub": claims["sub"],
        "aud": [made.client.client_id],
        "role": "user",
        "auth_time": claims["auth_time"],
        "amr": ["pwd"],
        "acr": "pwd",
    }
    own = await introspected(app, made, tokens["refresh_token"])
    assert (own["active"], own["token_type"], own["sub"]) == (True, "refresh_token", claims["sub"])
    assert await introspected(app, server, tokens["refresh_token"]) == INACTIVE, "another client's"
    assert await introspected(app, made, tokens["id_token"]) == INACTIVE


async def test_a_services_token_has_no_user(app: Harness) -> None:
    made = await application(app, grant_types=["client_credentials"])
    token = await service_token(app, made, dpop=(holder := Holder()).proof(app))
    told = await introspected(app, made, token)
    assert set(told) == {"active", "scope", "client_id", "token_type", "exp", "iat", "sub", "aud", "cnf"}
    assert (told["sub"], told["token_type"]) == (f"app:{made.client.number}", "DPoP")
    assert told["cnf"] == {"jkt": holder.jkt}


async def test_who_proves_nothing_learns_nothing(app: Harness) -> None:
    person, made = await app.make_user(), await application(app)
    public, keyed = await application(app, auth_method="none"), Holder()
    by_key = await application(app, auth_method="private_key_jwt", jwks=keyed.jwks)
    for token in ((await granted(app, person, made))["access_token"], "unknown"):
        for wrong in ({"client_secret": "wrong"}, {"client_secret": ""}, {"client_id": "nobody"}, {"client_id": ""}):
            reply = await app.http.post("/oauth/introspect", data={"token": token, **made.credentials, **wrong})
            assert refusal(reply) == (401, "invalid_client"), wrong
        reply = await app.http.post("/oauth/introspect", data={"token": token, **public.credentials})
        assert refusal(reply) == (401, "invalid_client")
        reply = await app.http.post("/oauth/introspect", data={"token": token, **by_key.credentials})
        assert refusal(reply) == (401, "invalid_client")
        proof = {
            "client_assertion": keyed.assertion(app, by_key.client.client_id),
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        }
        assert (await introspected(app, by_key, token, **proof))["active"] is (token != "unknown")
    assert refusal(await app.http.post("/oauth/introspect", data=made.credentials)) == (400, "invalid_request")
    reply = await app.http.post(
        "/oauth/introspect", data={"token": "x"}, auth=(made.client.client_id, "wrong"), headers={}
    )
    assert (reply.status_code, reply.headers["WWW-Authenticate"]) == (401, 'Basic realm="oauth2"')


async def test_what_is_over_is_inactive_and_opens_nothing(app: Harness) -> None:
    """Deactivated, superseded, revoked, expired, client disabled: introspection, userinfo and refresh agree."""
    server = await application(app)

    async def user_off(person: Any, made: App, tokens: Any) -> None:
        await users.update(app.db, person.id, {"is_active": False}, now=app.clock.now())

    async def superseded(person: Any, made: App, tokens: Any) -> None:
        await users.update(app.db, person.id, {}, now=app.clock.now(), bump=True)

    async def client_off(person: Any, made: App, tokens: Any) -> None:
        await app.db.execute("UPDATE clients SET is_active = false WHERE id = $1", made.client.id)

    async def access_revoked(person: Any, made: App, tokens: Any) -> None:
        assert (await revoke(app, made, tokens["access_token"])).json() == {}

    async def refresh_revoked(person: Any, made: App, tokens: Any) -> None:
        assert (await revoke(app, made, tokens["refresh_token"])).json() == {}

    async def by_the_user(person: Any, made: App, tokens: Any) -> None:
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        reply = await app.http.post("/oauth/revoke", data={"token": tokens["refresh_token"]}, headers=bearer)
        assert (reply.status_code, reply.json()) == (200, {})

    async def row_ended(person: Any, made: App, tokens: Any) -> None:
        session_id = session_of_jti(claims_of(tokens["access_token"])["jti"])
        await app.db.execute("UPDATE sessions SET revoked_at = now() WHERE id = $1", session_id)

    async def expired(person: Any, made: App, tokens: Any) -> None:
        app.clock.advance(8 * 86_400)

    for over in (user_off, superseded, client_off, access_revoked, refresh_revoked, by_the_user, row_ended, expired):
        person, made = await app.make_user(), await application(app)
        tokens = await granted(app, person, made)
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        assert (await introspected(app, server, tokens["access_token"]))["active"] is True
        assert (await app.http.get("/oauth/userinfo", headers=bearer)).status_code == 200
        await over(person, made, tokens)
        assert await introspected(app, server, tokens["access_token"]) == INACTIVE, over.__name__
        gone = await app.http.get("/oauth/userinfo", headers=bearer)
        assert refusal(gone) == (401, "invalid_token"), over.__name__
        assert gone.headers["WWW-Authenticate"] == 'Bearer realm="oauth2", error="invalid_token"'
        refused = 401 if over is client_off else 400
        assert (await refreshed(app, made, tokens["refresh_token"])).status_code == refused, over.__name__


async def test_one_grant_ends_and_its_neighbours_live(app: Harness) -> None:
    person, made, other = await app.make_user(), await application(app), await application(app)
    first, second = await granted(app, person, made), await granted(app, person, made)
    elsewhere, stranger = await granted(app, person, other), await application(app)
    for nothing in ("unknown", "", first["id_token"]):
        reply = await revoke(app, made, nothing)
        assert (reply.status_code, reply.json()) == ((200, {}) if nothing else (400, reply.json()))
    assert (await revoke(app, stranger, first["refresh_token"])).json() == {}
    assert (await revoke(app, made, first["refresh_token"], client_secret="wrong")).status_code == 401
    assert (await introspected(app, made, first["access_token"]))["active"] is True
    assert (await revoke(app, made, first["refresh_token"])).status_code == 200
    assert await introspected(app, made, first["access_token"]) == INACTIVE
    for alive in (second, elsewhere):
        assert (await introspected(app, made, alive["access_token"]))["active"] is True
    [event] = await app.audit("oauth.grant.revoked", target_user_id=person.id)
    assert event["actor_type"] == "machine"


async def test_nobody_revokes_what_is_anothers(app: Harness) -> None:
    person, thief, made = await app.make_user(), await app.make_user(), await application(app)
    tokens, theirs = await granted(app, person, made), await granted(app, thief, made)
    platform = await app.signed_in()
    bearer = {"Authorization": f"Bearer {theirs['access_token']}"}
    for token in (tokens["access_token"], tokens["refresh_token"], platform.refresh_token):
        assert (await app.http.post("/oauth/revoke", data={"token": token}, headers=bearer)).json() == {}
    assert (await introspected(app, made, tokens["access_token"]))["active"] is True
    for header in ("Bearer x", f"Bearer {platform.access_token}"):
        reply = await app.http.post("/oauth/revoke", data={"token": "x"}, headers={"Authorization": header})
        assert refusal(reply) == (401, "invalid_token")


async def test_a_public_client_gives_its_own_tokens_back(app: Harness) -> None:
    person, public, made = await app.make_user(), await application(app, auth_method="none"), await application(app)
    tokens = await granted(app, person, public)
    assert (await revoke(app, public, tokens["refresh_token"])).json() == {}
    assert await introspected(app, made, tokens["access_token"]) == INACTIVE


async def test_a_services_token_ends_by_its_own_client_only(app: Harness) -> None:
    made = await application(app, grant_types=["client_credentials"])
    other = await application(app, grant_types=["client_credentials"])
    token = await service_token(app, made)
    assert (await revoke(app, other, token)).json() == {}
    assert (await introspected(app, other, token))["active"] is True
    assert (await revoke(app, made, token)).json() == {}
    assert await introspected(app, other, token) == INACTIVE
    fresh = await service_token(app, made)
    await app.db.execute("UPDATE clients SET is_active = false WHERE id = $1", made.client.id)
    assert await introspected(app, other, fresh) == INACTIVE
    assert refusal(await ask(app, made, "client_credentials")) == (401, "invalid_client")


async def test_userinfo_tells_what_the_scopes_let_through(app: Harness) -> None:
    person = await app.make_user(profile_picture_url="https://example.com/ada.png")
    made, ours = await application(app), await application(app, first_party=True)
    service = await application(app, grant_types=["client_credentials"])

    async def told(holder: App, *scopes: str, form: bool = False) -> Response:
        token = (await granted(app, person, holder, scopes=list(scopes)))["access_token"]
        if form:
            return await app.http.post("/oauth/userinfo", data={"access_token": token})
        return await app.http.get("/oauth/userinfo", headers={"Authorization": f"Bearer {token}"})

    bare = {"sub", "role", "app_roles"}
    profile = {"name", "preferred_username", "picture"}
    assert set((await told(made, "openid")).json()) == bare
    assert set((await told(made, "openid", "email")).json()) == bare | {"email", "email_verified"}
    everything = await told(made, "openid", "email", "profile", form=True)
    assert set(everything.json()) == bare | {"email", "email_verified"} | profile
    assert everything.headers["Cache-Control"] == "no-store"
    assert set((await told(ours, "api")).json()) == bare | {"email", "email_verified"} | profile
    narrow = await told(made, "api")
    assert refusal(narrow) == (403, "insufficient_scope")
    assert 'scope="openid"' in narrow.headers["WWW-Authenticate"]
    own = {"Authorization": f"Bearer {await service_token(app, service)}"}
    assert refusal(await app.http.get("/oauth/userinfo", headers=own)) == (403, "insufficient_scope")
    assert refusal(await app.http.post("/oauth/userinfo", headers=own)) == (403, "insufficient_scope")
    token = (await granted(app, person, made))["access_token"]
    bearer = {"Authorization": f"Bearer {token}"}
    assert (await app.http.post("/oauth/userinfo", headers=bearer)).status_code == 200
    both = await app.http.post("/oauth/userinfo", headers=bearer, data={"access_token": token})
    assert refusal(both) == (401, "invalid_token")
    for headers in (
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic eDp4"},
        {"Authorization": f"Bearer {token}x"},
    ):
        assert refusal(await app.http.get("/oauth/userinfo", headers=headers)) == (401, "invalid_token")


async def test_tokens_of_other_surfaces_are_none(app: Harness) -> None:
    platform, made = await app.signed_in(), await application(app)
    for token in (platform.access_token, platform.refresh_token):
        assert await introspected(app, made, token) == INACTIVE
        reply = await app.http.get("/oauth/userinfo", headers={"Authorization": f"Bearer {token}"})
        assert refusal(reply) == (401, "invalid_token")
    tokens = await granted(app, await app.make_user(), made)
    for path in ("/auth/me", "/api/v1/auth/me"):
        for token in (tokens["access_token"], tokens["id_token"]):
            assert (await app.http.get(path, headers={"Authorization": f"Bearer {token}"})).status_code == 401
