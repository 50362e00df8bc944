"""Tokens that nobody should accept, made from a genuine one and even with the server's own key."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA512
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from harness import SIGNING_PEM

_KEY: Any = load_pem_private_key(SIGNING_PEM.encode(), None)
_OTHER = rsa.generate_private_key(65537, 2048)
_EC = ec.generate_private_key(ec.SECP256R1())


def b64(data: bytes | str) -> str:
    return base64.urlsafe_b64encode(data.encode() if isinstance(data, str) else data).rstrip(b"=").decode()


def unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _raw(header: str, payload: str, key: Any = _KEY) -> str:
    signing_input = f"{b64(header)}.{b64(payload)}"
    return f"{signing_input}.{b64(key.sign(signing_input.encode(), padding.PKCS1v15(), SHA256()))}"


def signed(header: dict[str, Any], claims: dict[str, Any], key: Any = _KEY) -> str:
    """Correctly signed with the server's own key, whatever it says."""
    return _raw(json.dumps(header), json.dumps(claims), key)


def hostile(genuine: str, listener: str) -> Iterator[tuple[str, str]]:
    """(row and name, token): each differs from `genuine` in what makes it unacceptable.

    Args:
        genuine: a token that the server accepts now.
        listener: a URL that must never be asked.
    """
    head, body, signature = genuine.split(".")
    header: dict[str, Any] = json.loads(unpadded(head))
    claims: dict[str, Any] = json.loads(unpadded(body))
    assert signed(header, claims)
    yield from _wrong_means(header, claims)
    for name, crit in {"unknown": ["exp2"], "empty": [], "b64": ["b64"], "text": "exp", "null": None}.items():
        yield f"3-crit-{name}", signed({**header, "crit": crit, "exp2": 1}, claims)
    yield "3-b64-false", signed({**header, "crit": ["b64"], "b64": False}, claims)
    numbers = _OTHER.public_key().public_numbers()
    jwk = {"kty": "RSA", "n": b64(numbers.n.to_bytes(256)), "e": "AQAB"}
    for name, more in {
        "jwk": {"jwk": jwk},
        "jku": {"jku": f"{listener}/jwks"},
        "x5u": {"x5u": f"{listener}/cert"},
        "x5c": {"x5c": ["MIIB"]},
        "kid-url": {"kid": f"{listener}/key"},
        "kid-path": {"kid": "../../../../dev/null"},
        "kid-sql": {"kid": "x' OR '1'='1"},
        "kid-nul": {"kid": "default\x00"},
        "no-kid": {"kid": ...},
    }.items():
        changed = {k: v for k, v in {**header, **more}.items() if v is not ...}
        yield f"4-{name}", signed(changed, claims, _OTHER)
    yield from _wrong_claims(header, claims)
    for size in (64 << 10, 256 << 10):
        yield f"6-{size}-bytes", f"{head}.{b64('x' * size)}.{signature}"[: 30 << 10]
    for name, token in {
        "padded-header": f"{head}=.{body}.{signature}",
        "padded-signature": f"{head}.{body}.{signature}==",
        "standard-alphabet": f"{head}.{body}.{signature[:-1]}+",
        "last-bits": f"{head}.{body}.{signature[:-1]}{_next(signature[-1])}",
        "dot-at-the-end": genuine + ".",
        "percent": genuine.replace(".", "%2e", 1),
        "empty-signature": f"{head}.{body}.",
    }.items():
        yield f"7-{name}", token
    parts = {"protected": head, "payload": body, "signature": signature}
    yield "11-json-serialisation", json.dumps(parts, separators=(",", ":"))
    yield "11-json-general", json.dumps({"payload": body, "signatures": [parts]}, separators=(",", ":"))
    yield "11-five-parts", f"{genuine}.{head}.{body}"
    yield "11-nested", signed({**header, "cty": "JWT"}, {"jwt": genuine})
    yield "11-two-payloads", f"{head}.{body}.{signature},{head}.{body}.{signature}"
    doubled = json.dumps(claims)[:-1] + ',"sub":"00000000-0000-7000-8000-000000000000"}'
    yield "11-claim-twice", _raw(json.dumps(header), doubled)


def _wrong_means(header: dict[str, Any], claims: dict[str, Any]) -> Iterator[tuple[str, str]]:
    public = _KEY.public_key()
    spki = PublicFormat.SubjectPublicKeyInfo
    modulus = public.public_numbers().n.to_bytes(256)
    secrets = {
        "pem": public.public_bytes(Encoding.PEM, spki),
        "pkcs1": public.public_bytes(Encoding.PEM, PublicFormat.PKCS1),
        "der": public.public_bytes(Encoding.DER, spki),
        "openssh": public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
        "jwk": json.dumps({"kty": "RSA", "n": b64(modulus), "e": "AQAB"}).encode(),
        "modulus": modulus,
        "empty": b"",
    }
    for name, secret in secrets.items():
        for alg in ("HS256", "RS256"):
            text = f"{b64(json.dumps({**header, 'alg': alg}))}.{b64(json.dumps(claims))}"
            yield f"1-{alg}-keyed-by-{name}", f"{text}.{b64(hmac.new(secret, text.encode(), hashlib.sha256).digest())}"
    for alg in ("none", "None", "", "RS512", "PS256", None, ["RS256"]):
        yield f"1-alg-{alg}", f"{b64(json.dumps({**header, 'alg': alg}))}.{b64(json.dumps(claims))}."
        yield f"2-says-{alg}", signed({**header, "alg": alg}, claims)
    text = f"{b64(json.dumps(header))}.{b64(json.dumps(claims))}"
    r, s = decode_dss_signature(_EC.sign(text.encode(), ec.ECDSA(SHA256())))
    yield "2-ec-signature", f"{text}.{b64(r.to_bytes(32) + s.to_bytes(32))}"
    yield "2-sha512", f"{text}.{b64(_KEY.sign(text.encode(), padding.PKCS1v15(), SHA512()))}"
    yield "2-another-key", signed(header, claims, _OTHER)


def _wrong_claims(header: dict[str, Any], claims: dict[str, Any]) -> Iterator[tuple[str, str]]:
    issuer, audience = claims["iss"], claims["aud"]
    wrong: dict[str, list[Any]] = {
        "iss": [issuer[:-1], issuer + "/", issuer + ".evil", issuer.upper(), [issuer], "", None, ...],
        "aud": [audience[:-1], audience + "x", [audience + "x"], f"{audience},x", {}, "", [], None, ...],
        "exp": [claims["iat"] - 3600, str(claims["exp"]), True, None, 1e400, ...],
        "nbf": [claims["exp"] + 3600, "0"],
        "type": ["refresh", "id", "Access", None, ...],
        "sid": ["", "x", claims["sub"], 1, None, ...],
        "sub": ["", claims["sid"], 1, None, ...],
        "tokenVersion": [0, 2, "1", 1.5, -1, None, ...],
    }
    for name, values in wrong.items():
        for number, value in enumerate(values):
            changed = {k: v for k, v in {**claims, name: value}.items() if v is not ...}
            yield f"5-{name}-{number}", signed(header, changed)


def _next(char: str) -> str:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return alphabet[alphabet.index(char) ^ 1]
