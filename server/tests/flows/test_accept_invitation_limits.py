"""What an invitation cannot do: outlive its inviter, lower a role, be changed by its body, show its token."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from harness import PASSWORD, Harness, Servers, running
from letters import letters
from offers import accept, assert_refused, look, offer, roles

from identry.records import users


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
    where = {"X-Forwarded-For": app.fresh_ip()}
    await app.http.post("/auth/password-reset/request", json={"email": person.email}, headers=where)
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
