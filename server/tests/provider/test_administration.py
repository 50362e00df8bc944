"""Administrators of the platform: signing in, proving again, accounts, superadmins, what happened."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from harness import PASSWORD, Harness, Person
from provider.applications import application, claims_of
from provider.callers import MANAGE, administrator, bearer, member, number_of, user_token

ADMIN = f"{MANAGE}/api/admin"


async def sign_in(app: Harness, email: str, password: str = PASSWORD, **more: str) -> Any:
    body = {"email": email, "password": password, **more}
    return await app.http.post(f"{ADMIN}/login", json=body, headers={"X-Forwarded-For": app.fresh_ip()})


async def test_an_administrator_signs_in_at_the_application_of_the_house(app: Harness) -> None:
    person = await app.make_user(global_role="PLATFORM_SUPERADMIN")
    reply = await sign_in(app, person.email)
    assert reply.status_code == 200, reply.text
    assert reply.headers["deprecation"] == "true"
    body = reply.json()
    assert {"access_token", "refresh_token", "id_token", "token_type", "expires_in", "user_id", "roles"} <= body.keys()
    assert (body["user_id"], body["roles"]) == (await number_of(app, person), ["superadmin"])
    claims = claims_of(body["access_token"])
    assert (claims["aud"], claims["role"], claims["sub"]) == (["identry-admin"], "superadmin", str(body["user_id"]))
    profile = await app.http.get(f"{ADMIN}/profile", headers=bearer(body["access_token"]))
    assert profile.status_code == 200, profile.text
    assert (profile.json()["email"], profile.json()["role"]) == (person.email, "superadmin")


async def test_whoever_is_no_administrator_is_answered_as_for_a_wrong_password(app: Harness) -> None:
    ordinary = await app.make_user()
    moderator = await app.make_user(global_role="PLATFORM_MODERATOR")
    admin = await app.make_user(global_role="PLATFORM_ADMIN")
    replies = [
        await sign_in(app, ordinary.email),
        await sign_in(app, moderator.email),
        await sign_in(app, admin.email, "wrong password"),
        await sign_in(app, "nobody@example.com"),
    ]
    assert {(reply.status_code, reply.text) for reply in replies} == {(401, replies[0].text)}


async def test_proving_again_gives_a_fresh_token_that_reaches_no_further(app: Harness) -> None:
    made = await application(app)
    person, stale = await administrator(app, "PLATFORM_ADMIN", age=400)
    one = f"{ADMIN}/apps/{made.client.number}"
    assert (await app.http.delete(one, headers=stale)).json() == {"error": "elevation_required"}
    wrong = await app.http.post(f"{ADMIN}/elevate", json={"password": "wrong"}, headers=stale)
    assert wrong.status_code == 401
    reply = await app.http.post(f"{ADMIN}/elevate", json={"password": PASSWORD}, headers=stale)
    assert reply.status_code == 200, reply.text
    body = reply.json()
    assert "refresh_token" not in body
    claims = claims_of(body["access_token"])
    assert claims["scope"] == "api"
    assert claims["auth_time"] >= claims["iat"] - 1
    assert (await app.http.delete(one, headers=bearer(body["access_token"]))).status_code == 204
    other = await app.make_user(global_role="PLATFORM_ADMIN")
    assert person.id != other.id


async def test_who_has_to_change_the_password_may_do_nothing_else(app: Harness) -> None:
    _, root = await administrator(app)
    person = await app.make_user(global_role="PLATFORM_ADMIN")
    path = f"{ADMIN}/users/{await number_of(app, person)}/attributes"
    assert (await app.http.put(path, json={"must_change_password": True}, headers=root)).status_code == 200
    signed_in = (await sign_in(app, person.email)).json()
    assert signed_in["must_change_password"] is True
    headers = bearer(signed_in["access_token"])
    for reply in (await app.http.get(f"{ADMIN}/profile", headers=headers), await app.http.get(path, headers=headers)):
        assert reply.status_code in {403, 405}
    refused = await app.http.get(f"{ADMIN}/users", headers=headers)
    assert (refused.status_code, refused.json()) == (403, {"error": "password_change_required"})
    body = {"current_password": PASSWORD, "new_password": "another horse, another battery"}
    changed = await app.http.post(f"{ADMIN}/change-password", json=body, headers=headers)
    assert changed.status_code == 200, changed.text
    assert (await app.http.get(f"{ADMIN}/users", headers=headers)).status_code == 200
    again = (await sign_in(app, person.email, body["new_password"])).json()
    assert "must_change_password" not in again
    assert (await app.http.get(f"{ADMIN}/users", headers=bearer(again["access_token"]))).status_code == 200


async def test_accounts_are_listed_read_and_changed(app: Harness) -> None:
    _, headers = await administrator(app, "PLATFORM_ADMIN")
    mark = secrets.token_hex(4)
    person = await app.make_user(full_name=f"Ada {mark}")
    made = await application(app)
    person_in_app = await member(app, made, "editor", full_name=f"Eve {mark}")
    listed = (await app.http.get(f"{ADMIN}/users", params={"search": mark}, headers=headers)).json()
    assert (listed["total_count"], listed["page"], listed["page_size"]) == (2, 1, 20)
    assert [user["email"] for user in listed["users"]] == [person.email, person_in_app.email]
    one = f"{ADMIN}/users/{await number_of(app, person)}"
    shown = (await app.http.get(one, headers=headers)).json()
    assert {**shown, "created_at": ""} == {
        "id": await number_of(app, person), "email": person.email, "name": f"Ada {mark}", "role": "user",
        "is_verified": True, "created_at": "",
    }  # fmt: skip
    fields = {"title": "Dr", "country": "SG", "timezone": "Asia/Singapore", "name": "Ada L"}
    changed = (await app.http.put(f"{one}/attributes", json=fields, headers=headers)).json()
    assert {name: changed[name] for name in fields} == fields
    assert (await app.http.put(f"{one}/attributes", json={}, headers=headers)).status_code == 400
    apps = await app.http.get(f"{ADMIN}/users/{await number_of(app, person_in_app)}/apps", headers=headers)
    assert [(entry["app_id"], entry["role"]) for entry in apps.json()] == [(made.client.number, "editor")]
    await app.sign_in(person)
    await user_token(app, person, made.client)
    sessions = (await app.http.get(f"{one}/sessions", headers=headers)).json()
    assert {entry["client_id"] for entry in sessions} == {None, made.client.client_id}
    for path in ("", "/apps", "/sessions"):
        gone = await app.http.get(f"{ADMIN}/users/999999999{path}", headers=headers)
        assert (gone.status_code, gone.json()) == (404, {"error": "user not found"})


async def test_a_blocked_account_is_out_at_once_until_it_is_let_in_again(app: Harness) -> None:
    _, headers = await administrator(app, "PLATFORM_ADMIN")
    made = await application(app)
    person = await member(app, made, "admin")
    token = bearer(await user_token(app, person, made.client))
    one = f"{ADMIN}/users/{await number_of(app, person)}"
    listing = f"{MANAGE}/api/apps/{made.client.number}/users"
    assert (await app.http.get(listing, headers=token)).status_code == 200
    assert (await app.http.post(f"{one}/block", headers=headers)).status_code == 200
    assert (await app.http.get(listing, headers=token)).status_code == 401
    assert (await app.http.post(f"{one}/unlock", headers=headers)).status_code == 200
    assert (await app.http.get(listing, headers=token)).status_code == 401
    fresh = bearer(await user_token(app, person, made.client))
    assert (await app.http.get(listing, headers=fresh)).status_code == 200
    assert (await app.http.post(f"{one}/revoke-tokens", headers=headers)).status_code == 200
    assert (await app.http.get(listing, headers=fresh)).status_code == 401
    assert (await app.http.delete(one, headers=headers)).status_code == 204
    assert not await app.db.fetchval("SELECT is_active FROM users WHERE id = $1", person.id)
    events = [row["event"] for row in await app.audit(target_user_id=person.id)]
    assert [e for e in events if e.startswith("user.")] == [
        "user.deactivated", "user.reactivated", "user.tokens_revoked", "user.deleted",
    ]  # fmt: skip


@pytest.mark.parametrize("action", ["block", "revoke-tokens", "unlock", "delete"])
async def test_nobody_acts_on_a_higher_rank_nor_shuts_themselves_out(app: Harness, action: str) -> None:
    caller, headers = await administrator(app, "PLATFORM_ADMIN")
    above = await app.make_user(global_role="PLATFORM_SUPERADMIN")

    async def act(target: Person) -> Any:
        path = f"{ADMIN}/users/{await number_of(app, target)}"
        method, path = ("DELETE", path) if action == "delete" else ("POST", f"{path}/{action}")
        return await app.http.request(method, path, headers=headers)

    reply = await act(above)
    assert (reply.status_code, reply.json()) == (403, {"error": "this account is out of your reach"})
    assert await app.db.fetchval("SELECT is_active AND token_version = 1 FROM users WHERE id = $1", above.id)
    if action in {"block", "delete"}:
        assert (await act(caller)).status_code == 400


async def test_superadmins_are_made_and_unmade_by_superadmins(app: Harness) -> None:
    root, headers = await administrator(app)
    _, lesser = await administrator(app, "PLATFORM_ADMIN")
    made = await application(app)
    person = await member(app, made, "admin")
    base = f"{ADMIN}/superadmins"
    assert (await app.http.post(base, json={"email": person.email}, headers=lesser)).status_code == 403
    assert (await app.http.get(base, headers=lesser)).status_code == 403
    promoted = await app.http.post(base, json={"email": person.email}, headers=headers)
    assert promoted.status_code == 201, promoted.text
    number = promoted.json()["id"]
    assert await app.db.fetchval("SELECT count(*) FROM app_members WHERE user_id = $1", person.id) == 0
    listed = (await app.http.get(base, headers=headers)).json()
    assert {number, await number_of(app, root)} <= {entry["id"] for entry in listed}
    assert set(listed[0]) == {"id", "email", "name", "created_at"}
    renamed = await app.http.put(f"{base}/{number}", json={"name": "New Name"}, headers=headers)
    assert renamed.json()["name"] == "New Name"
    assert (await app.http.get(f"{base}/{number}", headers=headers)).json() == renamed.json()
    assert (await app.http.delete(f"{base}/{await number_of(app, root)}", headers=headers)).status_code == 400
    assert (await app.http.delete(f"{base}/{number}", headers=headers)).status_code == 204
    assert (await app.http.get(f"{base}/{number}", headers=headers)).status_code == 404
    assert (await app.http.post(base, json={"email": "nobody@example.com"}, headers=headers)).status_code == 400


async def test_what_happened_is_listed_for_all_and_for_one_application(app: Harness) -> None:
    _, headers = await administrator(app)
    made = await application(app)
    admin = await member(app, made, "admin")
    own = bearer(await user_token(app, admin, made.client))
    path = f"{MANAGE}/api/apps/{made.client.number}/users"
    added = (await app.http.post(path, json={"email": f"e-{secrets.token_hex(5)}@example.com", "role": "user"},
                                 headers=own)).json()  # fmt: skip
    logs = (await app.http.get(f"{MANAGE}/api/apps/{made.client.number}/logs", headers=own)).json()
    assert (logs["page"], logs["page_size"]) == (1, 20)
    newest = logs["logs"][0]
    assert (newest["event_type"], newest["user_id"], newest["app_id"], newest["success"]) == (
        "app.member.added", added["user_id"], made.client.number, True,
    )  # fmt: skip
    assert isinstance(newest["id"], int)
    params = {"app_id": made.client.number, "page_size": "1"}
    events = (await app.http.get(f"{ADMIN}/security/events", params=params, headers=headers)).json()
    assert events["events"] == [newest]
    assert events["total_count"] == logs["total_count"]
    told = (await app.http.get(f"{ADMIN}/security/events", params={"event_type": "no.such"}, headers=headers)).json()
    assert told == {"events": [], "total_count": 0, "page": 1, "page_size": 20}
    assert (await app.http.get(f"{ADMIN}/security/events", headers=own)).status_code == 403
    other = bearer(await user_token(app, await member(app, made, "manager"), made.client))
    assert (await app.http.get(f"{MANAGE}/api/apps/{made.client.number}/logs", headers=other)).status_code == 403


async def test_signing_in_by_password_can_be_switched_off(app: Harness) -> None:
    """The route's own answer; the setting is one word of the configuration."""
    from identry.flows.login import administration
    from identry.signin import PasswordLoginDisabled

    rows = administration.operations(None, None, None, enabled=False)  # type: ignore[arg-type]  # neither is reached
    with pytest.raises(PasswordLoginDisabled):
        await rows[0].handler(None)  # type: ignore[arg-type]
    assert PasswordLoginDisabled.api_error == "password_login_disabled"
