"""HS256 for the service that makes its own tokens: by an explicit choice, and never beside a public key."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from identry_kit.jwtauth import InvalidToken, Key, SharedSecret, StaticKeys, Verifier

SECRET = "correct horse battery staple, and then some"
DIGESTS = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}
MakeVerifier = Callable[..., Verifier]


def mint(signer: Any, secret: str | bytes = SECRET, alg: str = "HS256", /, *, header: Any = None, **claims: Any) -> str:
    """A token signed with a secret."""
    head = json.dumps({"alg": alg, "typ": "JWT", **(header or {})})
    empty = signer.raw(head, json.dumps(signer.claims(**claims)))
    signing_input = empty.rpartition(".")[0]
    key = secret.encode() if isinstance(secret, str) else secret
    return f"{signing_input}.{signer.b64(hmac.new(key, signing_input.encode(), DIGESTS[alg]).digest())}"


@pytest.mark.parametrize("secret", [SECRET, SECRET.encode(), bytes(range(224, 256)), "é" * 16])
async def test_a_token_of_the_secret_is_accepted_with_and_without_a_kid(
    signer: Any, make_verifier: MakeVerifier, secret: str | bytes
) -> None:
    verifier = make_verifier(keys=SharedSecret(secret))
    for header in ({}, {"kid": "anything"}):
        assert verifier.verify_now(mint(signer, secret, header=header)).sub == "42"
        assert (await verifier.verify(mint(signer, secret, header=header))).sub == "42"


def test_hostile_tokens_are_refused(signer: Any, make_verifier: MakeVerifier) -> None:
    verifier = make_verifier(keys=SharedSecret(SECRET))
    good = mint(signer)
    head, body, signature = good.split(".")
    rows = {
        "another secret": mint(signer, SECRET + "!"),
        "the empty secret": mint(signer, b""),
        "HS384": mint(signer, SECRET, "HS384"),
        "HS512": mint(signer, SECRET, "HS512"),
        "HS384 called HS256": mint(signer, SECRET, "HS384", header={"alg": "HS256"}),
        "HS256 called RS256": mint(signer, header={"alg": "RS256"}),
        "alg none": mint(signer, header={"alg": "none"}),
        "alg lower case": mint(signer, header={"alg": "hs256"}),
        "a signature of RS256": signer.mint(),
        "RS256's signature called HS256": signer.mint({"alg": "HS256"}),
        "no signature": f"{head}.{body}.",
        "half a signature": f"{head}.{body}.{signature[:21]}",
        "a longer signature": f"{head}.{body}.{signature}AA",
        "another payload": f"{head}.{signer.b64(json.dumps(signer.claims(sub='1')))}.{signature}",
        "kid null": mint(signer, header={"kid": None}),
        "kid empty": mint(signer, header={"kid": ""}),
        "kid long": mint(signer, header={"kid": "k" * 129}),
        "crit": mint(signer, header={"crit": ["x"], "x": 1}),
        "jwk": mint(signer, header={"jwk": {"kty": "oct", "k": signer.b64(SECRET)}}),
        "expired": mint(signer, exp=1),
        "no exp": mint(signer, exp=...),
        "another issuer": mint(signer, iss="https://evil.example"),
        "another audience": mint(signer, aud="other"),
        "an ID token": mint(signer, type="id_token"),
    }
    accepted = []
    for name, token in rows.items():
        try:
            verifier.verify_now(token)
        except InvalidToken:
            continue
        accepted.append(name)
    assert not accepted


@pytest.mark.parametrize("algorithms", [["RS256"], ["HS256", "RS256"], ["HS384"], ["none"], []])
def test_with_a_secret_there_is_only_hs256(make_verifier: MakeVerifier, algorithms: list[str]) -> None:
    with pytest.raises(ValueError, match="SharedSecret"):
        make_verifier(keys=SharedSecret(SECRET), algorithms=algorithms)
    make_verifier(keys=SharedSecret(SECRET), algorithms=["HS256"])


def test_without_a_secret_hs256_cannot_be_chosen_and_a_public_key_is_never_one(
    signer: Any, make_verifier: MakeVerifier
) -> None:
    with pytest.raises(ValueError, match="StaticKeys"):
        make_verifier(algorithms=["HS256"])
    key = Key.of(signer.rsa.public_key(), "rs256")
    disguised = Key(key.kid, "HS256", key.fingerprint, key.public)
    verifier = make_verifier(keys=StaticKeys([disguised]))
    pem = signer.rsa.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for token in (mint(signer, pem, header={"kid": "rs256"}), signer.mint()):
        with pytest.raises(InvalidToken):
            verifier.verify_now(token)


def test_a_secret_that_is_short_or_a_public_key_is_refused(signer: Any) -> None:
    for secret in ("", "x" * 31, b"x" * 31, "é" * 15):
        with pytest.raises(ValueError, match="32 bytes"):
            SharedSecret(secret)
    spki = PublicFormat.SubjectPublicKeyInfo
    publics = [
        signer.rsa.public_key(),
        ec.generate_private_key(ec.SECP256R1()).public_key(),
        ed25519.Ed25519PrivateKey.generate().public_key(),
    ]
    published = [public.public_bytes(Encoding.PEM, spki) for public in publics]
    published += [public.public_bytes(Encoding.DER, spki) for public in publics]
    published += [public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH) for public in publics]
    published += [b"\n " + published[0], json.dumps(signer.jwk(signer.rsa, "k")).encode()]
    for text in published:
        with pytest.raises(ValueError, match="published"):
            SharedSecret(text)
        with pytest.raises(ValueError, match="published"):
            SharedSecret(SECRET, text)


def test_rotation_takes_the_previous_secret_too_and_replacing_ends_it_also_for_what_was_verified_before(
    signer: Any, make_verifier: MakeVerifier
) -> None:
    secret = SharedSecret(SECRET)
    verifier = make_verifier(keys=secret)
    old, new = mint(signer), mint(signer, "n" * 32)
    verifier.verify_now(old)
    secret.replace("n" * 32, SECRET)
    verifier.verify_now(old)
    verifier.verify_now(new)
    secret.replace("n" * 32)
    verifier.verify_now(new)
    with pytest.raises(InvalidToken):
        verifier.verify_now(old)
    with pytest.raises(ValueError, match="three"):
        SharedSecret(*["s" * 32] * 5)


async def test_the_secret_is_nowhere_to_be_seen(
    signer: Any, make_verifier: MakeVerifier, caplog: pytest.LogCaptureFixture
) -> None:
    secret = SharedSecret(SECRET)
    with caplog.at_level(logging.DEBUG), pytest.raises(InvalidToken) as caught:
        await make_verifier(keys=secret).verify(mint(signer, "x" * 32))
    shown = f"{secret!r} {secret.peek('')!r} {caught.value!r} {caught.value} {caplog.text}"
    assert SECRET not in shown
