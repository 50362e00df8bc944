"""Accepting an invitation: GET /auth/invitations/{token}, POST /auth/invitations/accept."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from harness import PASSWORD, Harness
from offers import accept, assert_refused, look, offer, roles

from identry.records import memberships, users


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
