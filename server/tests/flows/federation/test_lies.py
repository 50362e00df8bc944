"""A provider that lies, fails or was attacked: each time the contract's code, an audit row, and nothing written."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from federation import Federation, Window, federation, guid, someone
from harness import Servers
from services.entra import Account, Entra

Lie = Callable[[Entra], None]


def claims(**changed: Any) -> Lie:
    return lambda entra: entra.claims.update(changed)


def header(**changed: Any) -> Lie:
    return lambda entra: entra.header.update(changed)


def signed(how: str) -> Lie:
    return lambda entra: setattr(entra, "signing", how)


def answers(status: int, body: Any, **headers: str) -> Lie:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    told = {"content-type": "application/json", **{k.replace("_", "-"): v for k, v in headers.items()}}
    return lambda entra: setattr(entra, "token", (status, told, raw))


def times(**offsets: int) -> Lie:
    return lambda entra: entra.claims.update({name: int(entra.now()) + offset for name, offset in offsets.items()})


def redirected(**changed: str | None) -> Lie:
    return lambda entra: entra.reply.update(changed)


OTHER_TID = "11111111-2222-4333-8444-555555555555"

TOKENS: dict[str, Lie] = {
    "signed with another key under the published id": signed("unpublished"),
    "not signed": signed("none"),
    "signed with the public key as a secret": signed("hs256"),
    "names a key that nobody published": header(kid="nobody-published-this"),
    "names no key": header(kid=""),
    "brings its own key": header(jwk={"kty": "RSA", "n": "AQAB", "e": "AQAB"}),
    "points to a key": header(jku="https://evil.example/keys"),
    "demands an extension": header(crit=["b64"], b64=False),
    "is another kind of token": header(typ="at+jwt-of-something-else"),
    "for another app": claims(aud=guid()),
    "for this app among others, azp another": claims(aud=["5f1e6a1c-1111-4222-8333-444455556666", "b"], azp="b"),
    "for several without azp": claims(aud=["5f1e6a1c-1111-4222-8333-444455556666", "b"]),
    "azp another": claims(azp="somebody-else"),
    "no audience": claims(aud=None),
    "issuer of another directory": claims(iss=f"https://login.microsoftonline.com/{OTHER_TID}/v2.0"),
    "directory of another issuer": claims(tid=OTHER_TID),
    "no issuer": claims(iss=None),
    "no directory": claims(tid=None),
    "directory that is no id": claims(tid="common"),
    "directory in capitals": claims(tid=OTHER_TID.upper().replace("1", "A")),
    "directory that is a path": claims(tid=f"{OTHER_TID}/../x"),
    "no object": claims(oid=None),
    "object that is no id": claims(oid="ada"),
    "object that is a number": claims(oid=7),
    "no nonce": claims(nonce=None),
    "another nonce": claims(nonce="A" * 43),
    "nonce that is a list": claims(nonce=["A"]),
    "no subject": claims(sub=None),
    "no address": claims(email=None, preferred_username=None),
    "address that is none": claims(email="not an address", preferred_username="neither"),
    "address of a guest's made-up name": claims(email=None, preferred_username="x_gmail.com#EXT#@acme.onmicrosoft.com"),
    "address in another alphabet": claims(email="аda@example.com", preferred_username=None),
    "expired": times(exp=-61, iat=-4000, nbf=-4000),
    "not yet valid": times(nbf=120),
    "made in the future": times(iat=120),
    "never expires": claims(exp=None),
    "expiry as text": claims(exp="9999999999"),
    "at_hash of another token": claims(at_hash="A" * 22),
}


@pytest.mark.parametrize("lie", TOKENS.values(), ids=TOKENS.keys())
async def test_an_id_token_that_is_not_right_proves_nobody(lie: Lie, there: Federation, window: Window) -> None:
    tid = guid()
    await there.tenant(tid)
    lie(there.entra)
    await assert_refused(there, window, someone(tid), "token_invalid")


ANSWERS: dict[str, tuple[Lie, str]] = {
    "no id token": (answers(200, {"access_token": "x", "token_type": "Bearer"}), "token_invalid"),
    "id token that is a number": (answers(200, {"id_token": 7}), "token_invalid"),
    "id token that is no token": (answers(200, {"id_token": "secret text"}), "token_invalid"),
    "id token in the form of JSON": (answers(200, {"id_token": '{"payload":"e30"}'}), "token_invalid"),
    "code refused": (answers(400, {"error": "invalid_grant", "error_description": "secret text"}), "token_invalid"),
    "our secret refused": (
        answers(401, {"error": "invalid_client", "error_description": "secret text"}),
        "provider_unavailable",
    ),
    "fails": (answers(500, {"error": "secret text"}), "provider_unavailable"),
    "is busy": (answers(503, b"secret text"), "provider_unavailable"),
    "limits": (answers(429, {"error": "secret text"}), "provider_unavailable"),
    "answers with a page": (
        answers(200, b"<html>secret text</html>", content_type="text/html"),
        "provider_unavailable",
    ),
    "answers with nothing": (answers(200, b""), "provider_unavailable"),
    "answers with a list": (answers(200, ["secret text"]), "provider_unavailable"),
    "answers deeply nested": (answers(200, b"[" * 50_000), "provider_unavailable"),
    "answers too much": (answers(200, b'{"id_token":"' + b"x" * 300_000 + b'"}'), "provider_unavailable"),
    "answers compressed": (answers(200, b"\x1f\x8b", content_encoding="gzip"), "provider_unavailable"),
    "redirects": (answers(302, b"", location="/elsewhere"), "provider_unavailable"),
    "redirects and keeps the form": (answers(307, b"", location="/elsewhere"), "provider_unavailable"),
}


@pytest.mark.parametrize(("lie", "code"), ANSWERS.values(), ids=ANSWERS.keys())
async def test_a_token_endpoint_that_is_not_well(lie: Lie, code: str, there: Federation, window: Window) -> None:
    await there.tenant(tid := guid())
    lie(there.entra)
    await assert_refused(there, window, someone(tid), code)
    assert "POST /elsewhere" not in there.entra.visits


REDIRECTS: dict[str, tuple[Lie, str]] = {
    "error": (redirected(error="server_error", error_description="secret text", code=None), "provider_unavailable"),
    "error that nobody knows": (redirected(error="<script>", code=None), "provider_unavailable"),
    "declined": (redirected(error="access_denied", error_description="secret text"), "access_denied"),
    "consent refused": (redirected(error="consent_required"), "access_denied"),
    "no code": (redirected(code=None), "token_invalid"),
    "a code of somebody's making": (redirected(code="secret text"), "token_invalid"),
    "issuer of somebody else": (redirected(iss="https://evil.example"), "token_invalid"),
    "another state": (redirected(state="A" * 43), "state_invalid"),
    "no state": (redirected(state=None), "state_invalid"),
    "a state as long as a book": (redirected(state="A" * 9000), "state_invalid"),
    "a code as long as a book": (redirected(code="A" * 9000), "state_invalid"),
}


@pytest.mark.parametrize(("lie", "code"), REDIRECTS.values(), ids=REDIRECTS.keys())
async def test_a_redirect_back_that_is_not_right(lie: Lie, code: str, there: Federation, window: Window) -> None:
    await there.tenant(tid := guid())
    lie(there.entra)
    await assert_refused(there, window, someone(tid), code)


async def test_the_issuer_of_the_response_is_accepted_when_it_is_the_tokens(there: Federation, window: Window) -> None:
    await there.tenant(tid := guid())
    there.entra.reply = {"iss": f"{there.entra.url}/{tid}/v2.0"}
    assert set(await window.arrive(someone(tid))) == {"code"}


async def test_declining_at_the_provider_is_access_denied(there: Federation, window: Window) -> None:
    assert await window.arrive(None) == {"error": "access_denied"}


async def test_a_clock_that_is_a_little_off_is_forgiven(there: Federation, window: Window) -> None:
    await there.tenant(tid := guid())
    times(iat=40, nbf=40)(there.entra)
    assert set(await window.arrive(someone(tid))) == {"code"}


async def test_at_hash_of_the_access_token_beside_it_is_right(there: Federation, window: Window) -> None:
    await there.tenant(tid := guid())
    half = hashlib.sha256(b"for-graph").digest()[:16]
    there.entra.claims = {"at_hash": base64.urlsafe_b64encode(half).rstrip(b"=").decode()}
    assert set(await window.arrive(someone(tid))) == {"code"}


async def test_the_name_as_an_address_will_do_where_there_is_no_mailbox(there: Federation, window: Window) -> None:
    await there.tenant(tid := guid())
    ada = someone(tid)
    there.entra.claims = {"email": None}
    assert (await window.sign_in(ada))["user"]["email"] == ada.email


async def test_a_name_that_does_not_print_is_shown_without_harm(there: Federation, window: Window) -> None:
    await there.tenant(tid := guid())
    there.entra.claims = {"name": "Ada\r\n\u202eLovelace" + "x" * 500}
    name = (await window.sign_in(someone(tid)))["user"]["full_name"]
    assert name.startswith("Ada   Lovelace")
    assert name.isprintable()
    assert len(name) == 200


@pytest.mark.slow
async def test_a_provider_that_says_nothing_is_given_up_after_ten_seconds(there: Federation, window: Window) -> None:
    await there.tenant(tid := guid())
    there.entra.hang = True
    await assert_refused(there, window, someone(tid), "provider_unavailable")


async def test_a_provider_that_is_gone_when_the_browser_comes_back(servers: Servers) -> None:
    async with federation(servers) as there:
        window = Window(there)
        there.entra.who = someone(guid())
        url = await window.prove(await window.leave())
        await there.entra.stop()
        assert await window.come_back(url) == {"error": "provider_unavailable"}


async def test_a_provider_that_publishes_no_keys(servers: Servers) -> None:
    async with federation(servers) as there:
        there.entra.has_keys = False
        await there.tenant(tid := guid())
        await assert_refused(there, Window(there), someone(tid), "provider_unavailable")


async def assert_refused(there: Federation, window: Window, account: Account, code: str) -> None:
    """The code and nothing else reaches the app; nothing was made; the audit log knows, in our own words."""
    before = await counts(there)
    known = await there.refusals()

    assert await window.arrive(account) == {"error": code}

    assert await counts(there) == before
    refused = await there.refusals(*known)
    assert [json.loads(row["details"])["error"] for row in refused] == [code]
    assert refused[0]["outcome"] == "failure"
    assert "secret text" not in refused[0]["details"]
    assert window.cookies == {} or code == "state_invalid"


async def counts(there: Federation) -> list[int]:
    """Rows of everything that a sign-in may make."""
    tables = ("users", "identities", "tenant_members", "sessions", "one_time_tokens", "mail_outbox")
    sql = "SELECT " + ", ".join(f"(SELECT count(*) FROM {table})" for table in tables)
    return list(await there.app.db.fetchrow(sql))
