"""POST /auth/register: an account that waits, its mail, its audit row, and nothing more."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

import pytest
from harness import PASSWORD, Harness, Servers, running
from letters import letters

from identry.records import users

Reply = Any


def address() -> str:
    return f"new-{secrets.token_hex(6)}@example.com"


async def register(app: Harness, ip: str = "", **body: object) -> Reply:
    body = {"email": address(), "password": PASSWORD, "fullName": "Ada Lovelace"} | body
    return await app.http.post("/auth/register", json=body, headers={"X-Forwarded-For": ip or app.fresh_ip()})


async def test_the_account_waits_for_approval_and_no_tokens_are_given(app: Harness) -> None:
    email = address()
    reply = await register(app, email=email)
    assert reply.status_code == 201
    body = reply.json()
    assert set(body) == {"success", "data"}
    assert set(body["data"]) == {"user"}
    user = body["data"]["user"]
    assert set(user) == {
        "id", "email", "fullName", "globalRole", "isActive", "approvalStatus", "authProvider", "phoneNumber",
        "profilePictureUrl", "emailVerified", "mfaEnabled", "lastLoginAt", "createdAt", "updatedAt",
    }  # fmt: skip
    assert (user["email"], user["fullName"], user["globalRole"]) == (email, "Ada Lovelace", "NONE")
    assert (user["approvalStatus"], user["isActive"], user["emailVerified"]) == ("PENDING", False, False)
    assert (user["authProvider"], user["phoneNumber"], user["profilePictureUrl"]) == ("password", None, None)
    assert user["lastLoginAt"] is None
    stored = await users.find_by_email(app.db, email)
    assert stored.password_hash.startswith("$argon2id$")
    assert PASSWORD not in stored.password_hash


async def test_it_is_mailed_and_audited(app: Harness) -> None:
    email = address()
    user_id = (await register(app, email=email)).json()["data"]["user"]["id"]
    [letter] = await letters(app, email)
    assert (letter.template, letter.context) == ("registration_pending", {"full_name": "Ada Lovelace"})
    [row] = await app.audit(target_user_id=user_id)
    assert (row["event"], row["actor_type"], row["outcome"]) == ("user.registered", "anonymous", "success")


async def test_login_says_pending_until_staff_approve(app: Harness) -> None:
    email = address()
    await register(app, email=email)
    body = {"email": email, "password": PASSWORD}
    reply = await app.http.post("/auth/login", json=body, headers={"X-Forwarded-For": app.fresh_ip()})
    assert reply.json()["error"]["code"] == "pending_approval"
    await app.db.execute("UPDATE users SET approval_status = 'APPROVED', is_active = true WHERE email = $1", email)
    reply = await app.http.post("/auth/login", json=body, headers={"X-Forwarded-For": app.fresh_ip()})
    assert reply.status_code == 200


async def test_optional_fields_are_kept_and_empty_ones_are_absent(app: Harness) -> None:
    full = await register(app, phoneNumber=" +65 6123 4567 ", profilePictureUrl="https://example.com/a.png")
    assert full.json()["data"]["user"]["phoneNumber"] == "+65 6123 4567"
    assert full.json()["data"]["user"]["profilePictureUrl"] == "https://example.com/a.png"
    for empty in ("", None):
        reply = await register(app, phoneNumber=empty, profilePictureUrl=empty)
        assert reply.status_code == 201, reply.text
        assert reply.json()["data"]["user"]["phoneNumber"] is None
        assert reply.json()["data"]["user"]["profilePictureUrl"] is None


async def test_what_an_account_is_cannot_be_chosen(app: Harness) -> None:
    reply = await register(
        app, globalRole="PLATFORM_SUPERADMIN", isActive=True, approvalStatus="APPROVED", emailVerified=True, id="x",
        tokenVersion=99, legacyIds={"a": 1}, mfaEnabled=True,
    )  # fmt: skip
    user = reply.json()["data"]["user"]
    assert (user["globalRole"], user["isActive"], user["approvalStatus"]) == ("NONE", False, "PENDING")
    assert (user["emailVerified"], user["mfaEnabled"]) == (False, False)


async def test_a_taken_address_is_409_however_it_is_spelled(app: Harness) -> None:
    person = await app.make_user()
    for email in (person.email, person.email.upper(), f"  {person.email} "):
        reply = await register(app, email=email)
        assert (reply.status_code, reply.json()["error"]["code"]) == (409, "conflict")
    assert await letters(app, person.email) == []
    assert await app.audit("user.registered", target_user_id=person.id) == []


async def test_of_many_at_once_one_gets_the_address(app: Harness) -> None:
    email = address()
    replies = await asyncio.gather(*(register(app, email=email) for _ in range(12)))
    assert sorted(reply.status_code for reply in replies) == [201] + [409] * 11
    assert len(await letters(app, email)) == 1


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ({"email": "nobody"}, {"email": "format"}),
        ({"email": "a@b@example.com"}, {"email": "format"}),
        ({"email": "ädä@example.com"}, {"email": "format"}),
        ({"email": "a\u0000@example.com"}, {"email": "format"}),
        ({"email": "x" * 250 + "@example.com"}, {"email": "length"}),
        ({"password": 12345678}, {"password": "type"}),
        ({"password": "short"}, {"password": "min_length"}),
        ({"password": "x" * 257}, {"password": "max_length"}),
        ({"password": "password1"}, {"password": "common"}),
        ({"password": "with\u0000zero byte"}, {"password": "format"}),
        ({"fullName": ""}, {"fullName": "format"}),
        ({"fullName": "   "}, {"fullName": "format"}),
        ({"fullName": "Ada\nBcc: x"}, {"fullName": "format"}),
        ({"fullName": "x" * 201}, {"fullName": "length"}),
        ({"fullName": None}, {"fullName": "type"}),
        ({"phoneNumber": "call me"}, {"phoneNumber": "format"}),
        ({"phoneNumber": "1" * 33}, {"phoneNumber": "length"}),
        ({"profilePictureUrl": "javascript:alert(1)"}, {"profilePictureUrl": "format"}),
        ({"profilePictureUrl": "http://" + "x" * 2048}, {"profilePictureUrl": "length"}),
        ({"authProvider": "google"}, {"authProvider": "enum"}),
        ({"authProvider": ""}, {"authProvider": "enum"}),
        ({"email": 1, "password": None, "fullName": []}, {"email": "type", "password": "type", "fullName": "type"}),
    ],
)
async def test_a_bad_body_names_every_faulty_field(app: Harness, body: dict[str, Any], faults: dict[str, str]) -> None:
    reply = await register(app, **body)
    assert reply.status_code == 400, reply.text
    error = reply.json()["error"]
    assert error["code"] == "validation_error"
    assert {fault["field"]: fault["rule"] for fault in error["details"]["fields"]} == faults
    assert str(body.get("password")) not in reply.text or not isinstance(body.get("password"), str)


async def test_missing_fields_are_all_named(app: Harness) -> None:
    reply = await app.http.post("/auth/register", json={})
    fields = {fault["field"]: fault["rule"] for fault in reply.json()["error"]["details"]["fields"]}
    assert fields == {"email": "required", "password": "required", "fullName": "required"}


async def test_the_name_before_the_at_is_no_password(app: Harness) -> None:
    reply = await register(app, email="correct.horse.battery@example.com", password="Correct.Horse.Battery")
    assert reply.json()["error"]["details"]["fields"][0]["rule"] == "email"


async def test_ten_an_hour_for_each_client_address(app: Harness) -> None:
    ip = app.fresh_ip()
    codes = [(await register(app, ip=ip)).status_code for _ in range(11)]
    assert codes == [201] * 10 + [429]


@pytest.mark.parametrize(
    ("env", "code"),
    [
        ({"PUBLIC_REGISTRATION_ENABLED": "false"}, "registration_disabled"),
        ({"AUTH_POLICY": "restricted"}, "password_login_disabled"),
        ({"PUBLIC_REGISTRATION_ENABLED": "false", "AUTH_POLICY": "restricted"}, "registration_disabled"),
    ],
)
async def test_where_it_is_closed_it_is_403_and_nothing_is_written(
    servers: Servers, env: dict[str, str], code: str
) -> None:
    async with running(servers, **env) as app:
        email = address()
        reply = await register(app, email=email)
        assert (reply.status_code, reply.json()["error"]["code"]) == (403, code)
        assert await users.find_by_email(app.db, email) is None
