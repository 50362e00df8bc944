"""Key pairs that sign tokens of any shape."""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ALGORITHMS: Final = ("RS256", "ES256", "EdDSA")


class KeyPair:
    """A private key of an issuer for tests: `alg` is RS256 (2048 bits), ES256 or EdDSA.

    `kid` is the RFC 7638 thumbprint unless given. Raises ValueError for another `alg`.
    """

    def __init__(self, alg: str = "RS256", kid: str = "") -> None:
        self.alg = alg
        self._private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
        if alg == "RS256":
            self._private = rsa.generate_private_key(65537, 2048)
        elif alg == "ES256":
            self._private = ec.generate_private_key(ec.SECP256R1())
        elif alg == "EdDSA":
            self._private = ed25519.Ed25519PrivateKey.generate()
        else:
            msg = f"alg is one of {', '.join(ALGORITHMS)}"
            raise ValueError(msg)
        self._members = self._public_members()
        self.kid = kid or thumbprint(self._members)

    def __repr__(self) -> str:
        return f"KeyPair(alg={self.alg!r}, kid={self.kid!r})"

    @property
    def jwk(self) -> dict[str, str]:
        """The public key as a JWK (RFC 7517)."""
        return {**self._members, "use": "sig", "alg": self.alg, "kid": self.kid}

    @property
    def public_pem(self) -> str:
        """The public key in PEM."""
        return self._private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def sign(self, message: bytes) -> bytes:
        """The signature over `message`, as a JWS has it (RFC 7518 §3)."""
        private = self._private
        if isinstance(private, rsa.RSAPrivateKey):
            return private.sign(message, padding.PKCS1v15(), SHA256())
        if isinstance(private, ec.EllipticCurvePrivateKey):
            r, s = decode_dss_signature(private.sign(message, ec.ECDSA(SHA256())))
            return r.to_bytes(32) + s.to_bytes(32)
        return private.sign(message)

    def token(self, claims: Mapping[str, Any], header: Mapping[str, Any]) -> str:
        """A compact JWS over `claims` under `header`, as they are: also nonsense is signed."""
        message = f"{_encode(header)}.{_encode(claims)}"
        return f"{message}.{b64(self.sign(message.encode()))}"

    def _public_members(self) -> dict[str, str]:
        public = self._private.public_key()
        if isinstance(public, rsa.RSAPublicKey):
            numbers = public.public_numbers()
            return {"kty": "RSA", "n": b64(numbers.n.to_bytes(256)), "e": b64(numbers.e.to_bytes(3))}
        if isinstance(public, ec.EllipticCurvePublicKey):
            point = public.public_numbers()
            return {"kty": "EC", "crv": "P-256", "x": b64(point.x.to_bytes(32)), "y": b64(point.y.to_bytes(32))}
        return {"kty": "OKP", "crv": "Ed25519", "x": b64(public.public_bytes(Encoding.Raw, PublicFormat.Raw))}


def thumbprint(members: Mapping[str, str]) -> str:
    """The JWK thumbprint of RFC 7638 (SHA-256) of a key's required members."""
    text = json.dumps(dict(sorted(members.items())), separators=(",", ":"))
    return b64(hashlib.sha256(text.encode()).digest())


def _encode(value: Mapping[str, Any]) -> str:
    return b64(json.dumps(value, separators=(",", ":")).encode())


def b64(data: bytes) -> str:
    """Base64url without padding (RFC 7515 §2)."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()
