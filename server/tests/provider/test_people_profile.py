"""What people see and change of themselves through an application (contracts/provider-api.md §3, §7)."""

from __future__ import annotations

from typing import Any

import pyotp
import pytest
from enrolment import code_of, events_of, owner, wrong_code
from harness import Harness, Person
from letters import letters
from provider.applications import App
from provider.callers import bearer, user_token
from provider.people import log_in, member, public_app, user_row

from identry.records import app_members, users

SHOWN = {"id", "email", "name", "role", "is_verified", "created_at", "last_login"}


def error_of(reply: Any) -> tuple[int, str]:
    return reply.status_code, reply.json()["error"]


async def somebody_there(app: Harness) -> tuple[App, Person, dict[str, str]]:
    """A member of a new application, and the header of their token there."""
    made = await public_app(app)
    person = await member(app, made)
    return made, person, bearer((await log_in(app, made, person.email)).json()["access_token"])


@pytest.mark.parametrize("path", ["/api/profile", "/api/userinfo"])
async def test_the_caller_sees_their_own_profile(app: Harness, path: str) -> None:
    _, person, header = await somebody_there(app)
    reply = await app.http.get(path, headers=header)
    assert reply.status_code == 200, reply.text
    body, row = reply.json(), await user_row(app, person.email)
    assert set(body) == SHOWN
    assert (body["id"], body["email"], body["role"], body["is_verified"]) == (row["number"], person.email, "user", True)


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_what_is_sent_changes_and_nothing_else(app: Harness, method: str) -> None:
    _, person, header = await somebody_there(app)
    sent = {
        "name": "Grace Hopper", "title": "Dr", "division": "Navy", "company": "Univac", "country": "US",
        "phone": "+1 555 0100", "job_title": "Rear admiral", "department": "Compilers", "language": "en",
        "timezone": "America/New_York", "avatar_url": "https://example.com/g.png",
    }  # fmt: skip
    reply = await app.http.request(method, "/api/profile", json=sent, headers=header)
    assert reply.status_code == 200, reply.text
    assert {name: reply.json()[name] for name in sent} == sent
    again = await app.http.request(method, "/api/profile", json={"title": "", "avatar_url": ""}, headers=header)
    assert "title" not in again.json()
    assert "avatar_url" not in again.json()
    assert again.json()["division"] == "Navy"
    assert (await app.http.get("/api/profile", headers=header)).json() == again.json()
    assert len(await app.audit("user.profile_changed", target_user_id=person.id)) == 2


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"name": ""},
        {"name": "a\nb"},
        {"title": 5},
        {"avatar_url": "http://example.com/a.png"},
        {"avatar_url": "javascript:alert(1)"},
        {"phone": "call me"},
        {"company": "x" * 201},
        {"email": "else@example.com"},
    ],
)
async def test_what_cannot_be_is_told_and_changes_nothing(app: Harness, sent: dict[str, Any]) -> None:
    _, person, header = await somebody_there(app)
    before = await user_row(app, person.email)
    reply = await app.http.put("/api/profile", json=sent, headers=header)
    assert (reply.status_code, list(reply.json())) == (400, ["error"])
    assert await user_row(app, person.email) == before


async def test_address_password_and_role_are_not_to_be_had_here(app: Harness) -> None:
    _, person, header = await somebody_there(app)
    before = await user_row(app, person.email)
    more = {"email": "x@example.com", "role": "admin", "password": "n" * 12, "is_verified": False, "user_id": 1}
    assert (await app.http.put("/api/profile", json={"title": "Dr", **more}, headers=header)).status_code == 200
    assert await user_row(app, person.email) == before


ROUTES = [
    ("GET", "/api/userinfo", None),
    ("GET", "/api/profile", None),
    ("PUT", "/api/profile", {"title": "Dr"}),
    ("PATCH", "/api/profile", {"title": "Dr"}),
    ("GET", "/api/profile/mfa", None),
    ("POST", "/api/profile/mfa/enroll", None),
    ("POST", "/api/profile/mfa/confirm", {"code": "123456"}),
    ("POST", "/api/profile/mfa/disable", {"code": "123456"}),
    ("POST", "/api/profile/mfa/recovery-codes", {"code": "123456"}),
]


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
async def test_every_route_asks_whose_token_it_is(app: Harness, method: str, path: str, body: Any) -> None:
    made, person, header = await somebody_there(app)
    narrow = bearer(await user_token(app, person, made.client, scopes=("openid",)))
    refused = [
        (await app.http.request(method, path, json=body, headers=headers)).status_code
        for headers in ({}, bearer("nonsense"), (await app.signed_in()).bearer, narrow)
    ]
    assert refused == [401, 401, 401, 403]
    await users.update(app.db, person.id, {}, now=app.clock.now(), bump=True)
    assert (await app.http.request(method, path, json=body, headers=header)).status_code == 401


async def test_a_second_factor_is_set_up_used_renewed_and_removed(app: Harness) -> None:
    made, person, header = await somebody_there(app)
    other = bearer((await log_in(app, made, person.email)).json()["access_token"])

    async def call(name: str, body: Any = None) -> Any:
        return await app.http.post(f"/api/profile/mfa/{name}", json=body, headers=header)

    assert (await app.http.get("/api/profile/mfa", headers=header)).json() == {"enabled": False}
    assert (await call("confirm", {"code": "123456"})).status_code == 409
    assert (await app.http.post("/api/profile/mfa/recovery-codes", headers=header)).status_code == 409
    assert (await call("disable", {"code": "123456"})).status_code == 409
    begun = await app.http.post("/api/profile/mfa/enroll", headers=header)
    assert begun.status_code == 200, begun.text
    secret = begun.json()["secret"]
    assert set(begun.json()) == {"secret", "provisioning_uri"}
    assert pyotp.parse_uri(begun.json()["provisioning_uri"]).secret == secret
    assert error_of(await call("confirm", {"code": wrong_code(app, secret)})) == (400, "invalid mfa code")
    confirmed = await call("confirm", {"code": code_of(app, secret)})
    assert (confirmed.status_code, confirmed.content) == (204, b"")
    assert (await app.http.get("/api/profile/mfa", headers=header)).json() == {"enabled": True}
    assert (await app.http.get("/api/profile/mfa", headers=other)).status_code == 401, "every other session ends"
    assert (await app.http.post("/api/profile/mfa/enroll", headers=header)).status_code == 409
    codes = await app.http.post("/api/profile/mfa/recovery-codes", headers=header)
    assert codes.status_code == 200, codes.text
    assert len(codes.json()["recovery_codes"]) == 10
    assert error_of(await call("disable", {"code": wrong_code(app, secret)})) == (400, "invalid mfa code")
    assert (await call("disable", {"code": codes.json()["recovery_codes"][0]})).status_code == 204
    assert (await user_row(app, person.email))["mfa_enabled"] is False
    assert (await letters(app, person.email))[0].template == "mfa_disabled"
    assert "auth.mfa.disabled" in await events_of(app, person)


async def test_new_recovery_codes_take_a_code_where_the_factor_was_not_proven_a_moment_ago(app: Harness) -> None:
    made, found = await public_app(app), await owner(app)
    await app_members.insert(app.db, made.client.id, found.person.id, "user", invite_sent=False, now=app.clock.now())
    signed_in = await log_in(app, made, found.person.email, mfa_code=found.later())
    header = bearer(signed_in.json()["access_token"])
    await app.db.execute("UPDATE sessions SET amr = '{pwd}' WHERE user_id = $1", found.person.id)
    path = "/api/profile/mfa/recovery-codes"
    assert error_of(await app.http.post(path, headers=header)) == (400, "code: is required")
    assert error_of(await app.http.post(path, json={"code": found.wrong()}, headers=header))[0] == 400
    assert (await app.http.post(path, json={"code": found.later()}, headers=header)).status_code == 200


@pytest.mark.parametrize("name", ["enroll", "confirm", "disable", "recovery-codes"])
async def test_a_second_factor_changes_only_after_a_recent_sign_in(app: Harness, name: str) -> None:
    made = await public_app(app)
    person = await member(app, made)
    header = bearer(await user_token(app, person, made.client, age=601))
    reply = await app.http.post(f"/api/profile/mfa/{name}", json={"code": "123456"}, headers=header)
    assert error_of(reply) == (401, "sign in again to do this")
    assert "insufficient_user_authentication" in reply.headers["www-authenticate"]
