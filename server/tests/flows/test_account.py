"""GET /auth/me: the caller as the database knows it now."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from harness import Harness


async def test_me_shows_the_user_with_every_membership(app: Harness) -> None:
    person = await app.signed_in(full_name="Ada Lovelace", phone_number="+65 1", global_role="PLATFORM_MODERATOR")
    company, former, unit = uuid4(), uuid4(), uuid4()
    await app.join(person, company, "MANAGER")
    await app.join(person, former, "VIEWER", is_active=False)
    await app.join_unit(person, company, unit, "ADMIN")
    reply = await app.http.get("/auth/me", headers=person.bearer)
    assert reply.status_code == 200
    data = reply.json()["data"]
    assert set(data) == {
        "id", "email", "fullName", "globalRole", "isActive", "approvalStatus", "authProvider", "phoneNumber",
        "profilePictureUrl", "emailVerified", "mfaEnabled", "lastLoginAt", "createdAt", "updatedAt",
        "companyMemberships", "businessUnitMemberships",
    }  # fmt: skip
    assert (data["id"], data["email"], data["fullName"]) == (str(person.id), person.email, "Ada Lovelace")
    companies = {m["companyId"]: m for m in data["companyMemberships"]}
    assert {key: (m["role"], m["isActive"]) for key, m in companies.items()} == {
        str(company): ("MANAGER", True),
        str(former): ("VIEWER", False),
    }
    assert set(companies[str(company)]) == {"id", "companyId", "role", "isActive", "createdAt", "updatedAt"}
    [in_unit] = data["businessUnitMemberships"]
    assert set(in_unit) == {"id", "companyId", "businessUnitId", "role", "isActive", "createdAt", "updatedAt"}
    assert (in_unit["companyId"], in_unit["businessUnitId"], in_unit["role"]) == (str(company), str(unit), "ADMIN")


async def test_me_without_memberships_has_empty_lists(app: Harness) -> None:
    person = await app.signed_in()
    data = (await app.http.get("/auth/me", headers=person.bearer)).json()["data"]
    assert data["companyMemberships"] == data["businessUnitMemberships"] == []


async def test_changes_show_at_once_without_a_new_token(app: Harness) -> None:
    person = await app.signed_in()
    company = uuid4()
    await app.join(person, company, "ADMIN")
    await app.join(person, company, "ADMIN", is_active=False)
    await app.db.execute("UPDATE users SET full_name = 'Renamed' WHERE id = $1", person.id)
    data = (await app.http.get("/auth/me", headers=person.bearer)).json()["data"]
    assert data["fullName"] == "Renamed"
    assert data["companyMemberships"][0]["isActive"] is False


async def test_of_many_at_once_each_is_told_of_their_own_session(app: Harness) -> None:
    people = [await app.signed_in() for _ in range(6)]
    ended = people[::2]
    for person in ended:  # in the database alone: no mark tells of it
        await app.db.execute("UPDATE sessions SET revoked_at = now() WHERE user_id = $1", person.id)
    replies = await asyncio.gather(
        *(app.http.get("/auth/me", headers=person.bearer) for person in people for _ in range(4))
    )
    told = [(reply.status_code, reply.json().get("data", {}).get("id")) for reply in replies]
    expected = [(401, None) if person in ended else (200, str(person.id)) for person in people for _ in range(4)]
    assert told == expected


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE users SET is_active = false WHERE id = $1",
        "UPDATE users SET approval_status = 'REJECTED' WHERE id = $1",
        "UPDATE users SET token_version = token_version + 1 WHERE id = $1",
        "UPDATE sessions SET revoked_at = now() WHERE user_id = $1",
        "UPDATE sessions SET expires_at = created_at WHERE user_id = $1",
        "UPDATE sessions SET user_id = gen_random_uuid() WHERE user_id = $1",
        "DELETE FROM users WHERE id = $1",
    ],
)
async def test_a_session_that_counts_no_more_is_revoked(app: Harness, change: str) -> None:
    person = await app.signed_in()
    await app.db.execute(change, person.id)
    reply = await app.http.get("/auth/me", headers=person.bearer)
    assert (reply.status_code, reply.json()["error"]["code"]) == (401, "session_revoked")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic dTpw"},
        {"Authorization": "Bearer a b"},
        {"Authorization": "Bearer not-a-token"},
        {"Authorization": "Token x.y.z"},
    ],
)
async def test_without_a_usable_bearer_it_is_401(app: Harness, headers: dict[str, str]) -> None:
    reply = await app.http.get("/auth/me", headers=headers)
    assert (reply.status_code, reply.json()["error"]["code"]) == (401, "unauthorized")
    assert reply.headers["WWW-Authenticate"].startswith("Bearer")


async def test_the_scheme_is_compared_without_case(app: Harness) -> None:
    person = await app.signed_in()
    reply = await app.http.get("/auth/me", headers={"Authorization": f"bEARER {person.access_token}"})
    assert reply.status_code == 200


async def test_two_authorization_headers_are_refused(app: Harness) -> None:
    person = await app.signed_in()
    twice: Any = [("Authorization", f"Bearer {person.access_token}")] * 2
    reply = await app.http.get("/auth/me", headers=twice)
    assert reply.status_code == 401
