"""POST /api/auth/refresh: grants of applications without a secret go on (contracts/provider-api.md §7, §13)."""

from __future__ import annotations

import asyncio
from typing import Any

from harness import Harness
from provider.applications import application, claims_of
from provider.people import log_in, member, post, public_app

from identry.records import clients


async def renew(app: Harness, token: object, ip: str = "") -> Any:
    return await post(app, "/api/auth/refresh", {"refresh_token": token}, ip)


async def test_a_grant_goes_on_with_the_shape_of_the_contract(app: Harness) -> None:
    made = await public_app(app)
    first = (await log_in(app, made, (await member(app, made)).email)).json()
    reply = await renew(app, first["refresh_token"])
    assert reply.status_code == 200, reply.text
    assert set(reply.json()) == {"access_token", "refresh_token", "id_token", "token_type", "expires_in"}
    assert reply.headers["cache-control"] == "no-store"
    before, after = claims_of(first["access_token"]), claims_of(reply.json()["access_token"])
    assert (before["sub"], before["auth_time"], before["amr"]) == (after["sub"], after["auth_time"], after["amr"])
    assert (await renew(app, reply.json()["refresh_token"])).status_code == 200
    app.clock.advance(11)
    assert (await renew(app, first["refresh_token"])).status_code == 401


async def test_of_many_at_once_all_get_the_same_successor(app: Harness) -> None:
    made = await public_app(app)
    first = (await log_in(app, made, (await member(app, made)).email)).json()["refresh_token"]
    replies = await asyncio.gather(*(renew(app, first) for _ in range(20)))
    assert {reply.status_code for reply in replies} == {200}
    assert len({reply.json()["refresh_token"] for reply in replies}) == 1


async def test_whatever_is_wrong_with_a_token_is_401(app: Harness) -> None:
    secret, made = await application(app), await public_app(app)
    confidential = (await log_in(app, secret, (await member(app, secret)).email)).json()["refresh_token"]
    person = await member(app, made)
    ended = (await log_in(app, made, person.email)).json()
    await app.http.post("/api/auth/logout", headers={"Authorization": f"Bearer {ended['access_token']}"})
    off = await public_app(app)
    of_off = (await log_in(app, off, (await member(app, off)).email)).json()["refresh_token"]
    await clients.update(app.db, off.client.id, {"is_active": False}, now=app.clock.now())
    platform = (await app.signed_in()).refresh_token
    for token in (confidential, ended["refresh_token"], ended["access_token"], of_off, platform, "nonsense"):
        reply = await renew(app, token)
        assert (reply.status_code, reply.json()) == (401, {"error": "invalid refresh token"})
    assert (await renew(app, None)).status_code == 400


async def test_its_tries_are_counted_with_those_of_the_token_endpoint(app: Harness) -> None:
    made, ip = await public_app(app), app.fresh_ip()
    token = (await log_in(app, made, (await member(app, made)).email)).json()["refresh_token"]
    form = {"grant_type": "refresh_token", "refresh_token": "x", "client_id": made.client.client_id}
    for _ in range(8):
        await app.http.post("/oauth/token", data=form, headers={"X-Forwarded-For": ip})
    reply = await renew(app, token, ip)
    assert reply.status_code == 200, reply.text
    assert (reply.headers["x-ratelimit-limit"], reply.headers["x-ratelimit-remaining"]) == ("10", "1")
    assert (await renew(app, reply.json()["refresh_token"], ip)).status_code == 200
    refused = await renew(app, token, ip)
    assert (refused.status_code, refused.json()["error"]) == (429, "too_many_requests")
    assert refused.headers["x-ratelimit-remaining"] == "0"
    assert int(refused.headers["x-ratelimit-reset"]) > app.clock.timestamp()
