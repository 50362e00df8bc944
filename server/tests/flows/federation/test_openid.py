"""What Authlib and joserfc do for us, and what must not get past them or out of them, whatever a provider writes."""

from __future__ import annotations

import base64
import hashlib
import itertools
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote_plus, urlsplit

import msgspec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from federation import Federation, Window, guid, someone
from harness import SIGNING_PEM
from rows import every
from security.forge import hostile, signed
from services.clocks import StillClock

from identry.federation import openid
from identry.federation.id_token import ProvenIdentity, prove
from identry.federation.openid import TokenRefused
from identry.federation.provider import ClientSecret, Provider
from identry_kit.jwtauth import Key, StaticKeys

KEY: Any = load_pem_private_key(SIGNING_PEM.encode(), None)
KEYS = StaticKeys([Key.of(KEY.public_key(), "k1")])
PROVIDER = Provider(
    key="t",
    kind="oidc",
    tenant_id=None,
    issuer="https://idp.example",
    authorization_endpoint="https://idp.example/auth",
    token_endpoint="https://idp.example/token",
    jwks_uri="https://idp.example/jwks",
    redirect_uri="https://auth.example.com/back",
    client_id="us",
    client_secret=ClientSecret("x"),
    directory_id=None,
    jit=True,
    default_group_ids=(),
    display_name="IdP",
)
CLOCK = StillClock()
NONCE, ACCESS = "n" * 43, "for-userinfo"
HEADER = {"alg": "RS256", "typ": "JWT", "kid": "k1"}


def half_hash(token: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()[:16]).rstrip(b"=").decode()


def claims(**changed: Any) -> dict[str, Any]:
    now = int(CLOCK.timestamp())
    good = {"iss": PROVIDER.issuer, "aud": "us", "sub": "ada", "iat": now, "exp": now + 600, "nonce": NONCE}
    return {name: value for name, value in {**good, **changed}.items() if value is not ...}


async def proven(token: str, access_token: str | None = ACCESS, provider: Provider = PROVIDER) -> ProvenIdentity | str:
    """The identity, or why there is none; every other exception is the test's failure."""
    try:
        return await prove(token, access_token, provider, KEYS, NONCE, CLOCK)
    except TokenRefused as refused:
        return str(refused)


ODD: list[Any] = [
    "",
    "x",
    "é",
    0,
    1.5,
    -1,
    True,
    None,
    [],
    ["x"],
    [1],
    [300],
    [[]],
    {},
    {"a": 1},
    {"": None},
    10**300,
]
TYPED = ("iss", "aud", "sub", "exp", "iat", "nbf", "nonce", "azp", "at_hash", "amr", "auth_time", "acr", "jti", "email")


async def test_a_claim_of_any_type_is_understood_or_refused() -> None:
    told = {}
    for name, value in itertools.product((*TYPED, "validate", "__class__", "options", ""), ODD):
        found = await proven(signed(HEADER, claims(**{name: value}), KEY))
        told[name, repr(value)] = found if isinstance(found, str) else ""
        assert isinstance(found, str) or found.key.subject == claims(**{name: value})["sub"]
    for name in ("iss", "aud", "exp", "nonce", "at_hash"):
        assert all(told[name, repr(value)] for value in ODD), name
    assert {told["azp", repr(value)] for value in ODD if value is not None} == {"azp"}
    assert {told["amr", repr(value)] for value in ODD if value and not isinstance(value, list)} == {"amr"}


async def test_a_claim_of_entra_id_of_any_type_is_understood_or_refused() -> None:
    entra, tid = replace(PROVIDER, kind="entra", issuer="https://idp.example/{tid}/v2.0"), guid()
    good = claims(iss=f"https://idp.example/{tid}/v2.0", tid=tid, oid=guid(), email="ada@example.com")
    assert isinstance(await proven(signed(HEADER, good, KEY), provider=entra), ProvenIdentity)
    for name, value in itertools.product(("iss", "tid", "oid"), ODD):
        found = await proven(signed(HEADER, {**good, name: value}, KEY), provider=entra)
        assert isinstance(found, str), (name, value)
    for name, value in itertools.product(("email", "preferred_username", "name", "given_name", "email_verified"), ODD):
        found = await proven(signed(HEADER, {**good, name: value}, KEY), provider=entra)
        assert isinstance(found, ProvenIdentity), (name, value)
        assert found.email_vouched is (name == "email_verified" and value is True)


@every(
    ("changed", "access_token", "reason"),
    [
        ({}, ACCESS, ""),
        ({}, None, ""),
        ({"aud": ["us"]}, ACCESS, ""),
        ({"aud": ["us", "them"], "azp": "us"}, ACCESS, ""),
        ({"aud": ["us", "them"]}, ACCESS, "azp"),
        ({"aud": ["us", "us"]}, ACCESS, "azp"),
        ({"aud": ["us", "them"], "azp": "them"}, ACCESS, "azp"),
        ({"azp": "us"}, ACCESS, ""),
        ({"azp": None}, ACCESS, ""),
        ({"azp": ""}, ACCESS, "azp"),
        ({"nonce": ...}, ACCESS, "nonce missing"),
        ({"nonce": NONCE[:-1]}, ACCESS, "nonce"),
        ({"nonce": [NONCE]}, ACCESS, "nonce"),
        ({"at_hash": half_hash(ACCESS)}, ACCESS, ""),
        ({"at_hash": half_hash("another")}, ACCESS, "at_hash"),
        ({"at_hash": half_hash(ACCESS)}, None, "at_hash"),
        ({"at_hash": half_hash("")}, "", "at_hash"),
        ({"at_hash": ""}, ACCESS, "at_hash"),
        ({"at_hash": [1]}, ACCESS, "at_hash"),
        ({"at_hash": {"a": 1}}, ACCESS, "unreadable claim"),
        ({"at_hash": "A"}, "\ud800", "unreadable claim"),
        ({"amr": ["mfa"]}, ACCESS, ""),
        ({"amr": "mfa"}, ACCESS, "amr"),
        ({"auth_time": "yesterday"}, ACCESS, "auth_time"),
    ],
)
async def test_what_openid_connect_asks_of_an_id_token(
    changed: dict[str, Any], access_token: str | None, reason: str
) -> None:
    found = await proven(signed(HEADER, claims(**changed), KEY), access_token)
    assert (found if isinstance(found, str) else "") == reason


async def test_every_forged_token_is_refused_as_an_id_token_too() -> None:
    good = claims(jti="1", sid="another")
    rows = [
        (name, token)
        for name, token in hostile(signed(HEADER, good, KEY), "http://127.0.0.1:9")
        if not name.startswith(("5-type", "5-sid", "5-tokenVersion")) and name != "5-sub-1"  # of access tokens
    ]
    assert len(rows) > 70
    assert [name for name, token in rows if not isinstance(await proven(token), str)] == []


async def test_a_token_of_entra_ids_length_is_read_and_a_longer_one_is_not() -> None:
    groups = [guid() for _ in range(500)]
    assert isinstance(await proven(signed(HEADER, claims(groups=groups), KEY)), ProvenIdentity)
    assert await proven(signed(HEADER, claims(groups=groups * 2), KEY)) == "too long"


async def test_members_of_the_header_that_nobody_knows_are_passed_over() -> None:
    header = {**HEADER, "x5t": "abc", "x5t#S256": "abc", "of-their-own": {"a": [1], "b": "x" * 900}}
    assert isinstance(await proven(signed(header, claims(), KEY)), ProvenIdentity)


def test_the_challenge_is_the_one_of_rfc_7636() -> None:
    url = openid.authorization_url(
        "https://idp.example/auth?p=b2c%2Fin&p=2#",
        "us:%ü &",
        "https://auth.example.com/back?a=b&c",
        state="s",
        nonce="n",
        verifier="dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        login_hint="ada+x@example.com",
    )
    assert url.startswith("https://idp.example/auth?p=b2c%2Fin&p=2&")
    assert parse_qs(urlsplit(url).query) == {
        "p": ["b2c/in", "2"],
        "response_type": ["code"],
        "client_id": ["us:%ü &"],
        "redirect_uri": ["https://auth.example.com/back?a=b&c"],
        "scope": ["openid profile email"],
        "state": ["s"],
        "response_mode": ["query"],
        "nonce": ["n"],
        "code_challenge": ["E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"],
        "code_challenge_method": ["S256"],
        "login_hint": ["ada+x@example.com"],
    }


@every("name", ["us", "us:them", "100%", "%3A", "a b+c", "ünï日本", "a&b=c"])
@every("secret", ["x", "a:b:", "%41%", " + ", "gehëim日本", "&client_id=them", "=\"'\\"])
def test_a_client_shows_itself_as_rfc_6749_writes_it(name: str, secret: str) -> None:
    def request(how: Any) -> tuple[dict[str, str], str | None]:
        return openid.token_request("c&d", "v" * 43, "https://r/?a=b", how, name, ClientSecret(secret))

    grant = {
        "grant_type": "authorization_code",
        "code": "c&d",
        "redirect_uri": "https://r/?a=b",
        "code_verifier": "v" * 43,
    }
    form, header = request("client_secret_basic")
    assert form == grant
    assert header is not None
    pair = base64.b64decode(header.removeprefix("Basic "), validate=True).decode("ascii").split(":")
    assert [unquote_plus(part) for part in pair] == [name, secret]
    assert request("client_secret_post") == ({**grant, "client_id": name, "client_secret": secret}, None)


ANSWERS: list[tuple[int, Any]] = [
    *((200, {"id_token": value, "access_token": value, "expires_in": value, "error": value}) for value in ODD[7:]),
    *((400, {"error": value, "error_description": value}) for value in ODD[7:]),
    (401, {"error": ["invalid_client"]}),
    (200, {"error": "invalid_grant"}),
]


async def test_an_answer_to_the_token_request_of_any_shape_lets_nobody_in(there: Federation, window: Window) -> None:
    await there.tenant(tid := guid())
    there.entra.who = someone(tid)
    for status, body in ANSWERS:
        there.entra.token = (status, {"content-type": "application/json"}, msgspec.json.encode(body))
        back = await window.callback(await window.prove(await window.leave()))
        told = dict(parse_qsl(urlsplit(str(back.headers["location"])).query))
        assert told["error"] in {"token_invalid", "provider_unavailable"}, (status, body)
