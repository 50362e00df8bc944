"""Hostile tokens 2 of 2 (SECURITY §2 rows 1, 2, 5): claims of the wrong type or value, and signatures by the wrong
means.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from identry_kit.jwtauth import Key, StaticKeys, Verifier

NOW = 1_800_000_000


def b64(data: bytes | str) -> str:
    return base64.urlsafe_b64encode(data.encode() if isinstance(data, str) else data).rstrip(b"=").decode()


def _claims(s: Any) -> Iterator[tuple[str, Any]]:
    instants: list[Any] = [
        "1800000900", "", "never", None, True, False, [NOW + 900], {"$date": 1}, 10**400, 1e300, -1e300,
        253402300800, -253402300800,
    ]  # fmt: skip
    for name in ("exp", "nbf", "iat"):
        for value in instants:
            yield f"{name} = {value!r:.20}", s.mint(**{name: value})
    rows: dict[str, dict[str, Any]] = {
        "exp missing": {"exp": ...},
        "exp past": {"exp": NOW - 61},
        "exp past by exactly the leeway": {"exp": NOW - 60},
        "exp past by a fraction": {"exp": NOW - 60.5},
        "exp zero": {"exp": 0},
        "exp negative": {"exp": -1},
        "nbf ahead": {"nbf": NOW + 61},
        "iat ahead": {"iat": NOW + 61},
        "sub missing": {"sub": ...},
        "sub null": {"sub": None},
        "sub empty": {"sub": ""},
        "sub number": {"sub": 42},
        "sub list": {"sub": ["42"]},
        "sub long": {"sub": "4" * 1025},
        "sub newline": {"sub": "42\n"},
        "sub control": {"sub": "\x1b[31m"},
        "sub bidi override": {"sub": "\u202e42"},
        "jti number": {"jti": 1},
        "jti null": {"jti": None},
        "sid list": {"sid": []},
        "type id_token": {"type": "id_token"},
        "type refresh": {"type": "refresh"},
        "type null": {"type": None},
        "type list": {"type": ["access"]},
        "type other case": {"type": "Access"},
    }
    for name, claims in rows.items():
        yield name, s.mint(**claims)
    wrong_issuers: list[Any] = [
        ..., None, "", "https://auth.example.co", "https://auth.example.com/", "https://auth.example.comm",
        "HTTPS://AUTH.EXAMPLE.COM", "http://auth.example.com", "auth.example.com",
        "https://auth.example.com.evil.example", " https://auth.example.com", "h", ["https://auth.example.com"],
        {"iss": "https://auth.example.com"}, 1, True,
    ]  # fmt: skip
    for issuer in wrong_issuers:
        yield f"iss = {issuer!r}", s.mint(iss=issuer)
    wrong_audiences: list[Any] = [
        ..., None, "", [], "order", "ordersx", "Orders", "orders ", " orders", "orders,other", "orders other",
        "o", ["order"], ["orders", 1], ["orders", None], [["orders"]], {"orders": True}, 1, True, ["x"] * 65 +
        ["orders"], "orders/", ["orders", ""],
    ]  # fmt: skip
    for audience in wrong_audiences:
        yield f"aud = {audience!r:.40}", s.mint(aud=audience)


def _signatures(s: Any) -> Iterator[tuple[str, Any]]:
    """Rows 1 and 2: the public key as a secret, other algorithms, other keys."""
    public = s.rsa.public_key()
    numbers = public.public_numbers()
    n, e = numbers.n.to_bytes(256), numbers.e.to_bytes(3)
    jwk = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "rs256", "n": b64(n), "e": b64(e)}
    spki, pkcs1 = PublicFormat.SubjectPublicKeyInfo, PublicFormat.PKCS1
    secrets: dict[str, bytes] = {
        "pem": public.public_bytes(Encoding.PEM, spki),
        "pem stripped": public.public_bytes(Encoding.PEM, spki).strip(),
        "pem crlf": public.public_bytes(Encoding.PEM, spki).replace(b"\n", b"\r\n"),
        "pkcs1 pem": public.public_bytes(Encoding.PEM, pkcs1),
        "pkcs1 der": public.public_bytes(Encoding.DER, pkcs1),
        "der": public.public_bytes(Encoding.DER, spki),
        "openssh": public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
        "jwk": json.dumps(jwk).encode(),
        "jwk compact": json.dumps(jwk, separators=(",", ":")).encode(),
        "jwks": json.dumps({"keys": [jwk]}).encode(),
        "modulus": n,
        "modulus text": b64(n).encode(),
        "kid": b"rs256",
        "empty": b"",
        "fingerprint": Key.of(public, "rs256").fingerprint,
    }
    for name, secret in secrets.items():
        for alg, digest in (("HS256", hashlib.sha256), ("HS384", hashlib.sha384), ("RS256", hashlib.sha256)):
            signing_input = f"{b64(json.dumps(s.header(alg, kid='rs256')))}.{b64(json.dumps(s.claims()))}"
            yield (
                f"{alg} keyed by {name}",
                f"{signing_input}.{b64(hmac.new(secret, signing_input.encode(), digest).digest())}",
            )
    head, body, sig = s.mint().split(".")
    signing_input = f"{head}.{body}".encode()
    for name, scheme, digest in [
        ("PKCS1 SHA-1", padding.PKCS1v15(), SHA1()),
        ("PKCS1 SHA-384", padding.PKCS1v15(), SHA384()),
        ("PKCS1 SHA-512", padding.PKCS1v15(), SHA512()),
        ("PSS", padding.PSS(padding.MGF1(SHA256()), 32), SHA256()),
    ]:
        yield name, f"{head}.{body}.{b64(s.rsa.sign(signing_input, scheme, digest))}"
    yield "another RSA key", s.mint({}, "RS256", s.other_rsa)
    yield "EC signature under the RSA key's id", s.mint({"kid": "rs256"}, "ES256")
    yield (
        "EC key's id, RS256 in the header, EC signature",
        s.raw(json.dumps(s.header(kid="es256")), json.dumps(s.claims()), "ES256"),
    )
    yield (
        "RSA key's id, ES256 in the header, RSA signature",
        s.raw(json.dumps(s.header("ES256", kid="rs256")), json.dumps(s.claims()), "RS256"),
    )
    signature = base64.urlsafe_b64decode(sig + "==")
    modulus = numbers.n
    yield "signature plus modulus", f"{head}.{body}.{b64((int.from_bytes(signature) + modulus).to_bytes(257))}"
    yield "signature with a leading zero", f"{head}.{body}.{b64(bytes(1) + signature)}"
    flips = random.Random(7)
    for number in range(10):
        flipped = bytearray(signature)
        flipped[flips.randrange(256)] ^= 1 << flips.randrange(8)
        yield f"bit flip {number}", f"{head}.{body}.{b64(bytes(flipped))}"


@pytest.mark.parametrize("family", [_claims, _signatures])
async def test_every_hostile_token_is_refused(signer: Any, refuses: Any, family: Callable[[Any], Any]) -> None:
    await refuses(list(family(signer)))


def test_the_table_is_long_enough(signer: Any) -> None:
    rows = [name for family in (_claims, _signatures) for name, _ in family(signer)]
    assert len(rows) >= 150
    assert len(rows) == len(set(rows))


@pytest.mark.parametrize(
    ("header", "claims"),
    [
        ({}, {}),
        ({"typ": ...}, {}),
        ({"typ": "at+jwt"}, {}),
        ({"typ": "AT+JWT"}, {}),
        ({"typ": "jwt"}, {}),
        ({"x5t": "abc", "foo": {"bar": [1]}}, {}),
        ({"kid": "k" * 128}, {}),
        ({}, {"aud": ["other", "orders"]}),
        ({}, {"exp": NOW - 59}),
        ({}, {"exp": NOW + 0.5, "nbf": NOW + 60, "iat": NOW + 60}),
        ({}, {"nbf": ..., "iat": ..., "jti": ..., "type": ...}),
        ({}, {"sub": "José 日本 🙂", "name": "a\nb", "x": {"deep": [[[1]]]}}),
        ({}, {"x": "[" * 100 + "{" * 100}),
        ({}, {"exp": 253402300799, "nbf": -1}),
    ],
)
def test_what_is_unusual_but_right_is_accepted(
    signer: Any, make_verifier: Callable[..., Verifier], header: dict[str, Any], claims: dict[str, Any]
) -> None:
    keys = [*signer.all_keys(), Key.of(signer.rsa.public_key(), "k" * 128)]
    verifier = make_verifier(keys=StaticKeys(keys))
    token = signer.mint(header, **claims)
    expected = signer.claims(**claims)
    assert verifier.verify_now(token).sub == expected["sub"]
    assert verifier.verify_now(token)["exp"] == expected["exp"]


def test_weak_keys_are_not_keys() -> None:
    with pytest.raises(ValueError, match="RSA"):
        Key.of(rsa.generate_private_key(65537, 1024).public_key(), "weak")
