"""Accepting: GET /auth/invitations/{token}, POST /auth/invitations/accept."""

from __future__ import annotations

import asyncio
import json
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from harness import PASSWORD, Harness, Person, Servers, running
from letters import letters

from identry.records import memberships, users

Reply = Any


@dataclass
class Offer:
    """An open invitation."""

    token: str
    email: str
    company: UUID
    inviter: Person
    id: str


async def offer(
    app: Harness, email: str = "", role: str = "MEMBER", unit: UUID | None = None, inviter_role: str = "OWNER"
) -> Offer:
    company, email = uuid4(), email or f"guest-{secrets.token_hex(6)}@example.com"
    inviter = await app.signed_in()
    await app.join(inviter, company, inviter_role)
    body = {"email": email, "role": role, "businessUnitId": str(unit) if unit else None}
    reply = await app.http.post(f"/internal/companies/{company}/invitations", json=body, headers=inviter.bearer)
    assert reply.status_code == 201, reply.text
    token = (await letters(app, email, "invitation"))[0].context["token"]
    return Offer(token, email, company, inviter, reply.json()["data"]["invitation"]["id"])


async def accept(
    app: Harness, token: object, password: object = PASSWORD, full_name: object = "Gil Guest", ip: str = ""
) -> Reply:
    return await app.http.post(
        "/auth/invitations/accept",
        json={"token": token, "password": password, "fullName": full_name},
        headers={"X-Forwarded-For": ip or app.fresh_ip()},
    )


async def look(app: Harness, token: str) -> Reply:
    return await app.http.get(f"/auth/invitations/{token}")


async def roles(app: Harness, email: str) -> list[tuple[UUID, str, bool]]:
    user = await users.find_by_email(app.db, email)
    return [(m.company_id, m.role, m.is_active) for m in await memberships.companies_of(app.db, user.id)]


def assert_refused(reply: Reply, status: int, code: str) -> None:
    assert (reply.status_code, reply.json()["error"]["code"]) == (status, code), reply.text


async def test_the_holder_sees_what_is_offered(app: Harness) -> None:
    made = await offer(app, role="MANAGER")
    reply = await look(app, made.token)
    assert reply.status_code == 200
    data = reply.json()["data"]
    assert set(data) == {"email", "companyId", "role", "expiresAt"}
    assert (data["email"], data["companyId"], data["role"]) == (made.email, str(made.company), "MANAGER")


async def test_a_newcomer_gets_an_account_a_membership_and_a_session(app: Harness) -> None:
    made = await offer(app, role="MANAGER")
    reply = await accept(app, made.token)
    assert reply.status_code == 200, reply.text
    data = reply.json()["data"]
    assert set(data) == {
        "accessToken", "tokenType", "expiresIn", "refreshToken", "refreshExpiresIn", "sessionId", "user",
    }  # fmt: skip
    user = data["user"]
    assert (user["email"], user["fullName"], user["globalRole"]) == (made.email, "Gil Guest", "NONE")
    assert (user["approvalStatus"], user["isActive"], user["emailVerified"]) == ("APPROVED", True, True)
    assert await roles(app, made.email) == [(made.company, "MANAGER", True)]
    me = await app.http.get("/auth/me", headers={"Authorization": f"Bearer {data['accessToken']}"})
    assert me.json()["data"]["companyMemberships"][0]["role"] == "MANAGER"
    events = [row["event"] for row in await app.audit(target_user_id=UUID(user["id"]))]
    assert events == ["user.created", "membership.company.created", "invitation.accepted", "auth.login.succeeded"]
    [row] = await app.audit("invitation.accepted", company_id=made.company)
    assert json.loads(row["details"]) == {"invitationId": made.id, "role": "MANAGER", "newAccount": True}


async def test_a_business_unit_is_joined_with_the_company(app: Harness) -> None:
    unit = uuid4()
    made = await offer(app, role="VIEWER", unit=unit)
    user = (await accept(app, made.token)).json()["data"]["user"]
    [in_unit] = await memberships.business_units_of(app.db, UUID(user["id"]))
    assert (in_unit.company_id, in_unit.business_unit_id, in_unit.role) == (made.company, unit, "VIEWER")
    assert len(await app.audit("membership.business_unit.created", company_id=made.company)) == 1


async def test_an_existing_account_joins_by_its_password_and_keeps_its_name(app: Harness) -> None:
    person = await app.make_user(full_name="Old Name", email_verified=False)
    made = await offer(app, person.email)
    reply = await accept(app, made.token, full_name="Other Name")
    assert reply.status_code == 200
    assert reply.json()["data"]["user"]["id"] == str(person.id)
    user = await users.find(app.db, person.id)
    assert (user.full_name, user.email_verified, user.token_version) == ("Old Name", True, 1)
    assert await roles(app, person.email) == [(made.company, "MEMBER", True)]


async def test_without_its_password_an_existing_account_is_not_touched(app: Harness) -> None:
    person = await app.make_user(email_verified=False)
    made = await offer(app, person.email)
    assert_refused(await accept(app, made.token, "another passphrase"), 401, "unauthorized")
    assert await roles(app, person.email) == []
    assert (await users.find(app.db, person.id)).email_verified is False
    assert [row["event"] for row in await app.audit(target_user_id=person.id)] == ["auth.login.failed"]
    assert (await accept(app, made.token)).status_code == 200, "the invitation stayed open"


async def test_an_account_without_password_cannot_be_taken_over(app: Harness) -> None:
    person = await app.make_user(password_hash=None, auth_provider="google")
    made = await offer(app, person.email)
    assert_refused(await accept(app, made.token), 401, "unauthorized")


async def test_guessing_the_password_meets_the_limit_of_sign_in(app: Harness) -> None:
    person = await app.make_user()
    made, ip = await offer(app, person.email), app.fresh_ip()
    for _ in range(10):
        assert_refused(await accept(app, made.token, "wrong password", ip=ip), 401, "unauthorized")
    assert_refused(await accept(app, made.token, ip=ip), 429, "rate_limited")
    login = await app.http.post(
        "/auth/login", json={"email": person.email, "password": PASSWORD}, headers={"X-Forwarded-For": ip}
    )
    assert_refused(login, 429, "rate_limited")
    assert (await accept(app, made.token)).status_code == 200


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"is_active": False}, "account_inactive"),
        ({"approval_status": "REJECTED"}, "registration_rejected"),
        ({"approval_status": "PENDING", "is_active": False}, "pending_approval"),
    ],
)
async def test_a_closed_gate_stops_acceptance_and_keeps_the_invitation(
    app: Harness, fields: dict[str, Any], code: str
) -> None:
    person = await app.make_user(**fields)
    made = await offer(app, person.email)
    assert_refused(await accept(app, made.token), 403, code)
    assert await roles(app, person.email) == []
    assert (await look(app, made.token)).status_code == 200


async def test_a_second_factor_is_still_asked_for(app: Harness) -> None:
    person = await app.make_user(mfa_enabled=True)
    made = await offer(app, person.email)
    reply = await accept(app, made.token)
    assert_refused(reply, 403, "mfa_required")
    assert "mfaToken" in reply.json()["error"]["details"]
    assert await app.db.fetchval("SELECT count(*) FROM sessions WHERE user_id = $1", person.id) == 0
    assert await roles(app, person.email) == [(made.company, "MEMBER", True)]


async def test_it_works_once(app: Harness) -> None:
    made = await offer(app)
    assert (await accept(app, made.token)).status_code == 200
    assert_refused(await accept(app, made.token), 409, "conflict")
    assert_refused(await look(app, made.token), 409, "conflict")
    delete = await app.http.delete(
        f"/internal/companies/{made.company}/invitations/{made.id}", headers=made.inviter.bearer
    )
    assert_refused(delete, 409, "conflict")


@pytest.mark.parametrize("known", [False, True])
async def test_of_a_hundred_at_once_one_is_accepted(app: Harness, known: bool) -> None:
    made = await offer(app, (await app.make_user()).email if known else "")
    replies = await asyncio.gather(*(accept(app, made.token) for _ in range(100)))
    codes = [reply.status_code for reply in replies]
    assert codes.count(200) == 1
    assert set(codes) <= {200, 409, 503}
    assert len(await app.audit("invitation.accepted", company_id=made.company)) == 1
    user = await users.find_by_email(app.db, made.email)
    assert await app.db.fetchval("SELECT count(*) FROM sessions WHERE user_id = $1", user.id) == 1


async def test_it_ends_after_seven_days(app: Harness) -> None:
    made = await offer(app)
    app.clock.advance(timedelta(days=7, seconds=1))
    assert_refused(await look(app, made.token), 410, "expired")
    assert_refused(await accept(app, made.token), 410, "expired")


@pytest.mark.parametrize("token", ["x", "A" * 43, "%00", "accept", "%C3%A9", "x" * 2000])
async def test_an_unknown_token_is_404(app: Harness, token: str) -> None:
    reply = await look(app, token)
    assert reply.status_code in {404, 405}
    if token not in {"accept", "%00", "%C3%A9"} and len(token) < 1000:
        assert_refused(await accept(app, token), 404, "not_found")


async def test_revoked_is_404(app: Harness) -> None:
    made = await offer(app)
    await app.http.delete(f"/internal/companies/{made.company}/invitations/{made.id}", headers=made.inviter.bearer)
    assert_refused(await look(app, made.token), 404, "not_found")
    assert_refused(await accept(app, made.token), 404, "not_found")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE users SET is_active = false WHERE id = $1",
        "UPDATE company_memberships SET role = 'MEMBER' WHERE user_id = $1",
        "UPDATE company_memberships SET role = 'MANAGER' WHERE user_id = $1",
        "UPDATE company_memberships SET is_active = false WHERE user_id = $1",
        "DELETE FROM users WHERE id = $1",
    ],
)
async def test_who_may_not_invite_any_more_leaves_dead_links(app: Harness, change: str) -> None:
    made = await offer(app, role="ADMIN")
    await app.db.execute(change, made.inviter.id)
    assert_refused(await look(app, made.token), 410, "expired")
    assert_refused(await accept(app, made.token), 410, "expired")
    assert await users.find_by_email(app.db, made.email) is None


async def test_what_somebody_holds_is_neither_lowered_nor_raised(app: Harness) -> None:
    person = await app.make_user()
    made = await offer(app, person.email, role="ADMIN")
    await app.join(person, made.company, "VIEWER")
    assert (await accept(app, made.token)).status_code == 200
    assert await roles(app, person.email) == [(made.company, "VIEWER", True)]


async def test_a_former_member_comes_back_with_the_role_of_the_invitation(app: Harness) -> None:
    person = await app.make_user()
    made_company = uuid4()
    await app.join(person, made_company, "ADMIN", is_active=False)
    inviter = await app.signed_in()
    await app.join(inviter, made_company, "OWNER")
    app.clock.advance(1)
    await app.http.post(
        f"/internal/companies/{made_company}/invitations",
        json={"email": person.email, "role": "VIEWER"},
        headers=inviter.bearer,
    )
    token = (await letters(app, person.email, "invitation"))[0].context["token"]
    assert (await accept(app, token)).status_code == 200
    assert await roles(app, person.email) == [(made_company, "VIEWER", True)]
    assert len(await app.audit("membership.company.updated", company_id=made_company)) == 1


async def test_an_old_link_does_not_undo_a_later_dismissal(app: Harness) -> None:
    person = await app.make_user()
    made = await offer(app, person.email)
    app.clock.advance(1)
    await app.join(person, made.company, "MEMBER")
    await app.join(person, made.company, "MEMBER", is_active=False)
    assert_refused(await accept(app, made.token), 410, "expired")
    assert await roles(app, person.email) == [(made.company, "MEMBER", False)]


async def test_fields_of_the_body_cannot_change_the_offer(app: Harness) -> None:
    made = await offer(app, role="VIEWER")
    reply = await app.http.post(
        "/auth/invitations/accept",
        json={
            "token": made.token, "password": PASSWORD, "fullName": "Gil Guest", "role": "OWNER",
            "companyId": str(uuid4()), "email": "other@example.com", "globalRole": "PLATFORM_SUPERADMIN",
        },
        headers={"X-Forwarded-For": app.fresh_ip()},
    )  # fmt: skip
    assert reply.json()["data"]["user"]["email"] == made.email
    assert reply.json()["data"]["user"]["globalRole"] == "NONE"
    assert await roles(app, made.email) == [(made.company, "VIEWER", True)]


@pytest.mark.parametrize(("password", "rule"), [("short", "min_length"), ("password1", "common")])
async def test_a_refused_password_keeps_the_invitation_open(app: Harness, password: str, rule: str) -> None:
    made = await offer(app)
    reply = await accept(app, made.token, password)
    assert reply.status_code == 400
    assert [(f["field"], f["rule"]) for f in reply.json()["error"]["details"]["fields"]] == [("password", rule)]
    assert (await accept(app, made.token)).status_code == 200


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ({}, {"token": "required", "password": "required", "fullName": "required"}),
        ({"token": 1, "password": 2, "fullName": 3}, {"token": "type", "password": "type", "fullName": "type"}),
        ({"token": "", "password": "x", "fullName": " "}, {"token": "length", "fullName": "format"}),
        ({"token": "x", "password": "x\u0000", "fullName": "a\nb"}, {"password": "format", "fullName": "format"}),
        ({"token": "x", "password": "x", "fullName": "x" * 201}, {"fullName": "length"}),
    ],
)
async def test_a_bad_body_is_400(app: Harness, body: dict[str, Any], faults: dict[str, str]) -> None:
    reply = await app.http.post("/auth/invitations/accept", json=body, headers={"X-Forwarded-For": app.fresh_ip()})
    assert reply.status_code == 400, reply.text
    found = {f["field"]: f["rule"] for f in reply.json()["error"]["details"]["fields"]}
    assert found == faults


async def test_restricted_policy_accepts_nobody_by_password(servers: Servers, app: Harness) -> None:
    made = await offer(app)
    async with running(servers, AUTH_POLICY="restricted") as restricted:
        assert_refused(await accept(restricted, made.token), 403, "password_login_disabled")
    assert (await accept(app, made.token)).status_code == 200


async def test_thirty_tries_a_minute_for_each_client_address(app: Harness) -> None:
    ip = app.fresh_ip()
    replies = await asyncio.gather(*(accept(app, "x", ip=ip) for _ in range(33)))
    assert sorted(reply.status_code for reply in replies) == [404] * 30 + [429] * 3


async def test_tokens_of_other_purposes_are_worthless(app: Harness) -> None:
    person = await app.signed_in()
    await app.http.post("/auth/password-reset/request", json={"email": person.email})
    reset = (await letters(app, person.email, "password_reset"))[0].context["token"]
    made = await offer(app)
    for token in (reset, person.refresh_token, person.access_token[:1000]):
        assert_refused(await accept(app, token), 404, "not_found")
    for path, body in (
        ("/auth/password-reset/confirm", {"token": made.token, "newPassword": "a much better passphrase"}),
        ("/auth/mfa/verify", {"mfaToken": made.token, "code": "123456"}),
        ("/auth/refresh", {"refreshToken": made.token}),
    ):
        reply = await app.http.post(path, json=body, headers={"X-Forwarded-For": app.fresh_ip()})
        assert reply.status_code in {400, 401}, path
    assert (await look(app, made.token)).status_code == 200


async def test_the_token_of_the_path_is_not_logged(
    servers: Servers, app: Harness, capsys: pytest.CaptureFixture[str]
) -> None:
    made = await offer(app)
    async with running(servers) as logged:
        for path in (made.token, made.token + "/", made.token + "%2Fx"):
            await logged.http.get(f"/auth/invitations/{path}")
    out, err = capsys.readouterr()
    assert out.count("/auth/invitations/…") == 3
    assert made.token not in out + err
