"""/api/admin/apps: the operator's applications over HTTP."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from harness import Harness
from provider.account import under_way
from provider.applications import application
from provider.callers import MANAGE, administrator, bearer, member, number_of, service_token, user_token
from provider.grants import code_for, exchange, granted, refreshed, refusal

APPS = f"{MANAGE}/api/admin/apps"


async def test_an_application_is_made_read_changed_renewed_and_deleted(app: Harness) -> None:
    admin, headers = await administrator(app)
    fields: dict[str, Any] = {
        "name": "Reports", "redirect_uris": ["https://reports.example.com/cb"], "require_dpop": False,
        "allowed_scopes": ["openid", "api"], "claim_mappings": {"team": "department"}, "url": "https://example.com",
        "owner_id": await number_of(app, admin), "allow_token_exchange": False, "magic_link_url": "https://e.com/m",
    }  # fmt: skip
    made = await app.http.post(APPS, json=fields, headers=headers)
    assert made.status_code == 201, made.text
    body = made.json()
    assert body["client_secret"]
    assert {name: body[name] for name in fields} == fields
    assert {"id", "client_id", "active", "is_public", "require_pkce", "audiences", "created_at"} <= body.keys()
    one = f"{APPS}/{body['id']}"

    shown = (await app.http.get(one, headers=headers)).json()
    assert "client_secret" not in shown
    assert {**shown, "client_secret": body["client_secret"]} == body

    changed = await app.http.put(one, json={"name": "Figures", "url": None, "active": False}, headers=headers)
    assert changed.status_code == 200, changed.text
    assert changed.json() == {
        **shown, "name": "Figures", "url": None, "active": False, "updated_at": changed.json()["updated_at"],
    }  # fmt: skip
    form = {"grant_type": "client_credentials", "client_id": body["client_id"], "client_secret": body["client_secret"]}
    assert (await app.http.post("/oauth/token", data=form)).status_code == 401
    assert (await app.http.put(one, json={"active": True}, headers=headers)).json()["active"] is True

    renewed = (await app.http.post(f"{one}/rotate-secret", headers=headers)).json()
    assert renewed["client_secret"] not in {"", body["client_secret"]}
    assert (renewed["secrets"], renewed["id"]) == (2, body["id"])
    listed = (await app.http.get(APPS, params={"search": body["client_id"]}, headers=headers)).json()
    assert (listed["total_count"], [a["client_id"] for a in listed["apps"]]) == (1, [body["client_id"]])

    assert (await app.http.delete(one, headers=headers)).status_code == 204
    gone = await app.http.get(one, headers=headers)
    assert (gone.status_code, gone.json()) == (404, {"error": "application not found"})
    events = await app.audit(actor_user_id=admin.id)
    assert [row["event"] for row in events if row["event"].startswith("client.")] == [
        "client.created", "client.disabled", "client.enabled", "client.secret_rotated",
        "client.deleted",
    ]  # fmt: skip


async def test_a_public_application_has_no_secret_until_it_becomes_confidential(app: Harness) -> None:
    _, headers = await administrator(app)
    body = (await app.http.post(APPS, json={"name": "Page", "is_public": True}, headers=headers)).json()
    assert (body["client_secret"], body["auth_method"], body["require_pkce"]) == ("", "none", True)
    assert body["grant_types"] == ["authorization_code", "refresh_token"]
    one = f"{APPS}/{body['id']}"
    refused = await app.http.post(f"{one}/rotate-secret", headers=headers)
    assert (refused.status_code, "has no secret" in refused.json()["error"]) == (400, True)
    first = (await app.http.put(one, json={"is_public": False}, headers=headers)).json()
    assert len(first["client_secret"]) >= 43
    again = (await app.http.put(one, json={"is_public": True}, headers=headers)).json()
    assert (again["secrets"], "client_secret" in again) == (0, False)


async def test_of_many_secrets_made_at_once_two_live(app: Harness) -> None:
    _, headers = await administrator(app)
    made = await application(app, grant_types=["client_credentials"])
    one = f"{APPS}/{made.client.number}"
    replies = await asyncio.gather(*(app.http.post(f"{one}/rotate-secret", headers=headers) for _ in range(8)))
    assert {reply.status_code for reply in replies} == {200}
    assert (await app.http.get(one, headers=headers)).json()["secrets"] == 2


async def test_what_cannot_be_told_of_an_application_is_refused_in_words(app: Harness) -> None:
    _, headers = await administrator(app)
    taken = (await application(app)).client
    for fields, status, words in (
        ({}, 400, "name"),
        ({"name": "x", "client_id": taken.client_id}, 409, "client_id"),
        ({"name": "x", "client_id": "a b"}, 400, "client_id: must be"),
        ({"name": "x", "redirect_uris": ["https://a.example.com/#x"]}, 400, "fragment"),
        ({"name": "x", "redirect_uris": ["javascript:alert(1)"]}, 400, "https://"),
        ({"name": "x", "redirect_uris": ["https://good.example@evil.example/"]}, 400, "no user"),
        ({"name": "x", "backchannel_logout_uri": "http://10.0.0.1/"}, 400, "backchannel_logout_uri"),
        ({"name": "x", "claim_mappings": {"sub": "email"}}, 400, "claim"),
        ({"name": "x", "claim_mappings": {"team": "password_hash"}}, 400, "must give each claim one of"),
        ({"name": "x", "is_public": True, "auth_method": "client_secret"}, 400, "does not go with"),
        ({"name": "x", "auth_method": "private_key_jwt"}, 400, "jwks: is required"),
        ({"name": "x", "allow_impersonation": True}, 400, "is not served"),
        ({"name": "x", "owner_id": 9_007_199_254_740_991}, 400, "no account"),
        ({"name": "x", "access_token_ttl": 1}, 400, "seconds"),
    ):
        reply = await app.http.post(APPS, json=fields, headers=headers)
        assert reply.status_code == status, (fields, reply.text)
        assert set(reply.json()) == {"error"}
        assert words in reply.json()["error"], (fields, reply.text)


async def test_who_may_is_asked_before_anything_is_told(app: Harness) -> None:
    made = await application(app, grant_types=["client_credentials", "authorization_code"])
    one = f"{APPS}/{made.client.number}"
    user, moderator = await app.make_user(), await app.make_user(global_role="PLATFORM_MODERATOR")
    app_admin = await member(app, made, "admin")
    _, stale = await administrator(app, "PLATFORM_ADMIN", age=301)
    _, foreign = await administrator(app, client=made.client, scopes=("openid",))
    _, agreed = await administrator(app, client=made.client, scopes=("openid", "api"))
    other = (await application(app)).client
    for headers, call, expected in (
        ({}, ("GET", one), 401),
        (bearer(await service_token(app, made)), ("GET", APPS), 401),
        (bearer(await user_token(app, user)), ("GET", one), 403),
        (bearer(await user_token(app, moderator)), ("POST", APPS), 403),
        (bearer(await user_token(app, app_admin)), ("PUT", one), 403),
        (bearer(await user_token(app, app_admin)), ("GET", f"{APPS}/999999999"), 403),
        (bearer(await user_token(app, user)), ("GET", f"{APPS}/x"), 400),
        (stale, ("GET", one), 200),
        (stale, ("DELETE", one), "elevation_required"),
        (stale, ("POST", f"{one}/rotate-secret"), "elevation_required"),
        (foreign, ("GET", one), 403),
        (agreed, ("GET", one), 200),
        (agreed, ("GET", f"{APPS}/{other.number}"), 403),
    ):
        reply = await app.http.request(
            *call, headers=headers, json={"name": "x"} if call[0] in {"POST", "PUT"} else None
        )
        if isinstance(expected, str):
            assert (reply.status_code, reply.json()) == (403, {"error": expected})
        else:
            assert reply.status_code == expected, (call, reply.text)
        if reply.status_code == 401:
            assert reply.headers["www-authenticate"] == 'Bearer realm="oauth2", error="invalid_token"'


async def test_an_administrator_of_applications_lists_those_alone(app: Harness) -> None:
    made, other = await application(app), await application(app)
    admin, viewer = await member(app, made, "admin"), await member(app, made, "viewer")
    for person, client, expected in (
        (admin, None, [made.client.client_id]),
        (admin, made.client, [made.client.client_id]),
        (admin, other.client, []),
        (viewer, None, []),
    ):
        reply = await app.http.get(APPS, headers=bearer(await user_token(app, person, client)))
        assert reply.status_code == 200, reply.text
        assert [listed["client_id"] for listed in reply.json()["apps"]] == expected


async def test_the_application_of_the_house_can_neither_be_changed_nor_deleted(app: Harness) -> None:
    _, headers = await administrator(app)
    number = await app.db.fetchval("SELECT number FROM clients WHERE client_id = 'identry-admin'")
    for method, path in (("PUT", ""), ("DELETE", ""), ("POST", "/rotate-secret")):
        reply = await app.http.request(
            method, f"{APPS}/{number}{path}", headers=headers, json={"active": False} if method == "PUT" else None
        )
        assert (reply.status_code, reply.json()) == (409, {"error": "this application belongs to the house itself"})


@pytest.mark.parametrize("path", ["/api/admin/apps", "/api/admin/login"])
async def test_without_manage_there_is_nothing(app: Harness, path: str) -> None:
    _, headers = await administrator(app)
    assert (await app.http.get(path, headers=headers)).status_code == 404


async def test_an_application_that_is_for_its_members_from_now_on_keeps_nobody_else(app: Harness) -> None:
    admin, headers = await administrator(app)
    made, other = await application(app), await application(app)
    inside, outside = await member(app, made, "viewer"), await app.make_user()
    root = await app.make_user(global_role="PLATFORM_ADMIN")
    people = (inside, root, outside)
    tokens = [await granted(app, person, made) for person in people]
    elsewhere = await granted(app, outside, other)
    codes = [await code_for(app, person, made) for person in people]
    _, device = await under_way(app, outside, made)
    late = await code_for(app, outside, made)
    one = f"{APPS}/{made.client.number}"
    assert (await app.http.put(one, json={"members_only": True}, headers=headers)).status_code == 200
    for person, token, code, stays in zip(people, tokens, codes, (True, True, False), strict=True):
        reply = await app.http.post("/oauth/introspect", data={"token": token["access_token"], **made.credentials})
        assert reply.json()["active"] is stays, person
        for asked in (refreshed(app, made, token["refresh_token"]), exchange(app, made, code)):
            reply = await asked
            assert (reply.status_code == 200) is stays, reply.text
    assert (await refreshed(app, other, elsewhere["refresh_token"])).status_code == 200
    assert await app.db.fetchval("SELECT state FROM device_codes WHERE device_code_hash = $1", device) == "denied"
    [row] = await app.audit("client.updated", actor_user_id=admin.id)
    told = {"client": made.client.client_id, "fields": ["members_only"], "revokedSessions": 1}
    assert json.loads(row["details"]) == told
    # What somebody else had in hand opens nothing, also when the application is open to everybody again.
    assert (await app.http.put(one, json={"members_only": False}, headers=headers)).status_code == 200
    assert refusal(await exchange(app, made, late)) == (400, "invalid_grant")


async def test_a_grant_that_was_opened_while_an_application_closed_ends_at_its_refresh(app: Harness) -> None:
    made, person = await application(app), await app.make_user()
    token = (await granted(app, person, made))["refresh_token"]
    await app.db.execute("UPDATE clients SET members_only = true WHERE id = $1", made.client.id)
    assert refusal(await refreshed(app, made, token)) == (400, "invalid_grant")
