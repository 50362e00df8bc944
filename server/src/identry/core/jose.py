"""Signing: keys, PEM, JWK and compact JWS (RFC 7515, 7517, 7518, 7638, 8037). Verification is `identry_kit.jwtauth`'s.

The hot path is ours: the header is encoded once per key and `typ`, the claims by msgspec, then one signature call.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from identry.core.base64url import encoded, segment

Algorithm = Literal["RS256", "ES256", "EdDSA"]
ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)

MIN_RSA_BITS = 2048
"""RFC 7518 §3.3 and NIST SP 800-131A: smaller RSA keys must not be used."""

MAX_RSA_BITS = 8192
"""Verifiers (`identry_kit.jwtauth`) refuse larger ones, whose only effect would be cost."""

_ES256_FIELD_BYTES = 32
_PUBLIC_MEMBERS = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}

_KID = re.compile(r"[!-~]{1,128}")

_Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
_Public = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey


class BadKeyError(ValueError):
    """A key cannot be used; the message says why and what to do, and never quotes the key."""


class PrivateKey:
    """A signing key: `kid` (key id in headers and JWKS), `alg` (follows from the key's type), and `sign`."""

    __slots__ = ("_headers", "_key", "_signature", "alg", "jwk", "kid")

    def __init__(self, key: _Private, kid: str | None = None) -> None:
        """`kid` defaults to the RFC 7638 thumbprint. Raises `BadKeyError` for a key of an unsupported type or size."""
        if kid is not None and not _KID.fullmatch(kid):
            raise BadKeyError("a key id (JWT_KID) has 1 to 128 visible ASCII characters")
        self._key = key
        self.alg: Algorithm
        self._signature: Callable[[bytes], bytes]
        self.alg, self._signature = _signing(key)
        self.kid = kid or thumbprint(public_jwk(key.public_key(), ""))
        self.jwk = public_jwk(key.public_key(), self.kid)
        self._headers: dict[str, bytes] = {}

    def __repr__(self) -> str:
        return f"PrivateKey(kid={self.kid!r}, alg={self.alg!r})"

    def sign(self, claims: Mapping[str, Any], typ: str = "JWT") -> str:
        """The claims as a compact JWS (RFC 7515 §7.1) with header `{"alg","kid","typ"}`."""
        header = self._headers.get(typ)
        if header is None:
            header = self._headers[typ] = segment(msgspec.json.encode({"alg": self.alg, "kid": self.kid, "typ": typ}))
        signing_input = header + b"." + segment(msgspec.json.encode(claims))
        return (signing_input + b"." + segment(self._signature(signing_input))).decode("ascii")

    def private_der(self) -> bytes:
        """PKCS#8 DER, unencrypted: seal it before it is stored."""
        return self._key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def private_pem(self) -> str:
        """PKCS#8 PEM, unencrypted: what `identry keys generate` prints."""
        return self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode("ascii")

    def public_pem(self) -> str:
        """SubjectPublicKeyInfo PEM."""
        return (
            self._key.public_key()
            .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
            .decode("ascii")
        )


def generate(alg: Algorithm = "RS256", kid: str | None = None, *, bits: int = MIN_RSA_BITS) -> PrivateKey:
    """A new key for `alg`; `bits` (RSA only) is the modulus length. RSA takes 50–500 ms: not on the event loop."""
    if alg == "ES256":
        return PrivateKey(ec.generate_private_key(ec.SECP256R1()), kid)
    if alg == "EdDSA":
        return PrivateKey(ed25519.Ed25519PrivateKey.generate(), kid)
    return generate_rsa(bits, kid)


def generate_rsa(bits: int = MIN_RSA_BITS, kid: str | None = None) -> PrivateKey:
    """A new RSA key for RS256."""
    return PrivateKey(rsa.generate_private_key(65537, bits), kid)


def load_private_pem(pem: str, kid: str | None = None, *, public_pem: str = "") -> PrivateKey:
    r"""A signing key from PKCS#8, PKCS#1 (`RSA PRIVATE KEY`) or SEC 1 (`EC PRIVATE KEY`) PEM text.

    Newlines may be written as the two characters `\n`, as many secret stores deliver them. `public_pem`
    (`JWT_PUBLIC_KEY_PEM`), when given, must be the other half. Raises `BadKeyError`.
    """
    text = _pem_text(pem)
    _explain_wrong_block(text)
    try:
        key = serialization.load_pem_private_key(text.encode("utf-8", "replace"), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise BadKeyError("the private key's PEM text is damaged (copied incompletely?)") from None
    private = PrivateKey(_supported(key), kid)
    if public_pem.strip() and load_public_pem(public_pem, private.kid) != private.jwk:
        raise BadKeyError("the public key does not belong to the private key")
    return private


def load_private_der(der: bytes, kid: str) -> PrivateKey:
    """A signing key from the PKCS#8 DER that `PrivateKey.private_der` gave and a seal has authenticated since.

    Skips the primality checks of RSA keys (≈ 100 ms), which is sound only for what we wrote ourselves.
    """
    key = serialization.load_der_private_key(der, password=None, unsafe_skip_rsa_key_validation=True)
    return PrivateKey(_supported(key), kid)


def load_public_pem(pem: str, kid: str) -> dict[str, str]:
    """The JWK of a public key in PEM (SubjectPublicKeyInfo or PKCS#1). Raises `BadKeyError`."""
    try:
        key = serialization.load_pem_public_key(_pem_text(pem).encode("utf-8", "replace"))
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise BadKeyError("not a public key in PEM form (it begins with -----BEGIN PUBLIC KEY-----)") from None
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey):
        raise BadKeyError(f"public keys of type {type(key).__name__} are not supported")
    return public_jwk(key, kid)


def public_jwk(key: _Public, kid: str) -> dict[str, str]:
    """The public JWK: `kty`, `use`, `alg`, `kid` and the key's public members, nothing else."""
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        return {
            "kty": "RSA",
            "use": "sig",
            "alg": "RS256",
            "kid": kid,
            "n": _b64_int(numbers.n),
            "e": _b64_int(numbers.e),
        }  # fmt: skip - one line reads like the contract's example
    if isinstance(key, ec.EllipticCurvePublicKey):
        point = key.public_numbers()
        x, y = (encoded(value.to_bytes(_ES256_FIELD_BYTES)) for value in (point.x, point.y))
        return {"kty": "EC", "use": "sig", "alg": "ES256", "kid": kid, "crv": "P-256", "x": x, "y": y}
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return {"kty": "OKP", "use": "sig", "alg": "EdDSA", "kid": kid, "crv": "Ed25519", "x": encoded(raw)}


def published_jwk(jwk: Mapping[str, object], kid: str, alg: str) -> dict[str, str]:
    """What may be published of a stored JWK: the public members of its kind and nothing else. Raises `BadKeyError`."""
    kty = jwk.get("kty")
    members = {name: jwk.get(name) for name in _PUBLIC_MEMBERS.get(str(kty), ())}
    if not members or not all(isinstance(value, str) and value for value in members.values()):
        raise BadKeyError("the JWK is incomplete or of an unknown kty")
    return {"kty": str(kty), "use": "sig", "alg": alg, "kid": kid} | {name: str(at) for name, at in members.items()}


def thumbprint(jwk: Mapping[str, str]) -> str:
    """The SHA-256 JWK thumbprint (RFC 7638), base64url. Raises `BadKeyError` for an incomplete or unknown JWK."""
    try:
        members = ("kty", *_PUBLIC_MEMBERS[jwk["kty"]])
        canonical = msgspec.json.encode({name: jwk[name] for name in sorted(members)})
    except KeyError as missing:
        raise BadKeyError(f"the JWK lacks {missing} or has an unknown kty") from None
    return encoded(hashlib.sha256(canonical).digest())


def _signing(key: _Private) -> tuple[Algorithm, Callable[[bytes], bytes]]:
    """The algorithm that `key` is for, and the function from signing input to raw JWS signature."""
    if isinstance(key, rsa.RSAPrivateKey):
        if not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
            raise BadKeyError(
                f"the RSA key has {key.key_size} bits; at least {MIN_RSA_BITS} and at most {MAX_RSA_BITS} are needed"
            )
        pkcs1, sha256, sign_rsa = padding.PKCS1v15(), hashes.SHA256(), key.sign
        return "RS256", lambda data: sign_rsa(data, pkcs1, sha256)
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "EdDSA", key.sign
    if not isinstance(key.curve, ec.SECP256R1):
        raise BadKeyError(f"the EC key is on curve {key.curve.name}; ES256 needs P-256 (prime256v1)")
    ecdsa, sign_ec = ec.ECDSA(hashes.SHA256()), key.sign

    def sign_es256(data: bytes) -> bytes:
        # RFC 7518 §3.4: R and S as fixed-length big-endian integers, not the DER that OpenSSL returns.
        r, s = decode_dss_signature(sign_ec(data, ecdsa))
        return r.to_bytes(_ES256_FIELD_BYTES) + s.to_bytes(_ES256_FIELD_BYTES)

    return "ES256", sign_es256


def _supported(key: object) -> _Private:
    if isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
        return key
    raise BadKeyError(f"keys of type {type(key).__name__} are not supported: use RSA, EC P-256 or Ed25519")


def _pem_text(pem: str) -> str:
    text = pem.strip().strip("\"'")
    return text.replace("\\n", "\n") if "\n" not in text else text


def _explain_wrong_block(text: str) -> None:
    """Raise `BadKeyError` naming what the text is, when it is not one unencrypted private key."""
    blocks = [line.strip() for line in text.splitlines() if line.strip().startswith("-----BEGIN ")]
    if not blocks:
        raise BadKeyError("not PEM: a private key begins with a line -----BEGIN PRIVATE KEY-----")
    if len(blocks) > 1 and not blocks[0].startswith("-----BEGIN EC PARAMETERS"):
        raise BadKeyError(f"{len(blocks)} PEM blocks found; give the private key alone")
    label = blocks[0].removeprefix("-----BEGIN ").rstrip("-")
    if "ENCRYPTED" in label or "Proc-Type: 4,ENCRYPTED" in text:
        raise BadKeyError("the private key is encrypted; decrypt it first: openssl pkey -in key.pem -out plain.pem")
    if label == "OPENSSH PRIVATE KEY":
        raise BadKeyError("this is an OpenSSH key; convert a copy of it: ssh-keygen -p -N '' -m PKCS8 -f copy")
    if "PRIVATE KEY" not in label and label != "EC PARAMETERS":
        raise BadKeyError(f"not a private key: this is a {label}")


def _b64_int(value: int) -> str:
    return encoded(value.to_bytes((value.bit_length() + 7) // 8))
