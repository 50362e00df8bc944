"""The machine routes: by key alone, and only where a key is configured."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from harness import BASE_ENV, Harness, Servers, running

KEY = {"X-Internal-API-Key": BASE_ENV["INTERNAL_API_KEY"]}
ROUTES = [
    ("POST", "/internal/sessions/{id}/revoke"),
    ("POST", "/internal/users/{id}/revoke-all"),
    ("GET", "/internal/users/{id}/context"),
]


async def test_one_session_ends_and_the_others_live(app: Harness) -> None:
    person = await app.signed_in()
    first, token = person.session_id, dict(person.bearer)
    await app.sign_in(person)
    for _ in range(2):
        reply = await app.http.post(f"/internal/sessions/{first}/revoke", headers=KEY)
        assert reply.status_code == 200, reply.text
        assert reply.json() == {"success": True, "data": {"sessionId": first, "revoked": True}}
    ended = await app.http.get("/auth/me", headers=token)
    assert (ended.status_code, ended.json()["error"]["code"]) == (401, "session_revoked")
    assert (await app.http.get("/auth/me", headers=person.bearer)).status_code == 200
    [row] = await app.audit("session.revoked", target_user_id=person.id)
    assert (row["actor_type"], row["actor_user_id"], str(row["session_id"])) == ("machine", None, first)


async def test_every_session_ends_and_the_version_rises(app: Harness) -> None:
    person = await app.signed_in()
    await app.sign_in(person)
    reply = await app.http.post(f"/internal/users/{person.id}/revoke-all", headers=KEY)
    assert reply.json()["data"] == {"userId": str(person.id), "revokedSessions": 2, "tokenVersion": 2}
    assert (await app.http.get("/auth/me", headers=person.bearer)).status_code == 401
    refreshed = await app.http.post("/auth/refresh", json={"refreshToken": person.refresh_token})
    assert refreshed.status_code == 401
    again = await app.http.post(f"/internal/users/{person.id}/revoke-all", headers=KEY)
    assert again.json()["data"] == {"userId": str(person.id), "revokedSessions": 0, "tokenVersion": 3}
    rows = await app.audit("user.sessions_revoked", target_user_id=person.id)
    assert [row["actor_type"] for row in rows] == ["machine", "machine"]


async def test_the_context_is_what_the_owner_sees(app: Harness) -> None:
    person, company = await app.signed_in(), uuid4()
    await app.join(person, company, "MEMBER")
    await app.join_unit(person, company, uuid4(), "VIEWER")
    me = (await app.http.get("/auth/me", headers=person.bearer)).json()["data"]
    context = (await app.http.get(f"/internal/users/{person.id}/context", headers=KEY)).json()["data"]
    assert context == me
    assert len(context["companyMemberships"]) == len(context["businessUnitMemberships"]) == 1


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_unknown_ids_are_404_and_malformed_ones_400(app: Harness, method: str, path: str) -> None:
    unknown = await app.http.request(method, path.format(id=uuid4()), headers=KEY)
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "not_found")
    for text in ("x", "0", uuid4().hex, f"{{{uuid4()}}}", f"{uuid4()}%00", "%F0%9F%92%A9"):
        malformed = await app.http.request(method, path.format(id=text), headers=KEY)
        assert (malformed.status_code, malformed.json()["error"]["code"]) == (400, "validation_error"), text
        stranger = await app.http.request(method, path.format(id=text))
        assert stranger.status_code == 401, "who is not let in learns only that"


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_only_the_key_opens_them(app: Harness, method: str, path: str) -> None:
    staff = await app.signed_in(global_role="PLATFORM_SUPERADMIN")
    target = await app.signed_in()
    url = path.format(id=target.session_id if "sessions" in path else target.id)
    before = len(await app.audit("internal_key.rejected"))
    headers: list[dict[str, Any]] = [
        {},
        staff.bearer,
        {"X-Internal-API-Key": ""},
        {"X-Internal-API-Key": "internal-" + "b" * 32},
        {"X-Internal-API-Key": KEY["X-Internal-API-Key"] + "x"},
        {"Authorization": f"Bearer {KEY['X-Internal-API-Key']}"},
    ]
    for header in headers:
        reply = await app.http.request(method, url, headers=header)
        assert (reply.status_code, reply.json()["error"]["code"]) == (401, "unauthorized"), header
    rejected = await app.audit("internal_key.rejected")
    assert len(rejected) > before
    assert KEY["X-Internal-API-Key"] not in str(rejected)
    assert (await app.http.get("/auth/me", headers=target.bearer)).status_code == 200


async def test_without_a_configured_key_they_do_not_exist(servers: Servers) -> None:
    async with running(servers, INTERNAL_API_KEY="") as bare:
        for method, path in ROUTES:
            for headers in (KEY, {"X-Internal-API-Key": ""}):
                reply = await bare.http.request(method, path.format(id=uuid4()), headers=headers)
                assert (reply.status_code, reply.json()["error"]["code"]) == (404, "not_found")
