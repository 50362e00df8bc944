"""POST /oauth/token with a refresh token: rotated once, for its own client, within what was granted (RFC 6749 §6)."""

from __future__ import annotations

import asyncio

from harness import Harness
from provider.applications import application, claims_of
from provider.grants import granted, refreshed, refusal

from identry.records import users
from identry.tokens import session_of_jti


async def test_a_token_is_rotated_and_keeps_what_the_sign_in_was(app: Harness) -> None:
    person, made = await app.make_user(), await application(app)
    tokens = await granted(app, person, made, amr=["pwd", "otp", "mfa"])
    app.clock.advance(60)
    reply = await refreshed(app, made, tokens["refresh_token"])
    assert reply.status_code == 200, reply.text
    body = reply.json()
    before, after = claims_of(tokens["access_token"]), claims_of(body["access_token"])
    assert body["refresh_token"] != tokens["refresh_token"]
    assert (after["auth_time"], after["amr"], after["acr"]) == (before["auth_time"], ["pwd", "otp", "mfa"], "mfa")
    assert after["exp"] - after["iat"] == before["exp"] - before["iat"]
    assert after["iat"] >= before["iat"] + 60
    assert claims_of(body["id_token"])["sub"] == before["sub"]
    assert "nonce" not in claims_of(body["id_token"])


async def test_of_thirty_who_present_one_token_at_once_all_get_the_same_successor(app: Harness) -> None:
    person, made = await app.make_user(), await application(app)
    tokens = await granted(app, person, made)
    replies = await asyncio.gather(*(refreshed(app, made, tokens["refresh_token"]) for _ in range(30)))
    assert {reply.status_code for reply in replies} == {200}
    assert len({reply.json()["refresh_token"] for reply in replies}) == 1
    session_id = session_of_jti(claims_of(tokens["access_token"])["jti"])
    assert len(await app.audit("auth.refresh.rotated", session_id=session_id)) == 1


async def test_a_token_used_again_after_the_grace_ends_the_grant(app: Harness) -> None:
    person, made = await app.make_user(), await application(app)
    first = (await granted(app, person, made))["refresh_token"]
    second = (await refreshed(app, made, first)).json()["refresh_token"]
    app.clock.advance(11)
    assert refusal(await refreshed(app, made, first)) == (400, "invalid_grant")
    assert refusal(await refreshed(app, made, second)) == (400, "invalid_grant")


async def test_another_client_gets_nothing_and_harms_nothing(app: Harness) -> None:
    person, made = await app.make_user(), await application(app)
    token = (await granted(app, person, made))["refresh_token"]
    other, public = await application(app), await application(app, auth_method="none")
    for stranger in (other, public):
        assert refusal(await refreshed(app, stranger, token)) == (400, "invalid_grant")
    for proof in ({"client_secret": ""}, {"client_secret": "wrong"}):
        assert refusal(await refreshed(app, made, token, **proof)) == (401, "invalid_client")
    newest = (await refreshed(app, made, token)).json()["refresh_token"]
    app.clock.advance(60)
    assert refusal(await refreshed(app, other, token)) == (400, "invalid_grant"), (
        "an old one of a stranger's ends nothing"
    )
    assert (await refreshed(app, made, newest)).status_code == 200


async def test_less_may_be_asked_for_and_more_is_refused_without_loss(app: Harness) -> None:
    person = await app.make_user()
    made = await application(app, audiences=["https://a.example.com", "https://b.example.com"])
    tokens = await granted(app, person, made, scopes=["openid", "email"], audiences=["https://a.example.com"])
    token = tokens["refresh_token"]
    for more, error in (
        ({"scope": "openid api"}, "invalid_scope"),
        ({"scope": "unheard-of"}, "invalid_scope"),
        ({"resource": "https://b.example.com"}, "invalid_target"),
        ({"resource": "https://c.example.com"}, "invalid_target"),
        ({"scope": "x" * 10_001}, "invalid_request"),
        ({"scope": " ".join(f"s{i}" for i in range(900))}, "invalid_scope"),
    ):
        assert refusal(await refreshed(app, made, token, **more)) == (400, error), more
    less = (await refreshed(app, made, token, scope="email", resource="https://a.example.com")).json()
    assert (less["scope"], "id_token" in less) == ("email", False)
    all_again = (await refreshed(app, made, less["refresh_token"])).json()
    assert all_again["scope"] == "openid email"
    assert claims_of(all_again["access_token"])["aud"] == [made.client.client_id, "https://a.example.com"]


async def test_nothing_goes_on_once_user_client_or_grant_are_over(app: Harness) -> None:
    async def deactivate(person: object, made: object, session_id: object) -> None:
        await users.update(app.db, person.id, {"is_active": False}, now=app.clock.now())  # type: ignore[attr-defined]

    async def bump(person: object, made: object, session_id: object) -> None:
        await users.update(app.db, person.id, {}, now=app.clock.now(), bump=True)  # type: ignore[attr-defined]

    async def demand(person: object, made: object, session_id: object) -> None:
        await users.update(app.db, person.id, {"mfa_enabled": True}, now=app.clock.now())  # type: ignore[attr-defined]

    async def end(person: object, made: object, session_id: object) -> None:
        await app.db.execute("UPDATE sessions SET revoked_at = now() WHERE id = $1", session_id)

    async def expire(person: object, made: object, session_id: object) -> None:
        app.clock.advance(7 * 86_400 + 1)

    for over in (deactivate, bump, demand, end, expire):
        person, made = await app.make_user(), await application(app)
        tokens = await granted(app, person, made)
        await over(person, made, session_of_jti(claims_of(tokens["access_token"])["jti"]))
        assert refusal(await refreshed(app, made, tokens["refresh_token"])) == (400, "invalid_grant"), over.__name__
    person, made = await app.make_user(), await application(app)
    tokens = await granted(app, person, made)
    await app.db.execute("UPDATE clients SET is_active = false WHERE id = $1", made.client.id)
    assert refusal(await refreshed(app, made, tokens["refresh_token"])) == (401, "invalid_client")


async def test_a_token_of_another_surface_is_none(app: Harness) -> None:
    person, made = await app.signed_in(), await application(app)
    assert refusal(await refreshed(app, made, person.refresh_token)) == (400, "invalid_grant")
    assert refusal(await refreshed(app, made, "")) == (400, "invalid_grant")
    reply = await app.http.post(
        "/auth/refresh", json={"refreshToken": (await granted(app, person, made))["refresh_token"]}
    )
    assert reply.status_code == 401
