"""Signatures and keys in the spirit of Wycheproof's JSON Web Signature and JSON Web Key groups, made here and now.

Each group has what must be accepted and what must not: integers out of range, other lengths and encodings, other
primitives, keys that are weak or meant for something else.
"""

from __future__ import annotations

import base64
import itertools
import json
import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, Hash
from rows import every

from identry_kit.jwtauth import InvalidToken, Key, StaticKeys, Verifier

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _es256(s: Any, token: str) -> Iterator[tuple[str, bytes, bool]]:
    signing_input, _, text = token.rpartition(".")
    good = unb64(text)
    r, t = int.from_bytes(good[:32]), int.from_bytes(good[32:])

    def pair(first: int, second: int, size: int = 32) -> bytes:
        return first.to_bytes(size) + second.to_bytes(size)

    yield "as signed", good, True
    yield "the other s, which is as good", pair(r, P256_ORDER - t), True
    edges = {"0": 0, "1": 1, "n-1": P256_ORDER - 1, "n": P256_ORDER, "n+1": P256_ORDER + 1, "max": 2**256 - 1}
    for name, value in edges.items():
        yield f"r is {name}", pair(value, t), False
        yield f"s is {name}", pair(r, value), False
        for other, second in edges.items():
            yield f"r is {name}, s is {other}", pair(value, second), False
    yield "r plus n in 33 bytes", pair(r + P256_ORDER, t, 33), False
    yield "s plus n in 33 bytes", pair(r, t + P256_ORDER, 33), False
    yield "33 bytes each", pair(r, t, 33), False
    yield "48 bytes each", pair(r, t, 48), False
    yield "r and s swapped", pair(t, r), False
    yield "r twice", pair(r, r), False
    yield "DER", encode_dss_signature(r, t), False
    yield "a zero after", good + b"\0", False
    yield "a zero before", b"\0" + good, False
    yield "the last byte missing", good[:-1], False
    yield "r only", good[:32], False
    yield "zeros", bytes(64), False
    yield "SHA-384", _raw_ecdsa(s, signing_input, SHA384()), False
    yield "another key", s.sign("ES256", signing_input.encode(), ec.generate_private_key(ec.SECP256R1())), False


def _raw_ecdsa(s: Any, signing_input: str, digest: Any) -> bytes:
    r, t = decode_dss_signature(s.ec.sign(signing_input.encode(), ec.ECDSA(digest)))
    return r.to_bytes(32) + t.to_bytes(32)


def _eddsa(s: Any, token: str) -> Iterator[tuple[str, bytes, bool]]:
    _, _, text = token.rpartition(".")
    good = unb64(text)
    scalar = int.from_bytes(good[32:], "little")
    yield "as signed", good, True
    yield "s plus the order: malleable", good[:32] + (scalar + ED25519_ORDER).to_bytes(32, "little"), False
    yield "s is zero", good[:32] + bytes(32), False
    yield "s is the order", good[:32] + ED25519_ORDER.to_bytes(32, "little"), False
    yield "s is all ones", good[:32] + b"\xff" * 32, False
    yield "R is the neutral element", (1).to_bytes(32, "little") + good[32:], False
    yield "R is zero", bytes(32) + good[32:], False
    yield "R is not canonical", b"\xff" * 32 + good[32:], False
    yield "neutral element and zero", (1).to_bytes(32, "little") + bytes(32), False
    yield "halves swapped", good[32:] + good[:32], False
    yield "a zero after", good + b"\0", False
    yield "the last byte missing", good[:-1], False
    yield "R only", good[:32], False
    for bit in (0, 255, 256, 511):
        changed = bytearray(good)
        changed[bit // 8] ^= 1 << (bit % 8)
        yield f"bit {bit} changed", bytes(changed), False


def _rs256(s: Any, token: str) -> Iterator[tuple[str, bytes, bool]]:
    signing_input, _, text = token.rpartition(".")
    good = unb64(text)
    numbers = s.rsa.private_numbers()
    modulus = numbers.public_numbers.n
    digest = Hash(SHA256())
    digest.update(signing_input.encode())
    hashed = digest.finalize()
    info = bytes.fromhex("3031300d060960864801650304020105000420")

    def signed(block: bytes) -> bytes:
        """The private operation on a block of any form: what a forger of the padding would need."""
        return pow(int.from_bytes(block), numbers.d, modulus).to_bytes(256)

    def block(inner: bytes, *, start: bytes = b"\0\x01", fill: bytes = b"\xff", separator: bytes = b"\0") -> bytes:
        size = 256 - len(start) - len(separator) - len(inner)
        return start + fill * size + separator + inner

    yield "as signed", good, True
    yield "the block as it should be", signed(block(info + hashed)), True
    yield "no algorithm", signed(block(hashed)), False
    yield (
        "parameters missing",
        signed(block(bytes.fromhex("302f300b0609608648016503040201") + b"\x04\x20" + hashed)),
        False,
    )
    yield (
        "another algorithm's name",
        signed(block(bytes.fromhex("3031300d060960864801650304020205000420") + hashed)),
        False,
    )
    yield "the hash cut", signed(block(info[:-1] + b"\x1f" + hashed[:-1])), False
    yield "the hash of something else", signed(block(info + bytes(32))), False
    yield "block type 0", signed(block(info + hashed, start=b"\0\0", fill=b"\0", separator=b"")), False
    yield "block type 2", signed(block(info + hashed, start=b"\0\x02")), False
    yield "first byte not zero", signed(block(info + hashed, start=b"\x01\x01")), False
    yield "padding of other bytes", signed(block(info + hashed, fill=b"\xfe")), False
    yield "no separator", signed(block(info + hashed, separator=b"\xff")), False
    short = b"\0\x01" + b"\xff" * 8 + b"\0" + info + hashed
    yield "short padding, rest after the hash", signed(short + bytes(256 - len(short))), False
    yield "bytes after the hash", signed(block(info + hashed + b"\0\0")), False
    yield "PSS", s.rsa.sign(signing_input.encode(), padding.PSS(padding.MGF1(SHA256()), 32), SHA256()), False
    yield "signature is 0", bytes(256), False
    yield "signature is 1", (1).to_bytes(256), False
    yield "signature is n-1", (modulus - 1).to_bytes(256), False
    yield "signature is n", modulus.to_bytes(256), False
    yield "a zero before", b"\0" + good, False
    yield "a zero after", good + b"\0", False
    yield "the first byte missing", good[1:], False
    yield "cube root of a block", math.isqrt(int.from_bytes(block(info + hashed))).to_bytes(256), False


def test_an_rsa_signature_has_the_length_of_its_modulus(signer: Any) -> None:
    """RFC 8017 §8.2.2, step 1: one that begins with a zero byte means the same number without it, and is refused."""
    key = Key.of(signer.rsa.public_key(), "a")
    modulus = signer.rsa.public_key().public_numbers().n
    tried = (str(number).encode() for number in itertools.count())
    made = ((message, signer.rsa.sign(message, padding.PKCS1v15(), SHA256())) for message in tried)
    message, good = next((message, signature) for message, signature in made if signature[0] == 0)
    assert key.verify(good, message)
    assert not key.verify(good[1:], message)
    assert not key.verify(b"\0" + good, message)
    assert not key.verify((int.from_bytes(good) + modulus).to_bytes(256), message)
    assert not key.verify(b"", message)


@pytest.mark.parametrize(("alg", "group"), [("RS256", _rs256), ("ES256", _es256), ("EdDSA", _eddsa)])
def test_a_signature_is_the_one_that_its_algorithm_says_and_no_other(
    signer: Any, make_verifier: Callable[..., Verifier], alg: str, group: Callable[[Any, str], Any]
) -> None:
    token = signer.mint({}, alg)
    rows = list(group(signer, token))
    verifier = make_verifier(algorithms=[alg], cache_size=0)
    message = token.rpartition(".")[0]
    assert len({name for name, _, _ in rows}) == len(rows)
    wrong = []
    for name, signature, expected in rows:
        try:
            verifier.verify_now(f"{message}.{b64(signature)}")
            accepted = True
        except InvalidToken:
            accepted = False
        if accepted != expected:
            wrong.append(name)
    assert not wrong


def _roca_like() -> int:
    """A modulus with the mark of CVE-2017-15361: a power of 65537 modulo the product of the small primes."""
    primes = [p for p in range(3, 168) if all(p % q for q in range(2, p))]
    product = math.prod(primes)
    power = pow(65537, 12345, product)
    return power + product * (2 ** (2047 - product.bit_length()) | 1) * 2


@every(
    "jwk",
    [
        {"n": b64(rsa.generate_private_key(65537, 1024).public_key().public_numbers().n.to_bytes(128))},
        {"e": "AQ"},
        {"e": "Ag"},
        {"e": "AQAA"},
        {"alg": "RS384"},
        {"alg": "PS256"},
        {"alg": "HS256"},
        {"alg": "none"},
        {"alg": "RSA-OAEP"},
        {"use": "enc"},
        {"use": "SIG"},
        {"use": ["sig"]},
        {"key_ops": ["encrypt"]},
        {"key_ops": []},
        {"kty": "EC"},
        {"kty": "rsa"},
        {"kty": "oct"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "alg": "ES256"},
        {"kty": "EC", "crv": "P-256", "x": b64(b"\1" * 32), "y": b64(b"\1" * 32), "alg": "ES256"},
        {"kty": "EC", "crv": "P-384", "x": b64(b"\1" * 48), "y": b64(b"\1" * 48), "alg": "ES384"},
        {"kty": "EC", "crv": "secp256k1", "x": b64(b"\1" * 32), "y": b64(b"\1" * 32), "alg": "ES256"},
        {"kty": "OKP", "crv": "Ed25519", "x": b64(b"\1" * 31), "alg": "EdDSA"},
        {"kty": "OKP", "crv": "X25519", "x": b64(b"\1" * 32), "alg": "EdDSA"},
        {"kty": "OKP", "crv": "Ed448", "x": b64(b"\1" * 57), "alg": "EdDSA"},
        {"k": "c2VjcmV0"},
        {"p": "AQAB"},
    ],
)
def test_a_key_that_is_weak_or_for_something_else_is_no_key(signer: Any, jwk: dict[str, Any]) -> None:
    whole = signer.jwk(signer.rsa, "k") | jwk
    with pytest.raises(ValueError, match=r"."):
        Key.from_jwk(whole)
    assert Key.from_jwk(signer.jwk(signer.rsa, "k")).alg == "RS256"


def test_a_key_of_the_generator_that_was_broken_is_no_key(signer: Any) -> None:
    with pytest.raises(ValueError, match="CVE-2017-15361"):
        Key.from_jwk(signer.jwk(signer.rsa, "k", n=b64(_roca_like().to_bytes(256))))


def test_a_key_found_by_its_id_verifies_its_own_algorithm_only(
    signer: Any, make_verifier: Callable[..., Verifier]
) -> None:
    """One id for keys of two kinds: the later one has it, and the other's tokens are refused."""
    keys = [Key.of(signer.rsa.public_key(), "one"), Key.of(signer.ec.public_key(), "one")]
    verifier = make_verifier(keys=StaticKeys(keys), algorithms=["RS256", "ES256", "EdDSA"])
    verifier.verify_now(signer.mint({"kid": "one"}, "ES256"))
    for header, alg in (({"kid": "one"}, "RS256"), ({"kid": "one", "alg": "ES256"}, "RS256")):
        with pytest.raises(InvalidToken):
            verifier.verify_now(signer.raw(json.dumps(signer.header(alg) | header), json.dumps(signer.claims()), alg))
