"""POST /api/v1/auth/mfa/setup and mfa/enable: from the account, and from a sign-in that demands it."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
from browser import Browser, assert_error, signed_in
from enrolment import begun, code_of, demanded, events_of, newcomer, owner, somebody_waits, wrong_code
from harness import Harness, Servers, running
from letters import letters

from identry.records import factors, users

CODE = re.compile(r"[0-9A-HJKMNP-TV-Z]{5}-[0-9A-HJKMNP-TV-Z]{5}")


async def claims_of(app: Harness, browser: Browser) -> dict[str, object]:
    return await app.app.engines.browser.verifier.verify(browser.access_token)


async def test_a_set_up_shows_the_secret_three_ways_and_turns_nothing_on(app: Harness) -> None:
    browser = await signed_in(app)
    reply = await browser.post("/mfa/setup", {})
    assert reply.status_code == 200, reply.text
    assert reply.headers["cache-control"] == "no-store"
    body = reply.json()
    assert set(body) == {"secret", "otpauth_uri", "qr_svg"}
    assert re.fullmatch(r"[A-Z2-7]{32}", body["secret"])
    uri = urlsplit(body["otpauth_uri"])
    assert (uri.scheme, uri.netloc) == ("otpauth", "totp")
    assert uri.path == f"/MonozuCloud:{browser.me['email'].replace('@', '%40')}"
    assert parse_qs(uri.query) == {
        "secret": [body["secret"]],
        "issuer": ["MonozuCloud"],
        "algorithm": ["SHA1"],
        "digits": ["6"],
        "period": ["30"],
    }
    assert body["qr_svg"].startswith("<svg ")
    assert (await browser.get("/mfa")).json()["enabled"] is False
    assert (await browser.get("/me")).json()["mfa_enabled"] is False


async def test_the_name_in_the_app_is_the_deployments(servers: Servers) -> None:
    async with running(servers, MFA_ISSUER="Acme & Söhne: Cloud") as named:
        browser = await signed_in(named)
        uri = (await browser.post("/mfa/setup", {})).json()["otpauth_uri"]
        assert parse_qs(urlsplit(uri).query)["issuer"] == ["Acme & Söhne: Cloud"]


async def test_the_secret_is_not_readable_at_rest(app: Harness) -> None:
    browser = await signed_in(app)
    secret = await begun(browser)
    row = await app.db.fetchval("SELECT f::text FROM totp_factors f WHERE user_id = $1", browser.me["id"])
    assert secret not in row
    factor = await factors.find(app.db, browser.me["id"])
    assert factor.key_id == app.app.engines.totp_secrets.key_id
    assert app.app.engines.totp_secrets.open(factor) == secret


async def test_the_first_code_turns_it_on_and_shows_ten_codes(app: Harness) -> None:
    found = await owner(app)
    assert len(set(found.codes)) == 10
    assert all(CODE.fullmatch(code) for code in found.codes)
    assert (await users.find(app.db, found.person.id)).mfa_enabled
    assert (await found.browser.get("/me")).json()["mfa_enabled"] is True
    assert await events_of(app, found.person) == ["auth.mfa.setup_started", "auth.mfa.enabled"]
    assert [letter.template for letter in await letters(app, found.person.email)] == ["mfa_enabled"]


async def test_it_is_asked_for_at_the_next_sign_in_on_both_surfaces(app: Harness) -> None:
    found = await owner(app)
    reply = await Browser(app).login(found.person)
    assert reply.json()["mfa_required"] is True
    assert "set-cookie" not in reply.headers
    platform = await app.http.post("/auth/login", json={"email": found.person.email, "password": found.person.password})
    assert (platform.status_code, platform.json()["error"]["code"]) == (403, "mfa_required")
    assert (await (await found.again()).get("/me")).status_code == 200


async def test_every_other_session_ends_and_this_one_goes_on_with_the_factor(app: Harness) -> None:
    person, _ = await newcomer(app)
    mine, other = Browser(app), Browser(app)
    await mine.login(person)
    await other.login(person)
    await app.sign_in(person)
    secret = await begun(mine)
    assert (await mine.post("/mfa/enable", {"totp_code": code_of(app, secret)})).status_code == 200
    assert_error(await other.get("/me"), 401, "token_revoked")
    assert_error(await other.post("/refresh"), 401, "token_revoked")
    assert (await app.http.get("/auth/me", headers=person.bearer)).status_code == 401
    assert (await mine.get("/me")).status_code == 200
    assert (await claims_of(app, mine))["amr"] == ("pwd",)
    assert (await mine.post("/refresh")).status_code == 200
    assert (await claims_of(app, mine))["amr"] == ("pwd", "otp", "mfa")
    [row] = await app.audit("auth.mfa.enabled", target_user_id=person.id)
    assert json.loads(row["details"]) == {"revokedSessions": 2}


async def test_tickets_and_reset_links_of_before_are_void(app: Harness) -> None:
    person, home = await newcomer(app)
    browser = Browser(app)
    await browser.login(person)
    await app.db.execute("UPDATE tenants SET mfa_required = true WHERE id = $1", home)
    ticket = await demanded(app, person)
    where = {"X-Forwarded-For": app.fresh_ip()}
    await app.http.post("/auth/password-reset/request", json={"email": person.email}, headers=where)
    link = (await letters(app, person.email, "password_reset"))[0].context["token"]
    secret = await begun(browser)
    assert (await browser.post("/mfa/enable", {"totp_code": code_of(app, secret)})).status_code == 200
    assert_error(await Browser(app).post("/mfa/setup", {"session_token": ticket}), 401, "session_token_expired")
    confirmed = await app.http.post("/auth/password-reset/confirm", json={"token": link, "newPassword": "x" * 20})
    assert confirmed.status_code == 400


@pytest.mark.parametrize("spelling", ["{0}", "{0} ", "{1} {2}", "{1}-{2}", " - {1} - {2} "])
async def test_spaces_and_dashes_in_the_first_code_do_not_matter(app: Harness, spelling: str) -> None:
    browser = await signed_in(app)
    code = code_of(app, await begun(browser))
    typed = spelling.format(code, code[:3], code[3:])
    assert (await browser.post("/mfa/enable", {"totp_code": typed})).status_code == 200


@pytest.mark.parametrize(("steps", "status"), [(-2, 401), (-1, 200), (0, 200), (1, 200), (2, 401)])
async def test_one_step_of_drift_either_way(app: Harness, steps: int, status: int) -> None:
    browser = await signed_in(app)
    secret = await begun(browser)
    while int(app.clock.timestamp()) % 30 in {0, 28, 29}:  # keep away from the edge of a step
        app.clock.advance(1)
    reply = await browser.post("/mfa/enable", {"totp_code": code_of(app, secret, steps)})
    assert reply.status_code == status, reply.text


async def test_the_code_that_turned_it_on_signs_nobody_in(app: Harness) -> None:
    found = await owner(app)
    browser = Browser(app)
    ticket = (await browser.login(found.person)).json()["session_token"]
    assert_error(
        await browser.post("/mfa/verify", {"session_token": ticket, "totp_code": found.code()}), 401, "invalid_code"
    )
    code = found.later()
    assert (await browser.post("/mfa/verify", {"session_token": ticket, "totp_code": code})).status_code == 200


async def test_a_wrong_code_turns_nothing_on_and_is_audited(app: Harness) -> None:
    browser = await signed_in(app)
    secret = await begun(browser)
    assert_error(await browser.post("/mfa/enable", {"totp_code": wrong_code(app, secret)}), 401, "invalid_code")
    assert (await browser.get("/mfa")).json()["enabled"] is False
    [row] = await app.audit("auth.mfa.failed", target_user_id=browser.me["id"])
    assert json.loads(row["details"]) == {"reason": "wrong code at set-up"}
    assert (await browser.post("/mfa/enable", {"totp_code": code_of(app, secret)})).status_code == 200


async def test_asking_again_replaces_the_secret(app: Harness) -> None:
    browser = await signed_in(app)
    first, second = await begun(browser), await begun(browser)
    assert first != second
    assert_error(await browser.post("/mfa/enable", {"totp_code": code_of(app, first)}), 401, "invalid_code")
    assert (await browser.post("/mfa/enable", {"totp_code": code_of(app, second)})).status_code == 200


async def test_a_code_of_somebody_elses_pending_secret_is_wrong(app: Harness) -> None:
    mine, theirs = await signed_in(app), await signed_in(app)
    await begun(mine)
    other = await begun(theirs)
    assert_error(await mine.post("/mfa/enable", {"totp_code": code_of(app, other)}), 401, "invalid_code")
    assert (await theirs.post("/mfa/enable", {"totp_code": code_of(app, other)})).status_code == 200


async def test_a_secret_moved_to_another_user_does_not_open(app: Harness) -> None:
    mine, theirs = await signed_in(app), await signed_in(app)
    await begun(mine)
    other = await begun(theirs)
    await app.db.execute(
        """
        UPDATE totp_factors SET secret_encrypted = (SELECT secret_encrypted FROM totp_factors WHERE user_id = $2)
        WHERE user_id = $1
        """,
        mine.me["id"],
        theirs.me["id"],
    )
    assert_error(await mine.post("/mfa/enable", {"totp_code": code_of(app, other)}), 503, "service_unavailable")
    assert (await mine.get("/mfa")).json()["enabled"] is False


async def test_a_secret_waits_ten_minutes(app: Harness) -> None:
    person, _ = await newcomer(app)
    browser = Browser(app)
    await browser.login(person)
    secret = await begun(browser)
    app.clock.advance(timedelta(minutes=10, seconds=1))
    await browser.login(person)
    assert_error(await browser.post("/mfa/enable", {"totp_code": code_of(app, secret)}), 409, "no_pending_setup")
    assert_error(await browser.post("/mfa/enable", {"totp_code": "123456"}), 409, "no_pending_setup")
    assert await factors.prune_pending(app.db, app.clock.now()) >= 1
    assert await factors.find(app.db, person.id) is None
    fresh = await begun(browser)
    assert (await browser.post("/mfa/enable", {"totp_code": code_of(app, fresh)})).status_code == 200
    assert await factors.prune_pending(app.db, app.clock.now() + timedelta(days=1)) >= 0
    assert await factors.find(app.db, person.id) is not None


async def test_nothing_pending_and_already_on_are_conflicts(app: Harness) -> None:
    browser = await signed_in(app)
    assert_error(await browser.post("/mfa/enable", {"totp_code": "123456"}), 409, "no_pending_setup")
    found = await owner(app)
    assert_error(await found.browser.post("/mfa/setup", {}), 409, "mfa_already_enabled")
    assert_error(await found.browser.post("/mfa/enable", {"totp_code": found.code()}), 409, "mfa_already_enabled")
    assert app.app.engines.totp_secrets.open(await factors.find(app.db, found.person.id)) == found.secret


@pytest.mark.parametrize("path", ["/mfa/setup", "/mfa/enable"])
async def test_the_sign_in_must_be_recent_and_a_refresh_is_none(app: Harness, path: str) -> None:
    person, _ = await newcomer(app)
    browser = Browser(app)
    await browser.login(person)
    body = {"totp_code": "123456"} if path.endswith("enable") else {}
    app.clock.advance(timedelta(minutes=10, seconds=1))
    for _ in range(2):
        reply = await browser.post(path, body)
        assert_error(reply, 401, "reauthentication_required")
        assert reply.json()["error"]["details"] == {"max_age": 600}
        challenge = reply.headers["www-authenticate"]
        assert challenge == 'Bearer realm="identry", error="insufficient_user_authentication", max_age="600"'
        assert (await browser.post("/refresh")).status_code == 200
    await browser.login(person)
    assert (await browser.post(path, body)).status_code in {200, 409}


async def test_somebody_must_be_there_and_only_in_one_way(app: Harness) -> None:
    for path, body in (("/mfa/setup", {}), ("/mfa/enable", {"totp_code": "123456"})):
        assert_error(await Browser(app).post(path, body), 401, "invalid_token")
        assert_error(await Browser(app, access_token="nonsense").post(path, body), 401, "invalid_token")
        browser = await signed_in(app)
        both = await browser.post(path, {**body, "session_token": "x" * 43})
        assert_error(both, 400, "validation_error")
        platform = await app.signed_in()
        assert_error(await Browser(app, access_token=platform.access_token).post(path, body), 401, "invalid_token")


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"totp_code": None},
        {"totp_code": 123456},
        {"totp_code": ""},
        {"totp_code": "12345"},
        {"totp_code": "1234567"},
        {"totp_code": "12345a"},
        {"totp_code": "١٢٣٤٥٦"},
        {"totp_code": "123456\n"},
        {"totp_code": "1" * 65},
        {"totp_code": "123456", "session_token": 7},
        {"totp_code": "123456", "session_token": ""},
        {"totp_code": "123456", "session_token": "x" * 1025},
    ],
    ids=[f"body-{n}" for n in range(15)],
)
async def test_a_bad_body_is_400(app: Harness, body: object) -> None:
    browser = await signed_in(app)
    assert_error(await browser.post("/mfa/enable", body), 400, "validation_error")


# From a sign-in that demands it.


async def test_a_tenants_demand_leads_through_the_set_up_into_a_session(app: Harness) -> None:
    person, home = await newcomer(app, mfa_required=True)
    ticket = await demanded(app, person)
    browser = Browser(app)
    secret = await begun(browser, ticket)
    assert await app.db.fetchval("SELECT count(*) FROM sessions WHERE user_id = $1", person.id) == 0
    reply = await browser.post("/mfa/enable", {"session_token": ticket, "totp_code": code_of(app, secret)})
    assert reply.status_code == 200, reply.text
    body = reply.json()
    assert set(body) == {"enabled", "recovery_codes", "access_token", "token_type", "expires_in", "user"}
    assert (body["enabled"], len(body["recovery_codes"]), body["token_type"]) == (True, 10, "Bearer")
    assert (body["user"]["tenant_id"], body["user"]["must_enroll_mfa"]) == (str(home), False)
    assert browser.cookie
    assert (await browser.get("/me")).status_code == 200
    assert (await claims_of(app, browser))["amr"] == ("pwd", "otp", "mfa")
    assert (await browser.post("/refresh")).status_code == 200
    assert await events_of(app, person) == [
        "auth.mfa.setup_demanded",
        "auth.mfa.setup_started",
        "auth.mfa.enabled",
    ]


async def test_the_deployments_demand_does_so_as_well(servers: Servers) -> None:
    async with running(servers, MFA_REQUIRED="true") as strict:
        person, _ = await newcomer(strict)
        ticket, browser = await demanded(strict, person), Browser(strict)
        secret = await begun(browser, ticket)
        body = {"session_token": ticket, "totp_code": code_of(strict, secret)}
        assert (await browser.post("/mfa/enable", body)).status_code == 200
        assert browser.me["must_enroll_mfa"] is False


async def test_a_ticket_works_once(app: Harness) -> None:
    person, _ = await newcomer(app, mfa_required=True)
    ticket, browser = await demanded(app, person), Browser(app)
    secret = await begun(browser, ticket)
    body = {"session_token": ticket, "totp_code": code_of(app, secret)}
    assert (await browser.post("/mfa/enable", body)).status_code == 200
    for path, again in (("/mfa/enable", body), ("/mfa/setup", {"session_token": ticket})):
        assert_error(await Browser(app).post(path, again), 401, "session_token_expired")


async def test_a_ticket_has_five_tries_and_five_minutes(app: Harness) -> None:
    person, _ = await newcomer(app, mfa_required=True)
    ticket, browser = await demanded(app, person), Browser(app)
    secret = await begun(browser, ticket)
    for _ in range(5):
        wrong = {"session_token": ticket, "totp_code": wrong_code(app, secret)}
        assert_error(await browser.post("/mfa/enable", wrong), 401, "invalid_code")
    right = {"session_token": ticket, "totp_code": code_of(app, secret)}
    assert_error(await browser.post("/mfa/enable", right), 401, "session_token_expired")
    late = await demanded(app, person)
    app.clock.advance(timedelta(minutes=5, seconds=1))
    assert_error(await browser.post("/mfa/setup", {"session_token": late}), 401, "session_token_expired")


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ("UPDATE users SET token_version = token_version + 1 WHERE id = $1", 401),
        ("UPDATE users SET is_active = false WHERE id = $1", 403),
        ("UPDATE users SET approval_status = 'REJECTED' WHERE id = $1", 403),
        ("UPDATE one_time_tokens SET consumed_at = now() WHERE user_id = $1", 401),
        ("DELETE FROM users WHERE id = $1", 401),
    ],
)
async def test_a_ticket_dies_with_the_state_it_was_made_for(app: Harness, change: str, status: int) -> None:
    person, _ = await newcomer(app, mfa_required=True)
    ticket, browser = await demanded(app, person), Browser(app)
    secret = await begun(browser, ticket)
    await app.db.execute(change, person.id)
    assert (await browser.post("/mfa/setup", {"session_token": ticket})).status_code == status
    body = {"session_token": ticket, "totp_code": code_of(app, secret)}
    assert (await browser.post("/mfa/enable", body)).status_code == status
    assert await app.db.fetchval("SELECT count(*) FROM sessions WHERE user_id = $1", person.id) == 0


async def test_tickets_of_the_two_second_steps_open_only_their_own(app: Harness) -> None:
    found = await owner(app)
    waiting = (await Browser(app).login(found.person)).json()["session_token"]
    code = found.later()
    for path, body in (
        ("/mfa/setup", {"session_token": waiting}),
        ("/mfa/enable", {"session_token": waiting, "totp_code": code}),
    ):
        assert_error(await Browser(app).post(path, body), 401, "session_token_expired")
    person, _ = await newcomer(app, mfa_required=True)
    ticket = await demanded(app, person)
    verify = await Browser(app).post("/mfa/verify", {"session_token": ticket, "totp_code": "123456"})
    assert_error(verify, 401, "session_token_expired")
    platform = await app.http.post("/auth/mfa/verify", json={"mfaToken": ticket, "code": "123456"})
    assert platform.status_code == 401
    bearer = Browser(app, access_token=ticket)
    for method, path in (("get", "/me"), ("get", "/mfa"), ("post", "/mfa/setup"), ("post", "/mfa/disable")):
        args = () if method == "get" else ({},)
        assert_error(await getattr(bearer, method)(path, *args), 401, "invalid_token")


async def test_a_session_that_was_opened_meanwhile_makes_the_ticket_worthless(app: Harness) -> None:
    """A set-up by somebody who knows only the password never replaces the factor that its owner set up."""
    person, home = await newcomer(app)
    browser = Browser(app)
    await browser.login(person)
    await app.db.execute("UPDATE tenants SET mfa_required = true WHERE id = $1", home)
    ticket = await demanded(app, person)
    secret = await begun(browser)
    assert (await browser.post("/mfa/enable", {"totp_code": code_of(app, secret)})).status_code == 200
    for path, body in (("/mfa/setup", {}), ("/mfa/enable", {"totp_code": code_of(app, secret, 1)})):
        assert_error(await Browser(app).post(path, {**body, "session_token": ticket}), 401, "session_token_expired")


async def test_of_a_hundred_first_codes_at_once_one_turns_it_on(app: Harness) -> None:
    browser = await signed_in(app)
    secret = await begun(browser)
    body = {"totp_code": code_of(app, secret)}
    replies = await asyncio.gather(*(browser.post("/mfa/enable", body) for _ in range(100)))
    assert [reply.status_code for reply in replies].count(200) == 1
    assert {reply.status_code for reply in replies} <= {200, 401, 409, 429}
    assert len(await letters(app, browser.me["email"], "mfa_enabled")) == 1
    assert await factors.count_codes(app.db, browser.me["id"]) == 10
    assert (await browser.get("/me")).status_code == 200


async def test_of_a_hundred_uses_of_one_ticket_one_becomes_a_session(app: Harness) -> None:
    person, _ = await newcomer(app, mfa_required=True)
    ticket = await demanded(app, person)
    secret = await begun(Browser(app), ticket)
    body = {"session_token": ticket, "totp_code": code_of(app, secret)}
    replies = await asyncio.gather(*(Browser(app).post("/mfa/enable", body) for _ in range(100)))
    assert [reply.status_code for reply in replies].count(200) == 1
    assert {reply.status_code for reply in replies} <= {200, 401, 409, 429}
    assert await app.db.fetchval("SELECT count(*) FROM sessions WHERE user_id = $1", person.id) == 1


async def test_two_people_with_two_secrets_at_once_do_not_meet(app: Harness) -> None:
    """A session and a ticket of the same person race; one of them wins, and its secret is the one that counts."""
    person, home = await newcomer(app)
    browser = Browser(app)
    await browser.login(person)
    await app.db.execute("UPDATE tenants SET mfa_required = true WHERE id = $1", home)
    ticket = await demanded(app, person)
    first = await begun(browser)
    second = await begun(Browser(app), ticket)
    replies = await asyncio.gather(
        browser.post("/mfa/enable", {"totp_code": code_of(app, first)}),
        Browser(app).post("/mfa/enable", {"session_token": ticket, "totp_code": code_of(app, second)}),
    )
    assert [reply.status_code for reply in replies] == [401, 200]


async def test_thirty_requests_a_minute_for_each_client_address(app: Harness) -> None:
    browser = Browser(app, ip=app.fresh_ip())
    body = {"session_token": "x" * 43}
    replies = await asyncio.gather(*(browser.post("/mfa/setup", body) for _ in range(33)))
    assert sorted(reply.status_code for reply in replies) == [401] * 30 + [429] * 3
    assert_error(await browser.post("/mfa/enable", {**body, "totp_code": "123456"}), 429, "rate_limited")


async def test_an_account_makes_recovery_codes_ten_times_in_a_quarter_of_an_hour(app: Harness) -> None:
    browser = await signed_in(app)
    secret = await begun(browser)
    for _ in range(10):
        assert_error(await browser.post("/mfa/enable", {"totp_code": wrong_code(app, secret)}), 401, "invalid_code")
    reply = await browser.post("/mfa/enable", {"totp_code": code_of(app, secret)})
    assert_error(reply, 429, "rate_limited")
    assert int(reply.headers["retry-after"]) >= 1


async def test_an_account_that_changed_meanwhile_is_not_touched(app: Harness) -> None:
    """The guard read the user, then its state changed: what stands on the old state is refused."""
    browser = await signed_in(app)
    secret = await begun(browser)
    async with app.db.transaction() as tx:
        await users.update(tx, UUID(browser.me["id"]), {}, now=app.clock.now(), bump=True)
        enabling = asyncio.create_task(browser.post("/mfa/enable", {"totp_code": code_of(app, secret)}))
        await somebody_waits(app)
    assert_error(await enabling, 401, "invalid_credentials")
    assert not (await users.find(app.db, UUID(browser.me["id"]))).mfa_enabled
    assert await factors.count_codes(app.db, UUID(browser.me["id"])) == 0
