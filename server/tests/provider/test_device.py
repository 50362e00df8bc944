"""A device without a browser gets tokens once its person agreed elsewhere (RFC 8628)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from harness import Harness, Person
from httpx2 import Response
from provider.applications import App, application, claims_of
from provider.grants import ask, refreshed, refusal

from identry.app.token_rooms import device_authorization
from identry.core.ids import uuid7
from identry.core.limits import RateLimited
from identry.core.origin import Origin
from identry.flows.device.service import DeviceAuthorization, UnknownUserCode
from identry.oauth.browser_session import BrowserSession
from identry.records import consents, users

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


@pytest.fixture
def decisions(app: Harness) -> DeviceAuthorization:
    """What the page calls."""
    engines = app.app.engines
    assert engines.provider is not None
    return device_authorization(app.app.settings, engines, engines.provider)


async def television(app: Harness, **values: Any) -> App:
    return await application(app, auth_method="none", name="TV", **{"grant_types": [DEVICE, "refresh_token"], **values})


async def begin(app: Harness, made: App, **fields: str) -> Response:
    headers = {"X-Forwarded-For": app.fresh_ip()}
    return await app.http.post("/oauth/device_authorization", data={**made.credentials, **fields}, headers=headers)


async def poll(app: Harness, made: App, device_code: str) -> Response:
    return await ask(app, made, DEVICE, device_code=device_code)


async def signed_in(app: Harness, person: Person) -> BrowserSession:
    user = await users.find(app.db, person.id)
    assert user is not None
    return BrowserSession(uuid7(app.clock), user, ["pwd"], app.clock.now())


async def test_a_device_asks_until_its_person_has_agreed(app: Harness, decisions: DeviceAuthorization) -> None:
    person, made = await app.make_user(), await television(app)
    reply = await begin(app, made, scope="openid profile")
    assert reply.status_code == 200, reply.text
    body = reply.json()
    assert set(body) == {
        *("device_code", "user_code", "verification_uri", "verification_uri_complete", "expires_in", "interval")
    }
    assert (body["verification_uri"], body["expires_in"], body["interval"]) == (
        "https://auth.example.com/device",
        600,
        5,
    )
    assert body["verification_uri_complete"] == f"{body['verification_uri']}?user_code={body['user_code']}"
    code, session, origin = body["device_code"], await signed_in(app, person), Origin(app.fresh_ip())
    assert refusal(await poll(app, made, code)) == (400, "authorization_pending")
    assert refusal(await poll(app, made, code)) == (400, "slow_down")
    app.clock.advance(11)
    assert refusal(await poll(app, made, code)) == (400, "authorization_pending")
    typed = body["user_code"].lower().replace("-", " ")
    waiting = await decisions.find(typed, session, origin)
    assert (waiting.client.id, waiting.scopes, waiting.user_code) == (
        *(made.client.id, ("openid", "profile"), body["user_code"]),
    )
    await decisions.approve(typed, session, origin)
    tokens = (await poll(app, made, code)).json()
    claims = claims_of(tokens["access_token"])
    assert (claims["scope"], claims["amr"]) == ("openid profile", ["pwd"])
    assert (await refreshed(app, made, tokens["refresh_token"])).status_code == 200
    assert refusal(await poll(app, made, code)) == (400, "invalid_grant"), "it works once"
    assert await consents.covers(app.db, person.id, made.client.id, ["openid", "profile"])
    [event] = await app.audit("oauth.device.approved", actor_user_id=person.id)
    assert event["session_id"] == session.session_id


async def test_no_means_no_and_too_late_is_too_late(app: Harness, decisions: DeviceAuthorization) -> None:
    person, made, other = await app.make_user(), await television(app), await television(app)
    session, origin = await signed_in(app, person), Origin(app.fresh_ip())
    denied, late = (await begin(app, made)).json(), (await begin(app, made)).json()
    await decisions.deny(denied["user_code"], session, origin)
    assert refusal(await poll(app, made, denied["device_code"])) == (400, "access_denied")
    for decide in (decisions.approve, decisions.deny):
        with pytest.raises(UnknownUserCode):
            await decide(denied["user_code"], session, origin)
    assert refusal(await poll(app, other, late["device_code"])) == (400, "invalid_grant"), "another client's"
    app.clock.advance(601)
    assert refusal(await poll(app, made, late["device_code"])) == (400, "expired_token")
    with pytest.raises(UnknownUserCode):
        await decisions.approve(late["user_code"], session, origin)
    for unknown in ("", "x", "y" * 500):
        assert refusal(await poll(app, made, unknown)) == (400, "invalid_grant")


async def test_user_codes_are_not_guessed(app: Harness, decisions: DeviceAuthorization) -> None:
    session, origin = await signed_in(app, await app.make_user()), Origin(app.fresh_ip())
    for typed in ("BCDF-GHJK", "", "AEIO-UAEI", "B" * 8, "12345678", "BCDFGHJKL", "ßßßßßßßß", "\x00" * 8, "ffi"):
        with pytest.raises(UnknownUserCode):
            await decisions.find(typed, session, origin)
    with pytest.raises(UnknownUserCode):
        await decisions.approve("BCDF-GHJK", session, origin)
    with pytest.raises(RateLimited):
        await decisions.approve("BCDF-GHJK", session, origin)


async def test_of_thirty_polls_at_once_one_gets_tokens(app: Harness, decisions: DeviceAuthorization) -> None:
    person, made = await app.make_user(), await television(app)
    body = (await begin(app, made)).json()
    await decisions.approve(body["user_code"], await signed_in(app, person), Origin(app.fresh_ip()))
    replies = await asyncio.gather(*(poll(app, made, body["device_code"]) for _ in range(30)))
    assert sorted(reply.status_code for reply in replies) == [200] + [400] * 29


async def test_whoever_may_not_sign_in_any_more_gets_nothing(app: Harness, decisions: DeviceAuthorization) -> None:
    made, origin = await television(app), Origin(app.fresh_ip())
    for change in ({"is_active": False}, {"mfa_enabled": True}, {}):
        person = await app.make_user()
        body = (await begin(app, made)).json()
        await decisions.approve(body["user_code"], await signed_in(app, person), origin)
        await users.update(app.db, person.id, change, now=app.clock.now(), bump=not change)
        assert refusal(await poll(app, made, body["device_code"])) == (400, "invalid_grant"), change


async def test_only_clients_of_this_grant_begin(app: Harness) -> None:
    web, confidential = await application(app), await application(app, grant_types=[DEVICE])
    assert refusal(await begin(app, web)) == (400, "unauthorized_client")
    assert refusal(await begin(app, confidential, client_secret="wrong")) == (401, "invalid_client")
    assert refusal(await begin(app, confidential, scope="unheard-of")) == (400, "invalid_scope")
    assert refusal(await begin(app, confidential, resource="https://x.example.com")) == (400, "invalid_target")
    assert (await begin(app, confidential)).status_code == 200
    assert refusal(await ask(app, web, DEVICE, device_code="x")) == (400, "unauthorized_client")
