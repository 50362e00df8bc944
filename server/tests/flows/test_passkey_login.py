"""Signing in with a passkey: alone, or as the second step; and everything that is no right signature."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import timedelta
from typing import Any

import pytest
from authenticator import BE, BS, RP_ID, UP, UV, Device, KeyBrowser, b64, client_data, raced, with_device
from browser import assert_error, settle, tenant
from harness import Harness, Person, Servers, running
from letters import letters
from second_factor import Secured, secured

from identry.core import totp
from identry.records import factors


async def added(app: Harness, device: Device | None = None, **fields: Any) -> tuple[Person, Device]:
    """A person with a device."""
    _, person, device = await with_device(app, device=device, **fields)
    return person, device


async def sessions_of(app: Harness, person: Person) -> int:
    count: int = await app.db.fetchval("SELECT count(*) FROM sessions WHERE user_id = $1", person.id)
    return count


# -- alone -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("synced", "kind"), [(True, "swk"), (False, "hwk")])
async def test_a_passkey_is_both_factors(app: Harness, synced: bool, kind: str) -> None:
    person, device = await added(app, Device(synced=synced))
    browser = KeyBrowser(app)
    reply = await browser.sign_in(device)
    assert reply.status_code == 200, reply.text
    assert browser.cookie
    assert browser.me["id"] == str(person.id)
    newest = (await browser.get("/sessions")).json()["data"][0]
    assert newest["amr"] == [kind, "user", "mfa"]
    [row] = await app.audit("auth.login.succeeded", session_id=newest["id"])
    assert row["target_user_id"] == person.id


async def test_the_options_name_nobody(app: Harness) -> None:
    options = await KeyBrowser(app).options("login")
    assert options["allowCredentials"] == []
    assert options["userVerification"] == "required"
    assert options["rpId"] == RP_ID
    assert set(options) == {"challenge", "timeout", "rpId", "allowCredentials", "userVerification"}


async def test_the_cookie_that_binds_a_challenge_stays_with_its_browser(app: Harness) -> None:
    reply = await KeyBrowser(app).post("/passkeys/login/options")
    [line] = reply.headers.get_list("set-cookie")
    name, _, rest = line.partition("=")
    assert name == "__Secure-identry_passkey"
    assert rest.partition("; ")[2] == "Path=/api/v1/auth/passkeys; Max-Age=300; HttpOnly; Secure; SameSite=Strict"


async def test_two_tabs_of_one_browser_may_ask_at_once(app: Harness) -> None:
    _, device = await added(app)
    browser = KeyBrowser(app)
    first, second = await browser.options("login"), await browser.options("login")
    for options in (first, second):
        reply = await browser.post("/passkeys/login", {"credential": device.signed(options)})
        assert reply.status_code == 200, reply.text


async def test_last_use_and_backup_state_are_remembered(app: Harness) -> None:
    browser, _, device = await with_device(app)
    await KeyBrowser(app).sign_in(device, flags=UP | UV | BE)
    [shown] = (await browser.get("/passkeys")).json()["data"]
    assert shown["last_used_at"] > shown["created_at"]
    assert (shown["synced"], shown["backed_up"]) == (True, False)


SIGNED: dict[str, dict[str, Any]] = {
    "another relying party": {"rp_id": "example.com"},
    "the app's own origin as relying party": {"rp_id": "https://app.example.com"},
    "nobody present": {"flags": UV | BE | BS},
    "nobody verified": {"flags": UP | BE | BS},
    "a key that cannot be copied any more": {"flags": UP | UV},
    "backed up though it cannot be": {"flags": UP | UV | BS},
    "no user": {"handle": None},
    "another user": {"handle": b"z" * 32},
    "no signature": {"signature": b"\0"},
    "a signature of nonsense": {"signature": b"x" * 70},
    "short authenticator data": {"authenticator": b"x" * 36},
    "bytes after the authenticator data": {"authenticator": Device().data() + b"\0"},
    "extensions that are not there": {"flags": UP | UV | BE | BS | 128},
    "a key that is not there": {"flags": UP | UV | BE | BS | 64},
}
TOLD: dict[str, dict[str, Any]] = {
    "another origin": {"origin": "https://evil.example.com"},
    "an origin below ours": {"origin": "https://evil.app.example.com"},
    "the null origin": {"origin": "null"},
    "no origin": {"origin": None},
    "many origins": {"origin": ["https://app.example.com"]},
    "another kind": {"type": "webauthn.create"},
    "a page in another page": {"crossOrigin": True},
    "below another page": {"topOrigin": "https://app.example.com"},
    "another challenge": {"challenge": b64(b"x" * 32)},
}


async def assert_not_accepted(app: Harness, browser: KeyBrowser, person: Person, reply: Any) -> None:
    """Whatever was wrong: the same answer, no session, no cookie; the audit log knows."""
    assert_error(reply, 401, "invalid_credentials")
    assert reply.json()["error"]["message"] == "this passkey was not accepted; try again or sign in another way"
    assert reply.headers.get_list("set-cookie") == []
    assert await sessions_of(app, person) == 1


@pytest.mark.parametrize("how", SIGNED.values(), ids=SIGNED)
async def test_what_no_honest_authenticator_signs_signs_nobody_in(app: Harness, how: dict[str, Any]) -> None:
    person, device = await added(app)
    browser = KeyBrowser(app)
    await assert_not_accepted(app, browser, person, await browser.sign_in(device, **how))
    [row] = await app.audit("auth.login.failed", target_user_id=person.id)
    assert row["actor_type"] == "anonymous"


@pytest.mark.parametrize("told", TOLD.values(), ids=TOLD)
async def test_what_no_page_of_ours_asks_for_signs_nobody_in(app: Harness, told: dict[str, Any]) -> None:
    person, device = await added(app)
    browser = KeyBrowser(app)
    options = await browser.options("login")
    credential = device.signed(options, data=client_data("get", options["challenge"], **told))
    await assert_not_accepted(app, browser, person, await browser.post("/passkeys/login", {"credential": credential}))


async def test_a_signature_by_another_key_signs_nobody_in(app: Harness) -> None:
    person, device = await added(app)
    forger = Device(credential_id=device.credential_id, handle=device.handle)
    browser = KeyBrowser(app)
    await assert_not_accepted(app, browser, person, await browser.sign_in(forger))


async def test_a_signature_over_other_client_data_signs_nobody_in(app: Harness) -> None:
    person, device = await added(app)
    browser = KeyBrowser(app)
    options = await browser.options("login")
    message = device.data() + hashlib.sha256(b"{}").digest()
    credential = device.signed(options, signature=device.sign(message))
    await assert_not_accepted(app, browser, person, await browser.post("/passkeys/login", {"credential": credential}))


async def test_the_key_of_one_user_does_not_sign_in_another(app: Harness) -> None:
    person, device = await added(app)
    victim, target = await added(app)
    browser = KeyBrowser(app)
    await assert_not_accepted(app, browser, victim, await browser.sign_in(device, handle=target.handle))
    own = Device(credential_id=target.credential_id, handle=target.handle)
    own.key = device.key
    await assert_not_accepted(app, browser, victim, await browser.sign_in(own))
    assert await sessions_of(app, person) == 1


async def test_an_unknown_passkey_answers_as_a_wrong_one(app: Harness) -> None:
    browser = KeyBrowser(app)
    unknown = await browser.sign_in(Device(handle=b"x" * 32))
    _, device = await added(app)
    wrong = await browser.sign_in(device, signature=b"\0")
    assert_error(unknown, 401, "invalid_credentials")
    assert unknown.json() == wrong.json()
    assert unknown.headers.keys() == wrong.headers.keys()


async def test_of_a_hundred_equal_requests_one_signs_in(app: Harness) -> None:
    async def begin() -> Any:
        person, device = await added(app)
        people.append(person)
        browser = KeyBrowser(app)
        credential = device.signed(await browser.options("login"))
        return lambda: browser.post("/passkeys/login", {"credential": credential})

    people: list[Person] = []
    await raced(begin, won=200, lost={401})
    assert await sessions_of(app, people[-1]) == 2


async def test_a_challenge_is_used_up_by_a_wrong_answer_and_ends_after_five_minutes(app: Harness) -> None:
    _, device = await added(app)
    browser = KeyBrowser(app)
    options = await browser.options("login")
    await browser.post("/passkeys/login", {"credential": device.signed(options, signature=b"\0")})
    reply = await browser.post("/passkeys/login", {"credential": device.signed(options)})
    assert_error(reply, 401, "invalid_credentials")
    credential = device.signed(await browser.options("login"))
    app.clock.advance(timedelta(minutes=5))
    assert_error(await browser.post("/passkeys/login", {"credential": credential}), 401, "invalid_credentials")


async def test_a_challenge_works_in_the_browser_that_asked_for_it(app: Harness) -> None:
    """A stranger who lets a victim's browser finish the stranger's sign-in gets nowhere, and spoils nothing."""
    _, device = await added(app)
    browser, victim = KeyBrowser(app), KeyBrowser(app)
    credential = device.signed(await browser.options("login"))
    assert_error(await victim.post("/passkeys/login", {"credential": credential}), 401, "invalid_credentials")
    await victim.options("login")
    assert_error(await victim.post("/passkeys/login", {"credential": credential}), 401, "invalid_credentials")
    assert (await browser.post("/passkeys/login", {"credential": credential})).status_code == 200


async def test_a_challenge_of_another_purpose_signs_nobody_in(app: Harness) -> None:
    at_home, _, device = await with_device(app)
    at_home.known_as = "x" * 43
    options = await at_home.options("register")
    reply = await at_home.post("/passkeys/login", {"credential": device.signed(options)})
    assert_error(reply, 401, "invalid_credentials")


@pytest.mark.parametrize("path", ["/passkeys/login/options", "/passkeys/login"])
async def test_a_page_of_an_unknown_origin_cannot_ask(app: Harness, path: str) -> None:
    browser = KeyBrowser(app, origin="https://evil.example.com")
    assert_error(await browser.post(path, {}), 403, "origin_not_allowed")


async def test_a_counter_that_rises_signs_in_and_one_that_does_not_is_audited(app: Harness) -> None:
    person, device = await added(app, Device(counts=True, synced=False))
    browser = KeyBrowser(app)
    assert (await browser.sign_in(device)).status_code == 200
    assert (await browser.sign_in(device, count=9)).status_code == 200
    for count in (9, 8, 1, 0):
        assert_error(await browser.sign_in(device, count=count), 401, "invalid_credentials")
    rows = await app.audit("auth.passkey.counter_went_back", target_user_id=person.id)
    assert [row["outcome"] for row in rows] == ["failure"] * 4
    assert (await browser.sign_in(device, count=10)).status_code == 200
    assert (await browser.sign_in(device, count=2**32 - 1)).status_code == 200


async def test_of_two_copies_that_count_alike_one_signs_in(app: Harness) -> None:
    person, device = await added(app, Device(counts=True))
    pair = KeyBrowser(app), KeyBrowser(app)
    credentials = [device.signed(await one.options("login"), count=7) for one in pair]
    replies = await asyncio.gather(
        *(one.post("/passkeys/login", {"credential": c}) for one, c in zip(pair, credentials, strict=True))
    )
    assert sorted(reply.status_code for reply in replies) == [200, 401]
    assert await sessions_of(app, person) == 2


@pytest.mark.parametrize(
    ("column", "value", "code"),
    [
        ("is_active", False, "account_inactive"),
        ("approval_status", "PENDING", "pending_approval"),
        ("approval_status", "REJECTED", "registration_rejected"),
    ],
)
async def test_a_closed_gate_stays_closed(app: Harness, column: str, value: Any, code: str) -> None:
    person, device = await added(app)
    await app.db.execute(f"UPDATE users SET {column} = $2 WHERE id = $1", person.id, value)
    assert_error(await KeyBrowser(app).sign_in(device), 403, code)


async def test_somebody_of_no_active_tenant_does_not_sign_in(app: Harness) -> None:
    person, device = await added(app)
    await app.db.execute("UPDATE tenant_members SET is_active = false WHERE user_id = $1", person.id)
    assert_error(await KeyBrowser(app).sign_in(device), 403, "tenant_inactive")


async def test_a_passkey_satisfies_a_tenant_that_demands_a_second_factor(app: Harness) -> None:
    person, device = await added(app)
    await app.db.execute(
        "UPDATE tenants SET mfa_required = true WHERE id IN (SELECT tenant_id FROM tenant_members WHERE user_id = $1)",
        person.id,
    )
    browser = KeyBrowser(app)
    assert (await browser.sign_in(device)).status_code == 200
    assert browser.me["must_enroll_mfa"] is False
    assert (await browser.post("/refresh")).status_code == 200


async def test_who_has_an_authenticator_app_signs_in_with_a_passkey_alone(app: Harness) -> None:
    user, device = await both(app)
    browser = KeyBrowser(app)
    assert (await browser.sign_in(device)).status_code == 200
    assert browser.me["email"] == user.person.email


async def test_a_tenant_of_single_sign_on_only_takes_no_passkey_and_no_session_that_began_with_one(
    app: Harness,
) -> None:
    person, device = await added(app)
    browser = KeyBrowser(app)
    await browser.sign_in(device)
    await app.db.execute(
        "UPDATE tenants SET auth_policy = 'restricted' "
        "WHERE id IN (SELECT tenant_id FROM tenant_members WHERE user_id = $1)",
        person.id,
    )
    assert_error(await KeyBrowser(app).sign_in(device), 403, "password_login_disabled")
    assert_error(await browser.post("/refresh"), 401, "token_revoked")


async def test_a_deployment_of_single_sign_on_only_takes_no_passkey(servers: Servers) -> None:
    env = {"AUTH_POLICY": "restricted", "AUTH_ALLOWED_EMAIL_DOMAINS": "example.com"}
    async with running(servers, **env) as app:
        browser = KeyBrowser(app)
        assert_error(await browser.post("/passkeys/login/options"), 403, "password_login_disabled")
        credential = Device(handle=b"x").signed({"challenge": "x"})
        assert_error(await browser.post("/passkeys/login", {"credential": credential}), 403, "password_login_disabled")


async def test_an_address_tries_ten_times_a_minute(app: Harness) -> None:
    browser = KeyBrowser(app, ip=app.fresh_ip(), known_as="x" * 43)
    credential = Device(handle=b"x").signed({"challenge": "x" * 43})
    for _ in range(10):
        assert (await browser.post("/passkeys/login", {"credential": credential})).status_code == 401
    assert_error(await browser.post("/passkeys/login", {"credential": credential}), 429, "rate_limited")


async def test_an_address_asks_thirty_times_a_minute(app: Harness) -> None:
    browser = KeyBrowser(app, ip=app.fresh_ip())
    for _ in range(30):
        await browser.options("login")
    assert_error(await browser.post("/passkeys/login/options"), 429, "rate_limited")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("signature", "A" * 1026),
        ("authenticatorData", "A" * 4098),
        ("clientDataJSON", "A" * 8194),
        ("userHandle", "A" * 88),
        ("signature", ""),
        ("signature", "AB"),
        ("signature", 5),
    ],
)
async def test_what_is_no_signature_is_told_by_field(app: Harness, name: str, value: Any) -> None:
    browser = KeyBrowser(app)
    credential = Device(handle=b"x" * 32).signed(await browser.options("login"))
    credential["response"][name] = value
    reply = await browser.post("/passkeys/login", {"credential": credential})
    assert_error(reply, 400, "validation_error")
    assert name in reply.json()["error"]["details"]["fields"][0]["field"]


# -- as the second step ----------------------------------------------------------------------------------------------


async def both(app: Harness) -> tuple[Secured, Device]:
    """A person with an authenticator app and a device."""
    person, device = await added(app)
    engines, secret = app.app.engines, totp.new_secret()
    async with app.db.transaction() as tx:
        sealed = engines.totp_secrets.seal(person.id, secret)
        assert await factors.enrol(tx, person.id, sealed, engines.totp_secrets.key_id, app.clock.now())
        assert await factors.confirm(tx, person.id, sealed, 1, app.clock.now())
    return Secured(person, secret, []), device


async def demanding(app: Harness) -> tuple[Person, Device]:
    """A person with a device, in a tenant that demands a second factor."""
    person, device = await added(app)
    await app.db.execute(
        "UPDATE tenants SET mfa_required = true WHERE id IN (SELECT tenant_id FROM tenant_members WHERE user_id = $1)",
        person.id,
    )
    return person, device


async def ticket_of(browser: KeyBrowser, person: Person) -> str:
    reply = await browser.login(person)
    assert reply.json().get("mfa_required"), reply.text
    ticket: str = reply.json()["session_token"]
    return ticket


async def test_a_passkey_alone_asks_nothing_of_a_password(app: Harness) -> None:
    person, _ = await added(app)
    browser = KeyBrowser(app)
    assert (await browser.login(person)).status_code == 200
    assert browser.access_token


async def test_a_demand_makes_the_passkey_the_second_step(app: Harness) -> None:
    person, device = await demanding(app)
    browser = KeyBrowser(app)
    reply = await browser.login(person)
    assert reply.json()["methods"] == ["passkey"]
    assert not browser.cookie
    done = await browser.second(reply.json()["session_token"], device)
    assert done.status_code == 200, done.text
    assert browser.cookie
    newest = (await browser.get("/sessions")).json()["data"][0]
    assert newest["amr"] == ["pwd", "swk", "user", "mfa"]
    [row] = await app.audit("auth.mfa.succeeded", target_user_id=person.id)
    assert '"factor": "passkey"' in row["details"]


async def test_either_of_two_factors_finishes_the_sign_in(app: Harness) -> None:
    user, device = await both(app)
    browser = KeyBrowser(app)
    reply = await browser.login(user.person)
    assert reply.json()["methods"] == ["totp", "recovery_code", "passkey"]
    assert (await browser.second(reply.json()["session_token"], device)).status_code == 200
    ticket = await ticket_of(browser, user.person)
    code = await browser.post("/mfa/verify", {"session_token": ticket, "totp_code": user.code(app)})
    assert code.status_code == 200, code.text


async def test_a_ticket_is_used_by_one_of_the_two_factors(app: Harness) -> None:
    user, device = await both(app)
    browser = KeyBrowser(app)
    ticket = await ticket_of(browser, user.person)
    options = await browser.options("mfa", session_token=ticket)
    code = await browser.post("/mfa/verify", {"session_token": ticket, "totp_code": user.code(app)})
    assert code.status_code == 200
    body = {"session_token": ticket, "credential": device.signed(options)}
    assert_error(await browser.post("/passkeys/mfa", body), 401, "session_token_expired")
    assert_error(await browser.post("/passkeys/mfa/options", {"session_token": ticket}), 401, "session_token_expired")


async def test_the_platform_asks_for_what_it_can_verify(app: Harness) -> None:
    user, _ = await both(app)
    reply = await app.http.post("/auth/login", json={"email": user.person.email, "password": user.person.password})
    assert reply.json()["error"]["details"]["methods"] == ["totp", "recovery_code"]


async def test_the_options_name_the_devices_of_the_account_alone(app: Harness) -> None:
    person, device = await demanding(app)
    await added(app)
    browser = KeyBrowser(app)
    options = await browser.options("mfa", session_token=await ticket_of(browser, person))
    assert options["allowCredentials"] == [
        {"id": b64(device.credential_id), "type": "public-key", "transports": ["internal", "hybrid"]}
    ]


async def test_an_account_without_a_passkey_has_no_options(app: Harness) -> None:
    user = await secured(app)
    await settle(app, user.person, await tenant(app))
    browser = KeyBrowser(app)
    reply = await browser.login(user.person)
    assert reply.json()["methods"] == ["totp", "recovery_code"]
    ticket = reply.json()["session_token"]
    assert_error(await browser.post("/passkeys/mfa/options", {"session_token": ticket}), 404, "not_found")


@pytest.mark.parametrize("how", SIGNED.values(), ids=SIGNED)
async def test_what_no_honest_authenticator_signs_is_no_second_step(app: Harness, how: dict[str, Any]) -> None:
    person, device = await demanding(app)
    browser = KeyBrowser(app)
    reply = await browser.second(await ticket_of(browser, person), device, **how)
    if how == {"handle": None}:  # the ticket said who it is
        assert reply.status_code == 200, reply.text
        return
    assert_error(reply, 401, "invalid_code")
    assert not browser.cookie
    [row] = await app.audit("auth.mfa.failed", target_user_id=person.id)
    assert row["outcome"] == "failure"


@pytest.mark.parametrize("told", TOLD.values(), ids=TOLD)
async def test_what_no_page_of_ours_asks_for_is_no_second_step(app: Harness, told: dict[str, Any]) -> None:
    person, device = await demanding(app)
    browser = KeyBrowser(app)
    ticket = await ticket_of(browser, person)
    options = await browser.options("mfa", session_token=ticket)
    credential = device.signed(options, data=client_data("get", options["challenge"], **told))
    reply = await browser.post("/passkeys/mfa", {"session_token": ticket, "credential": credential})
    assert_error(reply, 401, "invalid_code")


async def test_the_device_of_somebody_else_is_no_second_step(app: Harness) -> None:
    person, _ = await demanding(app)
    _, foreign = await added(app)
    browser = KeyBrowser(app)
    ticket = await ticket_of(browser, person)
    assert_error(await browser.second(ticket, foreign), 401, "invalid_code")
    assert_error(await browser.second(ticket, foreign, handle=None), 401, "invalid_code")


async def test_a_challenge_belongs_to_its_ticket(app: Harness) -> None:
    person, device = await demanding(app)
    browser, other = KeyBrowser(app), KeyBrowser(app)
    old = await browser.options("mfa", session_token=await ticket_of(browser, person))
    ticket = await ticket_of(other, person)
    for options in (old, await browser.options("login")):
        body = {"session_token": ticket, "credential": device.signed(options)}
        assert_error(await other.post("/passkeys/mfa", body), 401, "invalid_code")


async def test_a_second_step_challenge_is_no_first_step(app: Harness) -> None:
    person, device = await demanding(app)
    browser = KeyBrowser(app)
    options = await browser.options("mfa", session_token=await ticket_of(browser, person))
    await browser.options("login")
    reply = await browser.post("/passkeys/login", {"credential": device.signed(options)})
    assert_error(reply, 401, "invalid_credentials")


async def test_a_ticket_allows_five_tries(app: Harness) -> None:
    person, device = await demanding(app)
    browser = KeyBrowser(app)
    ticket = await ticket_of(browser, person)
    for _ in range(5):
        assert_error(await browser.second(ticket, device, signature=b"\0"), 401, "invalid_code")
    assert_error(await browser.post("/passkeys/mfa/options", {"session_token": ticket}), 401, "session_token_expired")


async def test_of_a_hundred_equal_second_steps_one_signs_in(app: Harness) -> None:
    async def begin() -> Any:
        person, device = await demanding(app)
        people.append(person)
        browser = KeyBrowser(app)
        ticket = await ticket_of(browser, person)
        credential = device.signed(await browser.options("mfa", session_token=ticket))
        body = {"session_token": ticket, "credential": credential}
        return lambda: KeyBrowser(app).post("/passkeys/mfa", body)

    people: list[Person] = []
    await raced(begin, won=200, lost={401})
    assert await sessions_of(app, people[-1]) == 2


async def test_of_many_right_answers_to_one_ticket_one_signs_in(app: Harness) -> None:
    person, device = await demanding(app)
    browser = KeyBrowser(app)
    ticket = await ticket_of(browser, person)
    asked = [await browser.options("mfa", session_token=ticket) for _ in range(5)]
    bodies = [{"session_token": ticket, "credential": device.signed(options)} for options in asked]
    replies = await asyncio.gather(*(KeyBrowser(app).post("/passkeys/mfa", body) for body in bodies))
    assert sorted(reply.status_code for reply in replies) == [200, *[401] * 4]
    assert await sessions_of(app, person) == 2


@pytest.mark.parametrize("purpose", ["mfa_ticket", "mfa_setup", "password_reset"])
async def test_tickets_of_other_purposes_open_no_second_step(app: Harness, purpose: str) -> None:
    person, device = await demanding(app)
    browser = KeyBrowser(app)
    ticket = await ticket_of(browser, person)
    options = await browser.options("mfa", session_token=ticket)
    await app.db.execute("UPDATE one_time_tokens SET purpose = $2 WHERE user_id = $1", person.id, purpose)
    body = {"session_token": ticket, "credential": device.signed(options)}
    assert_error(await browser.post("/passkeys/mfa", body), 401, "session_token_expired")


async def test_a_ticket_ends_with_a_change_of_the_account(app: Harness) -> None:
    person, device = await demanding(app)
    browser = KeyBrowser(app)
    ticket = await ticket_of(browser, person)
    options = await browser.options("mfa", session_token=ticket)
    await app.db.execute("UPDATE users SET token_version = token_version + 1 WHERE id = $1", person.id)
    body = {"session_token": ticket, "credential": device.signed(options)}
    assert_error(await browser.post("/passkeys/mfa", body), 401, "session_token_expired")


async def test_somebody_deactivated_between_the_steps_does_not_get_in(app: Harness) -> None:
    person, device = await demanding(app)
    browser = KeyBrowser(app)
    ticket = await ticket_of(browser, person)
    await app.db.execute("UPDATE users SET is_active = false WHERE id = $1", person.id)
    assert_error(await browser.second(ticket, device), 403, "account_inactive")


async def test_a_failed_sign_in_mails_nobody(app: Harness) -> None:
    person, device = await added(app)
    before = len(await letters(app, person.email))
    await KeyBrowser(app).sign_in(device, signature=b"\0")
    assert len(await letters(app, person.email)) == before
