"""HS256 for the single-service profile: the service that verifies the tokens is the one that made them.

Whoever can verify with a shared secret can also forge with it, so nobody else may have it; every other service uses
the published keys. A secret is never a `Key` and a public key never a secret: a verifier is built with one kind or the
other, so that no token can choose (RFC 8725 §3.1; SECURITY §2 row 1).
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import Final

HS256: Final = frozenset({"HS256"})
MIN_SECRET = 32
"""Bytes: RFC 7518 §3.2 wants at least the size of the hash."""
_MARKS = (b"-----BEGIN", b"ssh-", b"ecdsa-", b"0Y0\x13", b"0*0\x05")
"""How public keys begin: PEM, OpenSSH, the DER of P-256 and Ed25519 keys."""
_RSA_DER = b"0\x82"


@dataclass(frozen=True, slots=True)
class SecretKey:
    """The secrets of one moment, as a verifier sees them: an algorithm and a way to verify."""

    _secrets: tuple[bytes, ...] = field(repr=False)
    kid: str = ""
    alg: str = "HS256"

    def verify(self, signature: bytes, message: bytes) -> bool:
        """Whether `signature` is the HMAC-SHA-256 of `message` under one of the secrets, compared in constant time."""
        return any(hmac.compare_digest(hmac.digest(secret, message, "sha256"), signature) for secret in self._secrets)


class SharedSecret:
    """A secret that this service alone knows, for `Verifier(SharedSecret(secret), …)`.

    `secret` has at least 32 bytes (text counts as UTF-8); tokens are verified with it or, during a rotation, with one
    of `previous` (at most three). Tokens need no `kid`; one that is there is not looked at. Raises ValueError for a
    secret that is too short or is a key of another kind. Neither `repr` nor an error shows it.
    """

    complete = True

    def __init__(self, secret: str | bytes, *previous: str | bytes) -> None:
        self._key = _key(secret, *previous)

    def replace(self, secret: str | bytes, *previous: str | bytes) -> None:
        """From now on these and no others: tokens of an earlier secret are refused, also those verified before."""
        self._key = _key(secret, *previous)

    def peek(self, kid: str) -> SecretKey:  # noqa: ARG002 - a secret has no id
        """The secrets of this moment, whatever `kid` the token names."""
        return self._key

    async def get(self, kid: str) -> SecretKey:
        """The same as `peek`."""
        return self.peek(kid)

    def __repr__(self) -> str:
        return "SharedSecret(…)"


def _key(*secrets: str | bytes) -> SecretKey:
    if len(secrets) > 4:
        msg = "at most three previous secrets: each costs every bad token another HMAC"
        raise ValueError(msg)
    return SecretKey(tuple(_checked(secret) for secret in secrets))


def _checked(secret: str | bytes) -> bytes:
    raw = secret.encode() if isinstance(secret, str) else bytes(secret)
    if len(raw) < MIN_SECRET:
        msg = f"a shared secret has at least {MIN_SECRET} bytes"
        raise ValueError(msg)
    text = raw.lstrip()
    if text.startswith(_MARKS) or b'"kty"' in text or (len(raw) > 200 and text.startswith(_RSA_DER)):
        msg = "this is a key, not a secret: anybody could sign with what is published"
        raise ValueError(msg)
    return raw
