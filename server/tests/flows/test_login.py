"""POST /auth/login: what a right password gets, what everything else is told, and what is written down."""

from __future__ import annotations

import base64
import json
import secrets
from datetime import timedelta
from typing import Any

import pytest
from harness import PASSWORD, Harness, Person, Servers, running
from joserfc import jwk, jws

Reply = Any


async def login(app: Harness, email: object, password: object = PASSWORD, ip: str = "", **more: object) -> Reply:
    return await app.http.post(
        "/auth/login",
        json={"email": email, "password": password, **more},
        headers={"X-Forwarded-For": ip or app.fresh_ip()},
    )


async def events_of(app: Harness, person: Person) -> list[str]:
    return [row["event"] for row in await app.audit(target_user_id=person.id)]


async def test_the_answer_is_a_token_pair_and_the_user_and_nothing_else(app: Harness) -> None:
    person = await app.make_user(full_name="Ada Lovelace", phone_number="+65 1")
    reply = await login(app, person.email)
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "application/json"
    body = reply.json()
    assert set(body) == {"success", "data"}
    assert body["success"] is True
    data = body["data"]
    assert set(data) == {
        "accessToken", "tokenType", "expiresIn", "refreshToken", "refreshExpiresIn", "sessionId", "user",
    }  # fmt: skip
    assert data["tokenType"] == "Bearer"
    assert data["expiresIn"] == 86400
    assert data["refreshExpiresIn"] in {2591999, 2592000}
    assert set(data["user"]) == {
        "id", "email", "fullName", "globalRole", "isActive", "approvalStatus", "authProvider", "phoneNumber",
        "profilePictureUrl", "emailVerified", "mfaEnabled", "lastLoginAt", "createdAt", "updatedAt",
    }  # fmt: skip
    assert data["user"]["id"] == str(person.id)
    assert data["user"]["lastLoginAt"].endswith("Z")


async def test_the_access_token_carries_exactly_the_claims_of_the_contract(app: Harness) -> None:
    person = await app.make_user(global_role="PLATFORM_MODERATOR", token_version=7)
    data = (await login(app, person.email)).json()["data"]
    token = data["accessToken"]
    header, claims = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in token.split(".")[:2])
    assert header == {"alg": "RS256", "kid": "default", "typ": "JWT"}
    assert set(claims) == {
        "iss", "aud", "sub", "sid", "jti", "iat", "nbf", "exp", "globalRole", "tokenVersion", "accountType", "type",
        "amr", "auth_time",
    }  # fmt: skip
    assert claims["iss"] == "auth.primuse.dev"
    assert claims["aud"] == "primuse-apps"
    assert claims["sub"] == str(person.id)
    assert claims["sid"] == data["sessionId"]
    assert claims["exp"] - claims["iat"] == 86400
    assert claims["nbf"] == claims["iat"]
    assert claims["globalRole"] == "PLATFORM_MODERATOR"
    assert claims["tokenVersion"] == 7
    assert claims["accountType"] == "internal"
    assert claims["type"] == "access"
    assert claims["amr"] == ["pwd"]
    assert abs(claims["auth_time"] - claims["iat"]) <= 1


async def test_a_sign_in_is_audited_with_its_session_and_origin(app: Harness) -> None:
    person = await app.make_user()
    ip = app.fresh_ip()
    reply = await app.http.post(
        "/auth/login",
        json={"email": person.email, "password": PASSWORD},
        headers={"X-Forwarded-For": ip, "User-Agent": "probe/1", "X-Request-ID": "trace-1"},
    )
    [row] = await app.audit("auth.login.succeeded", target_user_id=person.id)
    assert str(row["session_id"]) == reply.json()["data"]["sessionId"]
    assert row["actor_user_id"] == person.id
    assert (row["actor_type"], row["outcome"]) == ("user", "success")
    assert row["user_agent"] == "probe/1"
    assert row["request_id"] == "trace-1"
    assert row["ip"] is not None
    assert PASSWORD not in str(row)


@pytest.mark.parametrize("spelling", ["  {}  ", "{}", "upper"])
async def test_the_address_is_trimmed_and_compared_without_case(app: Harness, spelling: str) -> None:
    person = await app.make_user()
    email = person.email.upper() if spelling == "upper" else spelling.format(person.email)
    assert (await login(app, email)).status_code == 200


@pytest.mark.parametrize("account_type", ["", "internal", "auto"])
async def test_these_account_types_are_users_of_this_service(app: Harness, account_type: str) -> None:
    person = await app.make_user()
    assert (await login(app, person.email, accountType=account_type)).status_code == 200


async def test_vendor_is_501_before_anything_is_looked_up(app: Harness) -> None:
    person = await app.make_user()
    reply = await login(app, person.email, accountType="vendor")
    assert reply.status_code == 501
    assert reply.json()["error"]["code"] == "not_implemented"
    assert await events_of(app, person) == []


async def test_every_wrong_credential_is_the_same_401(app: Harness) -> None:
    person = await app.make_user()
    no_password = await app.make_user(password_hash=None, auth_provider="google")
    inactive = await app.make_user(is_active=False)
    pending = await app.make_user(is_active=False, approval_status="PENDING")
    replies = [
        await login(app, person.email, "wrong password"),
        await login(app, person.email, ""),
        await login(app, person.email, PASSWORD + " "),
        await login(app, person.email, "x" * 1000),
        await login(app, f"nobody-{secrets.token_hex(4)}@example.com"),
        await login(app, "not an address at all"),
        await login(app, no_password.email),
        await login(app, inactive.email, "wrong password"),
        await login(app, pending.email, "wrong password"),
    ]
    assert {reply.status_code for reply in replies} == {401}
    assert len({reply.content for reply in replies}) == 1
    assert len({tuple(sorted(set(reply.headers) - {"x-request-id"})) for reply in replies}) == 1
    assert replies[0].json() == {
        "success": False,
        "error": {"code": "unauthorized", "message": "invalid email or password"},
    }


async def test_known_and_unknown_addresses_cost_the_same_statements(app: Harness) -> None:
    person = await app.make_user()
    before = {row["id"] for row in await app.audit("auth.login.failed")}
    await login(app, person.email, "wrong password")
    await login(app, f"nobody-{secrets.token_hex(4)}@example.com", "wrong password")
    rows = [row for row in await app.audit("auth.login.failed") if row["id"] not in before]
    assert {(row["target_user_id"], row["actor_type"], row["outcome"]) for row in rows} == {
        (person.id, "anonymous", "failure"),
        (None, "anonymous", "failure"),
    }
    assert len(rows) == 2


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"approval_status": "REJECTED", "is_active": False}, "registration_rejected"),
        ({"approval_status": "REJECTED"}, "registration_rejected"),
        ({"approval_status": "PENDING", "is_active": False}, "pending_approval"),
        ({"approval_status": "PENDING"}, "pending_approval"),
        ({"is_active": False}, "account_inactive"),
        ({"is_active": False, "mfa_enabled": True}, "account_inactive"),
    ],
)
async def test_a_gate_is_told_only_after_the_right_password(app: Harness, fields: dict[str, Any], code: str) -> None:
    person = await app.make_user(**fields)
    reply = await login(app, person.email)
    assert reply.status_code == 403
    assert reply.json()["error"]["code"] == code
    assert await events_of(app, person) == ["auth.login.blocked"]
    assert await app.db.fetchval("SELECT count(*) FROM sessions WHERE user_id = $1", person.id) == 0
    assert (await login(app, person.email, "wrong password")).json()["error"]["code"] == "unauthorized"


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"email": "required", "password": "required"}),
        ({"email": 1, "password": None}, {"email": "type", "password": "type"}),
        ({"email": "x" * 255, "password": "x" * 1025}, {"email": "length", "password": "length"}),
        ({"email": "a@example.com", "password": "x", "accountType": "admin"}, {"accountType": "enum"}),
        ({"email": "a@example.com", "password": "x", "accountType": None}, {"accountType": "type"}),
        ({"email": "a\x00@example.com", "password": "x"}, {"email": "format"}),
        ({"email": "a\r\nb@example.com", "password": "x"}, {"email": "format"}),
        ({"email": "a@example.com", "password": "x\x00"}, {"password": "format"}),
        ({"email": ["a@example.com"], "password": {}}, {"email": "type", "password": "type"}),
    ],
)
async def test_a_bad_body_names_every_faulty_field(app: Harness, body: dict[str, Any], fields: dict[str, str]) -> None:
    reply = await app.http.post("/auth/login", json=body)
    assert reply.status_code == 400, reply.text
    error = reply.json()["error"]
    assert error["code"] == "validation_error"
    assert {f["field"]: f["rule"] for f in error["details"]["fields"]} == fields


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"{} {}", b"[" * 10_000])
async def test_what_is_not_a_json_object_is_400(app: Harness, raw: bytes) -> None:
    reply = await app.http.post("/auth/login", content=raw, headers={"Content-Type": "application/json"})
    assert reply.status_code == 400
    assert reply.json()["error"]["code"] == "validation_error"


async def test_other_content_types_are_415(app: Harness) -> None:
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        reply = await app.http.post("/auth/login", content=b"{}", headers={"Content-Type": content_type})
        assert reply.status_code == 415, content_type
        assert reply.json()["error"]["code"] == "unsupported_media_type"


async def test_unknown_keys_are_ignored_and_change_nothing(app: Harness) -> None:
    person = await app.make_user()
    reply = await login(app, person.email, globalRole="PLATFORM_SUPERADMIN", userId="x", isActive=True)
    assert reply.status_code == 200
    assert reply.json()["data"]["user"]["globalRole"] == "NONE"


async def test_restricted_policy_disables_passwords_before_looking_anybody_up(servers: Servers) -> None:
    async with running(servers, AUTH_POLICY="restricted") as app:
        person = await app.make_user()
        for password in (PASSWORD, "wrong password"):
            reply = await login(app, person.email, password)
            assert reply.status_code == 403
            assert reply.json()["error"]["code"] == "password_login_disabled"
        assert await events_of(app, person) == []


async def test_a_session_dies_with_its_horizon(app: Harness) -> None:
    person = await app.signed_in()
    assert (await app.http.get("/auth/me", headers=person.bearer)).status_code == 200
    app.clock.advance(timedelta(hours=25))
    reply = await app.http.get("/auth/me", headers=person.bearer)
    assert (reply.status_code, reply.json()["error"]["code"]) == (401, "unauthorized")


async def test_the_signature_verifies_with_the_published_key(app: Harness) -> None:
    person = await app.signed_in()
    [key] = [k for k in (await app.http.get("/.well-known/jwks.json")).json()["keys"] if k["kid"] == "default"]
    verified = jws.deserialize_compact(person.access_token, jwk.RSAKey.import_key(key), algorithms=["RS256"])
    assert json.loads(verified.payload)["sub"] == str(person.id)
