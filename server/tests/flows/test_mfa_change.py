"""GET /api/v1/auth/mfa, POST mfa/disable and mfa/recovery-codes: what somebody does with a second factor that is on."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from uuid import UUID

import pytest
from browser import Browser, assert_error, settle, signed_in, tenant
from enrolment import begun, code_of, events_of, owner, somebody_waits
from harness import PASSWORD, Harness, Servers, running
from letters import letters

from identry.records import factors, users


async def test_what_is_shown_of_a_second_factor(app: Harness) -> None:
    browser = await signed_in(app)
    nothing = {"enabled": False, "enrolled_at": None, "recovery_codes_left": 0, "required": False, "warning": None}
    assert (await browser.get("/mfa")).json() == nothing
    await begun(browser)
    assert (await browser.get("/mfa")).json() == nothing, "what is pending is not on"
    found = await owner(app)
    shown = (await found.browser.get("/mfa")).json()
    assert shown["enrolled_at"]
    assert {**shown, "enrolled_at": None} == {**nothing, "enabled": True, "recovery_codes_left": 10}
    assert_error(await Browser(app).get("/mfa"), 401, "invalid_token")


async def test_three_recovery_codes_left_are_worth_a_warning(app: Harness) -> None:
    found = await owner(app)
    for used, code in enumerate(found.codes[:7], start=1):
        ticket = (await Browser(app).login(found.person)).json()["session_token"]
        reply = await found.browser.post("/mfa/verify", {"session_token": ticket, "recovery_code": code})
        assert reply.status_code == 200, reply.text
        shown = (await found.browser.get("/mfa")).json()
        assert shown["recovery_codes_left"] == 10 - used
        assert shown["warning"] == ("few_recovery_codes" if used >= 7 else None)


async def test_every_use_of_a_recovery_code_is_mailed(app: Harness) -> None:
    found = await owner(app)
    for code in found.codes[:2]:
        ticket = (await Browser(app).login(found.person)).json()["session_token"]
        body = {"session_token": ticket, "recovery_code": code}
        assert (await Browser(app).post("/mfa/verify", body)).status_code == 200
        assert (await Browser(app).post("/mfa/verify", body)).status_code == 401
    mails = await letters(app, found.person.email, "mfa_recovery_code_used")
    assert [mail.context["codes_left"] for mail in mails] == ["8", "9"]


@pytest.mark.parametrize("kind", ["totp_code", "recovery_code"])
async def test_a_code_and_the_password_remove_it(app: Harness, kind: str) -> None:
    found = await owner(app)
    other = await found.again()
    code = found.later() if kind == "totp_code" else found.codes[0]
    reply = await found.browser.post("/mfa/disable", {kind: code, "password": PASSWORD})
    assert (reply.status_code, reply.content) == (204, b"")
    assert not (await users.find(app.db, found.person.id)).mfa_enabled
    assert await factors.find(app.db, found.person.id) is None
    assert await factors.count_codes(app.db, found.person.id) == 0
    assert_error(await other.get("/me"), 401, "token_revoked")
    assert_error(await other.post("/refresh"), 401, "token_revoked")
    assert (await found.browser.get("/me")).status_code == 200
    assert (await found.browser.post("/refresh")).status_code == 200
    assert (await Browser(app).login(found.person)).json()["access_token"]
    [row] = await app.audit("auth.mfa.disabled", target_user_id=found.person.id)
    assert json.loads(row["details"]) == {
        "factor": "totp" if kind == "totp_code" else "recovery_code",
        "revokedSessions": 1,
    }
    assert len(await letters(app, found.person.email, "mfa_disabled")) == 1


async def test_it_can_be_set_up_again_afterwards(app: Harness) -> None:
    found = await owner(app)
    reply = await found.browser.post("/mfa/disable", {"totp_code": found.later(), "password": PASSWORD})
    assert reply.status_code == 204
    secret = await begun(found.browser)
    assert secret != found.secret
    reply = await found.browser.post("/mfa/enable", {"totp_code": code_of(app, secret)})
    assert reply.status_code == 200, reply.text
    assert not set(reply.json()["recovery_codes"]) & set(found.codes)


async def test_without_the_password_nothing_happens(app: Harness) -> None:
    found = await owner(app)
    code = found.later()
    missing = await found.browser.post("/mfa/disable", {"totp_code": code})
    assert_error(missing, 400, "validation_error")
    assert missing.json()["error"]["details"]["fields"][0]["field"] == "password"
    wrong = await found.browser.post("/mfa/disable", {"totp_code": code, "password": "not the password"})
    assert_error(wrong, 401, "invalid_credentials")
    assert (await found.browser.get("/mfa")).json()["enabled"] is True
    [row] = await app.audit("auth.mfa.failed", target_user_id=found.person.id)
    assert json.loads(row["details"]) == {"reason": "wrong password"}
    done = await found.browser.post("/mfa/disable", {"totp_code": code, "password": PASSWORD})
    assert done.status_code == 204, "what failed used no code up"


async def test_an_account_without_a_password_needs_only_a_code(app: Harness) -> None:
    found = await owner(app)
    await app.db.execute("UPDATE users SET password_hash = NULL WHERE id = $1", found.person.id)
    assert (await found.browser.post("/mfa/disable", {"totp_code": found.later()})).status_code == 204


async def test_wrong_passwords_count_with_those_of_a_change(app: Harness) -> None:
    found = await owner(app)
    code = found.later()
    for n in range(10):
        path, body = (
            ("/mfa/disable", {"totp_code": code, "password": f"wrong {n}"})
            if n % 2
            else ("/password/change", {"current_password": f"wrong {n}", "new_password": "x" * 20})
        )
        assert_error(await found.browser.post(path, body), 401, "invalid_credentials")
    reply = await found.browser.post("/mfa/disable", {"totp_code": code, "password": PASSWORD})
    assert_error(reply, 429, "rate_limited")


@pytest.mark.parametrize("path", ["/mfa/disable", "/mfa/recovery-codes", "/mfa/step-up"])
async def test_a_wrong_old_or_used_code_is_refused(app: Harness, path: str) -> None:
    found = await owner(app)
    app.clock.advance(300)
    used = found.code()
    assert (await found.browser.post("/mfa/step-up", {"totp_code": used})).status_code == 204
    for code in (found.wrong(), used, found.code(-1), found.code(-4), found.code(3)):
        assert_error(await found.browser.post(path, {"totp_code": code, "password": PASSWORD}), 401, "invalid_code")
    assert (await found.browser.get("/mfa")).json()["enabled"] is True
    rows = await app.audit("auth.mfa.failed", target_user_id=found.person.id)
    assert [json.loads(row["details"])["reason"] for row in rows] == ["wrong code"] * 5


@pytest.mark.parametrize("path", ["/mfa/disable", "/mfa/step-up"])
@pytest.mark.parametrize("codes", [{}, {"totp_code": "123456", "recovery_code": "7q2mk-9x4pa"}], ids=["none", "both"])
async def test_exactly_one_code_is_sent(app: Harness, path: str, codes: dict[str, str]) -> None:
    found = await owner(app)
    assert_error(await found.browser.post(path, {**codes, "password": PASSWORD}), 400, "validation_error")


@pytest.mark.parametrize("path", ["/mfa/disable", "/mfa/recovery-codes", "/mfa/step-up"])
async def test_without_a_second_factor_it_is_a_conflict(app: Harness, path: str) -> None:
    browser = await signed_in(app)
    body = {"totp_code": "123456", "password": PASSWORD}
    assert_error(await browser.post(path, body), 409, "mfa_not_enabled")
    await begun(browser)
    assert_error(await browser.post(path, body), 409, "mfa_not_enabled")


@pytest.mark.parametrize("path", ["/mfa/disable", "/mfa/recovery-codes", "/mfa/step-up"])
@pytest.mark.parametrize("code", [None, 123456, "", "12345", "1234567", "12345x", "123456\n", "1" * 65])
async def test_a_code_of_the_wrong_shape_is_400(app: Harness, path: str, code: object) -> None:
    browser = await signed_in(app)
    assert_error(await browser.post(path, {"totp_code": code, "password": PASSWORD}), 400, "validation_error")


async def test_ten_wrong_codes_lock_every_way_to_use_the_factor(app: Harness) -> None:
    found = await owner(app)
    for n in range(10):
        path = ("/mfa/disable", "/mfa/step-up")[n % 2]
        body = {"totp_code": found.wrong(), "password": PASSWORD}
        assert_error(await found.browser.post(path, body), 401, "invalid_code")
    right = {"totp_code": found.later(), "password": PASSWORD}
    for path in ("/mfa/disable", "/mfa/recovery-codes", "/mfa/step-up"):
        reply = await found.browser.post(path, right)
        assert_error(reply, 429, "rate_limited")
        assert 0 < int(reply.headers["retry-after"]) <= 900
    ticket = (await Browser(app).login(found.person)).json()["session_token"]
    sign_in = {"session_token": ticket, "totp_code": found.code()}
    assert_error(await Browser(app).post("/mfa/verify", sign_in), 429, "rate_limited")
    app.clock.advance(timedelta(minutes=15))
    assert (await found.browser.post("/mfa/step-up", {"totp_code": found.later()})).status_code == 204


async def test_what_is_demanded_cannot_be_removed(app: Harness, servers: Servers) -> None:
    found = await owner(app, mfa_required=False)
    elsewhere = await tenant(app, mfa_required=True)
    await settle(app, found.person, elsewhere)
    body = {"totp_code": found.later(), "password": PASSWORD}
    assert_error(await found.browser.post("/mfa/disable", body), 403, "mfa_required_by_policy")
    assert (await found.browser.get("/mfa")).json()["required"] is True
    await settle(app, found.person, elsewhere, is_active=False)
    assert (await found.browser.get("/mfa")).json()["required"] is False
    async with running(servers, MFA_REQUIRED="true") as strict:
        same = Browser(strict, access_token=found.browser.access_token)
        assert_error(await same.post("/mfa/disable", body), 403, "mfa_required_by_policy")
        assert (await same.get("/mfa")).json()["required"] is True
    assert (await found.browser.post("/mfa/disable", body)).status_code == 204


async def test_new_recovery_codes_void_the_old_and_end_no_session(app: Harness) -> None:
    found = await owner(app)
    other = await found.again()
    reply = await found.browser.post("/mfa/recovery-codes", {"totp_code": found.later()})
    assert reply.status_code == 200, reply.text
    codes = reply.json()["recovery_codes"]
    assert (set(reply.json()), len(set(codes))) == ({"recovery_codes"}, 10)
    assert not set(codes) & set(found.codes)
    assert (await other.get("/me")).status_code == 200
    for code, status in ((found.codes[0], 401), (codes[0], 200)):
        ticket = (await Browser(app).login(found.person)).json()["session_token"]
        verified = await Browser(app).post("/mfa/verify", {"session_token": ticket, "recovery_code": code})
        assert verified.status_code == status
    assert len(await letters(app, found.person.email, "mfa_recovery_codes_renewed")) == 1
    assert "auth.mfa.recovery_codes_renewed" in await events_of(app, found.person)
    assert (await factors.find(app.db, found.person.id)).failures == 1, "the void code counts, the right ones do not"


async def test_new_recovery_codes_want_a_recent_sign_in_and_no_recovery_code(app: Harness) -> None:
    found = await owner(app)
    reply = await found.browser.post("/mfa/recovery-codes", {"recovery_code": found.codes[0]})
    assert_error(reply, 400, "validation_error")
    app.clock.advance(timedelta(minutes=10, seconds=1))
    reply = await found.browser.post("/mfa/recovery-codes", {"totp_code": found.code()})
    assert_error(reply, 401, "reauthentication_required")


async def test_of_a_hundred_uses_of_one_recovery_code_one_counts(app: Harness) -> None:
    """Sign-ins, a removal and confirmations race for one code."""
    found = await owner(app)
    code = found.codes[0]
    ticket = (await Browser(app).login(found.person)).json()["session_token"]
    asked = [
        *(Browser(app).post("/mfa/verify", {"session_token": ticket, "recovery_code": code}) for _ in range(20)),
        *(found.browser.post("/mfa/step-up", {"recovery_code": code}) for _ in range(80)),
    ]
    replies = await asyncio.gather(*asked)
    assert sum(reply.status_code in {200, 204} for reply in replies) == 1
    assert {reply.status_code for reply in replies} <= {200, 204, 401, 429, 503}
    assert await factors.count_codes(app.db, found.person.id) == 9
    assert len(await letters(app, found.person.email, "mfa_recovery_code_used")) == 1


async def test_of_a_hundred_renewals_with_one_code_one_succeeds(app: Harness) -> None:
    found = await owner(app)
    body = {"totp_code": found.later()}
    replies = await asyncio.gather(*(found.browser.post("/mfa/recovery-codes", body) for _ in range(100)))
    assert [reply.status_code for reply in replies].count(200) == 1
    assert {reply.status_code for reply in replies} <= {200, 401, 429, 503}
    [codes] = [reply.json()["recovery_codes"] for reply in replies if reply.status_code == 200]
    app.clock.advance(timedelta(minutes=15))
    ticket = (await Browser(app).login(found.person)).json()["session_token"]
    verified = await Browser(app).post("/mfa/verify", {"session_token": ticket, "recovery_code": codes[9]})
    assert verified.status_code == 200, verified.text


async def test_of_a_hundred_removals_with_one_code_one_succeeds(app: Harness) -> None:
    found = await owner(app)
    body = {"totp_code": found.later(), "password": PASSWORD}
    replies = await asyncio.gather(*(found.browser.post("/mfa/disable", body) for _ in range(100)))
    assert [reply.status_code for reply in replies].count(204) == 1
    assert {reply.status_code for reply in replies} <= {204, 401, 409, 429, 503}
    assert len(await letters(app, found.person.email, "mfa_disabled")) == 1


async def test_an_account_that_changed_meanwhile_keeps_its_factor(app: Harness) -> None:
    found = await owner(app)
    body = {"totp_code": found.later(), "password": PASSWORD}
    async with app.db.transaction() as tx:
        await users.update(tx, found.person.id, {}, now=app.clock.now(), bump=True)
        removing = asyncio.create_task(found.browser.post("/mfa/disable", body))
        await somebody_waits(app)
    assert_error(await removing, 401, "invalid_credentials")
    assert (await users.find(app.db, found.person.id)).mfa_enabled


async def test_a_code_of_somebody_else_changes_nothing(app: Harness) -> None:
    mine, theirs = await owner(app), await owner(app)
    app.clock.advance(60)
    for body in ({"totp_code": theirs.code()}, {"recovery_code": theirs.codes[0]}):
        reply = await mine.browser.post(
            "/mfa/disable", {**body, "password": PASSWORD, "user_id": str(theirs.person.id)}
        )
        assert_error(reply, 401, "invalid_code")
    for found in (mine, theirs):
        assert (await users.find(app.db, UUID(str(found.person.id)))).mfa_enabled
    assert await factors.count_codes(app.db, theirs.person.id) == 10


async def test_a_secret_under_another_key_opens_nothing_and_counts_nothing(app: Harness, servers: Servers) -> None:
    found = await owner(app)
    body = {"totp_code": found.later(), "password": PASSWORD}
    await app.db.execute("UPDATE totp_factors SET secret_encrypted = '\\x01' WHERE user_id = $1", found.person.id)
    assert_error(await found.browser.post("/mfa/disable", body), 503, "service_unavailable")
    assert (await factors.find(app.db, found.person.id)).failures == 0
    reply = await found.browser.post("/mfa/disable", {"recovery_code": found.codes[0], "password": PASSWORD})
    assert reply.status_code == 204, "a recovery code still removes it"


async def test_a_secret_is_sealed_again_under_a_new_key_when_it_is_used(app: Harness, servers: Servers) -> None:
    found = await owner(app)
    async with running(servers, TOTP_ENCRYPTION_KEY="another-" + "k" * 40) as moved:
        old = (await factors.find(app.db, found.person.id)).key_id
        moved.clock.advance(120)
        same = Browser(moved, access_token=found.browser.access_token)
        code = code_of(moved, found.secret)
        assert (await same.post("/mfa/step-up", {"totp_code": code})).status_code == 204
        factor = await factors.find(moved.db, found.person.id)
        assert factor.key_id != old
        assert moved.app.engines.totp_secrets.open(factor) == found.secret
