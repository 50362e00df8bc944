"""Adding passkeys: what authenticators may answer, who may ask them, and what an account may have."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import cbor2
import pytest
from authenticator import AAGUID, BE, BS, RP_ID, UP, UV, Device, KeyBrowser, b64, client_data, raced, unb64, with_device
from browser import assert_error, settle, tenant
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from harness import Harness, Person
from letters import letters
from second_factor import secured


async def at_home(app: Harness, person: Person | None = None, **of_tenant: Any) -> tuple[KeyBrowser, Person]:
    person = person or await app.make_user()
    await settle(app, person, await tenant(app, **of_tenant))
    browser = KeyBrowser(app)
    assert (await browser.login(person)).status_code == 200
    return browser, person


async def setting_up(app: Harness) -> tuple[KeyBrowser, Person, str]:
    """A sign-in that may go on only with a second factor."""
    person = await app.make_user()
    await settle(app, person, await tenant(app, mfa_required=True))
    browser = KeyBrowser(app)
    reply = await browser.login(person)
    assert reply.json()["mfa_setup_required"], reply.text
    return browser, person, reply.json()["session_token"]


async def test_the_browser_is_asked_for_a_key_that_finds_its_account_and_verifies_its_person(app: Harness) -> None:
    browser, person = await at_home(app)
    options = await browser.options("register")
    assert options["rp"] == {"id": RP_ID, "name": "MonozuCloud"}
    assert options["user"]["name"] == person.email
    assert options["authenticatorSelection"] == {
        "residentKey": "required",
        "requireResidentKey": True,
        "userVerification": "required",
    }
    assert [p["alg"] for p in options["pubKeyCredParams"]] == [-7, -8, -257]
    assert options["attestation"] == "none"
    assert options["excludeCredentials"] == []
    assert len(unb64(options["challenge"])) == 32


async def test_the_handle_is_random_stays_and_says_nothing_about_the_user(app: Harness) -> None:
    browser, person = await at_home(app)
    first = unb64((await browser.options("register"))["user"]["id"])
    assert unb64((await browser.options("register"))["user"]["id"]) == first
    assert len(first) == 32
    assert person.id.bytes not in first
    other, _ = await at_home(app)
    assert unb64((await other.options("register"))["user"]["id"]) != first


@pytest.mark.parametrize("alg", ["ES256", "EdDSA", "RS256"])
async def test_a_device_is_added_and_signs_in(app: Harness, alg: str) -> None:
    _browser, person, device = await with_device(app, device=Device(alg))
    reply = await KeyBrowser(app).sign_in(device)
    assert reply.status_code == 200, reply.text
    assert reply.json()["user"]["email"] == person.email


async def test_what_was_added_is_shown(app: Harness) -> None:
    browser, _person = await at_home(app)
    device = Device(synced=False)
    reply = await browser.register(device, "  Ada’s key ")
    shown = reply.json()
    assert reply.status_code == 201
    assert shown["name"] == "Ada’s key"
    assert shown["credential_id"] == b64(device.credential_id)
    assert shown["aaguid"] == str(AAGUID)
    assert (shown["synced"], shown["backed_up"]) == (False, False)
    assert shown["transports"] == ["internal", "hybrid"]
    assert shown["last_used_at"] is None
    assert (await browser.get("/passkeys")).json()["data"] == [shown]
    assert [c["id"] for c in (await browser.options("register"))["excludeCredentials"]] == [shown["credential_id"]]
    me = (await browser.get("/me")).json()
    assert me["auth_methods"] == ["password", "passkey"]
    assert not me["mfa_enabled"]


async def test_adding_is_mailed_and_audited(app: Harness) -> None:
    _, person, _ = await with_device(app)
    [letter] = await letters(app, person.email, "passkey_added")
    assert letter.context == {"full_name": "Test Person", "passkey_name": "Laptop"}
    [row] = await app.audit("auth.passkey.added", target_user_id=person.id)
    assert row["outcome"] == "success"


OTHER = ec.generate_private_key(ec.SECP384R1()).public_key().public_numbers()
SMALL = rsa.generate_private_key(65537, 1024).public_key().public_numbers()
P384 = {1: 2, 3: -7, -1: 2, -2: OTHER.x.to_bytes(48, "big"), -3: OTHER.y.to_bytes(48, "big")}
WRONG: dict[str, dict[str, Any]] = {
    "another origin": {"origin": "https://evil.example.com"},
    "the origin in capitals": {"origin": "https://APP.example.com"},
    "the origin with a port": {"origin": "https://app.example.com:443"},
    "an origin beside ours": {"origin": "https://cloud.example.com"},
    "another kind": {"type": "webauthn.get"},
    "a page in another page": {"crossOrigin": True},
    "below another page": {"topOrigin": "https://app.example.com"},
    "another challenge": {"challenge": b64(b"x" * 32)},
    "no challenge": {"challenge": 5},
}
REFUSED: dict[str, dict[str, Any]] = {
    "another relying party": {"rp_id": "example.com"},
    "nobody present": {"flags": UV},
    "nobody verified": {"flags": UP | BE | BS},
    "backed up though it cannot be": {"flags": UP | UV | BS},
    "a key with another id": {"held_id": b"y" * 32},
    "no id": {"held_id": b""},
    "no key": {"cose": b""},
    "a key that is no map": {"cose": 7},
    "an empty key": {"cose": {}},
    "a key of an algorithm that was not asked for": {"cose": {1: 2, 3: -7, -1: 3, -2: b"x" * 66, -3: b"y" * 66}},
    "a point on another curve": {"cose": P384},
    "a point that is on no curve": {"cose": {1: 2, 3: -7, -1: 1, -2: b"\1" * 32, -3: b"\2" * 32}},
    "an algorithm that does not fit the key": {"cose": {1: 1, 3: -7, -1: 6, -2: b"\1" * 32}},
    "a small RSA key": {"cose": {1: 3, 3: -257, -1: SMALL.n.to_bytes(128, "big"), -2: b"\1\0\1"}},
    "RSA with exponent 3": {"cose": {1: 3, 3: -257, -1: b"\xff" * 256, -2: b"\3"}},
    "a huge RSA key": {"cose": {1: 3, 3: -257, -1: b"\xff" * 2048, -2: b"\1\0\1"}},
    "bytes after the key": {"cose": cbor2.dumps(Device().cose) + b"\0"},
    "an attestation that nobody asked for": {"fmt": "fido-u2f"},
    "an unknown attestation": {"fmt": "mine"},
    "an attestation that is no text": {"fmt": 5},
    "none, with a statement": {"statement": {"sig": b"x"}},
    "packed, without a signature": {"fmt": "packed"},
    "packed, with a wrong signature": {"fmt": "packed", "statement": {"alg": -7, "sig": b"x" * 70}},
    "garbage": {"attestation": b"\xff\xfe\xfd"},
    "CBOR that is no map": {"attestation": cbor2.dumps([1, 2])},
    "CBOR that promises more than there is": {"attestation": b"\x5b\x7f" + b"\xff" * 7},
    "CBOR as deep as the sea": {"attestation": b"\x81" * 40_000 + b"\x00"},
    "CBOR that refers to itself": {"attestation": b"\xd8\x1c\x81\xd8\x1d\x00"},
    "the same key twice": {"attestation": b"\xa2\x63fmt\x64none\x63fmt\x64none"},
    "no authenticator data": {"attestation": cbor2.dumps({"fmt": "none", "attStmt": {}})},
    "short authenticator data": {"attestation": cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": b"x" * 36})},
    "authenticator data that is text": {"attestation": cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": "x"})},
}


async def assert_refused(app: Harness, browser: KeyBrowser, person: Person, reply: Any) -> None:
    assert_error(reply, 400, "passkey_refused")
    assert (await browser.get("/passkeys")).json()["data"] == []
    [row] = await app.audit("auth.passkey.refused", target_user_id=person.id)
    assert row["outcome"] == "failure"
    assert await letters(app, person.email) == []


@pytest.mark.parametrize("how", REFUSED.values(), ids=REFUSED)
async def test_what_no_honest_authenticator_answers_is_refused(app: Harness, how: dict[str, Any]) -> None:
    browser, person = await at_home(app)
    await assert_refused(app, browser, person, await browser.register(Device(), **how))


@pytest.mark.parametrize("told", WRONG.values(), ids=WRONG)
async def test_what_no_page_of_ours_asks_for_is_refused(app: Harness, told: dict[str, Any]) -> None:
    browser, person = await at_home(app)
    options = await browser.options("register")
    data = client_data("create", options["challenge"], **told)
    credential = Device().created(options, data=data)
    await assert_refused(
        app, browser, person, await browser.post("/passkeys/register", {"credential": credential, "name": "x"})
    )


@pytest.mark.parametrize("data", [b"\xff", b"[]", b"{}", b"[" * 5000, b'"x"', b"{} {}"])
async def test_client_data_that_nobody_can_read_is_refused(app: Harness, data: bytes) -> None:
    browser, person = await at_home(app)
    await assert_refused(app, browser, person, await browser.register(Device(), data=data))


def without(credential: dict[str, Any], *path: str, put: Any = None) -> dict[str, Any]:
    changed = {**credential, "response": dict(credential["response"])}
    inner = changed["response"] if len(path) > 1 else changed
    inner.pop(path[-1]) if put is None else inner.update({path[-1]: put})
    return changed


@pytest.mark.parametrize(
    ("path", "put"),
    [
        (("id",), None),
        (("id",), ""),
        (("id",), "a=="),
        (("id",), "not base64!"),
        (("id",), "AB"),
        (("id",), "A" * 1366),
        (("type",), "password"),
        (("type",), None),
        (("response", "clientDataJSON"), None),
        (("response", "clientDataJSON"), "A" * 8194),
        (("response", "attestationObject"), "A" * 65_538),
        (("response", "attestationObject"), "+/"),
        (("response", "transports"), ["x"] * 11),
        (("response", "transports"), ["x" * 33]),
        (("response", "transports"), "usb"),
    ],
)
async def test_what_is_no_credential_is_told_by_field(app: Harness, path: tuple[str, ...], put: Any) -> None:
    browser, _ = await at_home(app)
    credential = without(Device().created(await browser.options("register")), *path, put=put)
    reply = await browser.post("/passkeys/register", {"credential": credential, "name": "x"})
    assert_error(reply, 400, "validation_error")
    [fault] = reply.json()["error"]["details"]["fields"]
    assert path[-1] in fault["field"] + fault["message"]


async def test_a_challenge_is_good_for_one_answer(app: Harness) -> None:
    browser, _ = await at_home(app)
    options = await browser.options("register")
    bad, good = Device().created(options, flags=UP), Device().created(options)
    assert_error(await browser.post("/passkeys/register", {"credential": bad}), 400, "passkey_refused")
    assert_error(await browser.post("/passkeys/register", {"credential": good}), 400, "passkey_refused")


async def test_of_a_hundred_equal_answers_one_adds_a_passkey(app: Harness) -> None:
    async def begin() -> Any:
        browser, person = await at_home(app)
        people.append((browser, person))
        credential = Device().created(await browser.options("register"))
        return lambda: browser.post("/passkeys/register", {"credential": credential})

    people: list[tuple[KeyBrowser, Person]] = []
    await raced(begin, won=201, lost={400})
    browser, person = people[-1]
    assert len((await browser.get("/passkeys")).json()["data"]) == 1
    assert len(await letters(app, person.email, "passkey_added")) == 1


async def test_a_challenge_ends_after_five_minutes(app: Harness) -> None:
    browser, _ = await at_home(app)
    credential = Device().created(await browser.options("register"))
    app.clock.advance(timedelta(minutes=5))
    assert_error(await browser.post("/passkeys/register", {"credential": credential}), 400, "passkey_refused")


async def test_a_challenge_of_somebody_else_of_another_session_or_of_a_sign_in_adds_nothing(app: Harness) -> None:
    browser, person = await at_home(app)
    stranger, _ = await at_home(app)
    again = KeyBrowser(app)
    await again.login(person)
    for options in (await stranger.options("register"), await again.options("register")):
        credential = Device().created(options)
        assert_error(await browser.post("/passkeys/register", {"credential": credential}), 400, "passkey_refused")
        assert (await browser.get("/passkeys")).json()["data"] == []
    asked = await browser.options("login")
    credential = Device().created({**asked, "user": {"id": "AAAA"}})
    assert_error(await browser.post("/passkeys/register", {"credential": credential}), 400, "passkey_refused")
    # Nobody else's try used them up.
    assert (await stranger.post("/passkeys/register", {"credential": Device().created(options)})).status_code == 400


async def test_a_foreign_try_does_not_use_a_challenge_up(app: Harness) -> None:
    browser, _ = await at_home(app)
    stranger, _ = await at_home(app)
    credential = Device().created(await browser.options("register"))
    assert_error(await stranger.post("/passkeys/register", {"credential": credential}), 400, "passkey_refused")
    assert (await browser.post("/passkeys/register", {"credential": credential})).status_code == 201


async def test_a_key_belongs_to_one_account(app: Harness) -> None:
    _, _, device = await with_device(app)
    stranger, _ = await at_home(app)
    assert_error(await stranger.register(device), 409, "passkey_exists")
    assert (await stranger.get("/passkeys")).json()["data"] == []


async def test_an_account_has_at_most_twenty(app: Harness) -> None:
    browser, person, _ = await with_device(app)
    options = await browser.options("register")
    for number in range(19):
        await app.db.execute(
            """
            INSERT INTO passkeys (id, user_id, credential_id, public_key, sign_count, aaguid, backup_eligible,
                                  backed_up, name, created_at)
            SELECT gen_random_uuid(), user_id, credential_id || $2::bytea, public_key, 0, aaguid, true, true, 'x',
                   created_at
            FROM passkeys WHERE user_id = $1 AND name = 'Laptop'
            """,
            person.id,
            bytes([number]),
        )
    credential = Device().created(options)
    assert_error(await browser.post("/passkeys/register", {"credential": credential}), 409, "too_many_passkeys")
    assert_error(await browser.post("/passkeys/register/options", {}), 409, "too_many_passkeys")


async def test_adding_needs_a_recent_sign_in(app: Harness) -> None:
    browser, _ = await at_home(app)
    options = await browser.options("register")
    app.clock.advance(timedelta(minutes=4))
    assert (await browser.post("/passkeys/register", {"credential": Device().created(options)})).status_code == 201
    app.clock.advance(timedelta(minutes=6, seconds=1))
    assert (await browser.post("/refresh")).status_code == 200
    for path, body in (("/options", {}), ("", {"credential": Device().created(options)})):
        reply = await browser.post(f"/passkeys/register{path}", body)
        assert_error(reply, 401, "reauthentication_required")
        assert reply.json()["error"]["details"] == {"max_age": 600}


async def test_adding_needs_somebody(app: Harness) -> None:
    nobody = KeyBrowser(app)
    assert_error(await nobody.post("/passkeys/register/options", {}), 401, "invalid_token")
    nobody.access_token = "x.y.z"
    assert_error(await nobody.post("/passkeys/register/options", {}), 401, "invalid_token")
    browser, _ = await at_home(app)
    await browser.post("/logout")
    assert_error(await browser.post("/passkeys/register/options", {}), 401, "token_revoked")


async def test_a_demanded_second_factor_may_be_a_passkey(app: Harness) -> None:
    browser, person, ticket = await setting_up(app)
    device = Device(synced=False)
    credential = device.created(await browser.options("register", session_token=ticket))
    reply = await browser.post("/passkeys/register", {"credential": credential, "session_token": ticket})
    assert reply.status_code == 201, reply.text
    assert reply.json()["user"]["must_enroll_mfa"] is False
    assert browser.cookie
    [session] = (await browser.get("/sessions")).json()["data"]
    assert session["amr"] == ["pwd", "hwk", "user", "mfa"]
    assert len(await letters(app, person.email, "passkey_added")) == 1
    # From now on it is asked for.
    again = await KeyBrowser(app).login(person)
    assert again.json()["methods"] == ["passkey"]


async def test_a_set_up_ticket_opens_one_set_up(app: Harness) -> None:
    browser, person, ticket = await setting_up(app)
    first = await browser.options("register", session_token=ticket)
    second = await browser.options("register", session_token=ticket)
    bodies = [{"credential": Device().created(o), "session_token": ticket} for o in (first, second)]
    replies = await asyncio.gather(*(KeyBrowser(app).post("/passkeys/register", body) for body in bodies))
    assert sorted(reply.status_code for reply in replies) == [201, 401]
    assert await app.db.fetchval("SELECT count(*) FROM passkeys WHERE user_id = $1", person.id) == 1


async def test_a_set_up_ticket_adds_no_factor_beside_one_that_came_meanwhile(app: Harness) -> None:
    """Two people know a password; the one who set a factor up first keeps the other out (SECURITY §2 row 38)."""
    browser, person, ticket = await setting_up(app)
    options = await browser.options("register", session_token=ticket)
    await app.db.execute("UPDATE users SET mfa_enabled = true WHERE id = $1", person.id)
    body = {"credential": Device().created(options), "session_token": ticket}
    assert_error(await browser.post("/passkeys/register", body), 401, "session_token_expired")
    assert await app.db.fetchval("SELECT count(*) FROM passkeys WHERE user_id = $1", person.id) == 0


async def test_a_passkey_added_by_a_session_ends_set_up_tickets(app: Harness) -> None:
    browser, person = await at_home(app)
    await app.db.execute("UPDATE tenants SET mfa_required = true WHERE id = $1", browser.me["tenant_id"])
    thief = KeyBrowser(app)
    ticket = (await thief.login(person)).json()["session_token"]
    assert (await browser.register(Device())).status_code == 201
    assert_error(
        await thief.post("/passkeys/register/options", {"session_token": ticket}), 401, "session_token_expired"
    )


async def test_other_tickets_open_no_set_up(app: Harness) -> None:
    user = await secured(app)
    await settle(app, user.person, await tenant(app))
    browser = KeyBrowser(app)
    ticket = (await browser.login(user.person)).json()["session_token"]
    for wrong in (ticket, "x" * 43, ticket + "A"):
        reply = await browser.post("/passkeys/register/options", {"session_token": wrong})
        assert_error(reply, 401, "session_token_expired")


async def test_a_set_up_ticket_ends_with_a_change_of_the_account(app: Harness) -> None:
    browser, person, ticket = await setting_up(app)
    options = await browser.options("register", session_token=ticket)
    await app.db.execute("UPDATE users SET token_version = token_version + 1 WHERE id = $1", person.id)
    body = {"credential": Device().created(options), "session_token": ticket}
    assert_error(await browser.post("/passkeys/register", body), 401, "session_token_expired")


async def test_a_challenge_asked_with_a_ticket_is_worth_nothing_with_another(app: Harness) -> None:
    browser, _person, ticket = await setting_up(app)
    stranger, _, other = await setting_up(app)
    options = await browser.options("register", session_token=ticket)
    body = {"credential": Device().created(options), "session_token": other}
    assert_error(await stranger.post("/passkeys/register", body), 400, "passkey_refused")
    body["session_token"] = ticket
    assert (await browser.post("/passkeys/register", body)).status_code == 201


async def test_who_was_deactivated_meanwhile_adds_nothing(app: Harness) -> None:
    browser, person, ticket = await setting_up(app)
    options = await browser.options("register", session_token=ticket)
    await app.db.execute("UPDATE users SET is_active = false WHERE id = $1", person.id)
    body = {"credential": Device().created(options), "session_token": ticket}
    assert_error(await browser.post("/passkeys/register", body), 403, "account_inactive")
    assert await app.db.fetchval("SELECT count(*) FROM passkeys WHERE user_id = $1", person.id) == 0


async def test_an_account_asks_for_twenty_challenges_an_hour(app: Harness) -> None:
    browser, _ = await at_home(app)
    for _ in range(20):
        await browser.options("register")
    assert_error(await browser.post("/passkeys/register/options", {}), 429, "rate_limited")


async def test_an_address_tries_thirty_tickets_a_minute(app: Harness) -> None:
    browser, _, ticket = await setting_up(app)
    body = {"credential": Device().created(await browser.options("register", session_token=ticket))}
    body["session_token"], path, here = "no ticket", "/passkeys/register", {"X-Forwarded-For": app.fresh_ip()}
    replies = await asyncio.gather(*(browser.post(path, body, **here) for _ in range(60)))
    assert {reply.status_code for reply in replies} == {401, 429}
    answers = (await app.http.get("/openapi.json")).json()["paths"][f"/api/v1/auth{path}"]["post"]["responses"]
    assert "429" in answers
