"""Verification keys: one key, one algorithm. Where they come from is behind `Keys`."""

from __future__ import annotations

import hashlib
import re
from base64 import urlsafe_b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

PublicKey: TypeAlias = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey

ALGORITHMS = frozenset({"RS256", "ES256", "EdDSA"})
MIN_RSA_BITS = 2048
MAX_RSA_BITS = 8192
_PADDING, _ECDSA = PKCS1v15(), ec.ECDSA(SHA256())
_DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
"""What stands before a SHA-256 inside an RSA signature (RFC 8017 §9.2, note 1)."""
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+={0,2}").fullmatch
"""Padding is no part of a JWK (RFC 7518 §2), and some issuers publish it all the same."""
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


@dataclass(frozen=True, slots=True)
class Key:
    """A public key under its id, with the one algorithm that it verifies. Equal when id, algorithm and key are."""

    kid: str
    alg: str
    fingerprint: bytes
    public: PublicKey
    verify: Callable[[bytes, bytes], bool] = field(init=False, repr=False, compare=False)
    """`verify(signature, message)`: whether `signature` was made with this key's private half."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "verify", _verification(self.public, self.alg))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Key):
            return NotImplemented
        return (self.kid, self.alg, self.fingerprint) == (other.kid, other.alg, other.fingerprint)

    def __hash__(self) -> int:
        return hash((self.kid, self.alg, self.fingerprint))

    @classmethod
    def of(cls, public: PublicKey, kid: str) -> Key:
        """The key `public` under `kid`; its type names the algorithm. Raises ValueError for a weak or unknown one."""
        if not kid:
            msg = "a key needs an id"
            raise ValueError(msg)
        der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return cls(kid, _algorithm_of(public), hashlib.sha256(der).digest(), public)

    @classmethod
    def from_pem(cls, pem: str | bytes, kid: str) -> Key:
        """A public key in PEM under `kid`. Raises ValueError."""
        public = load_pem_public_key(pem.encode() if isinstance(pem, str) else pem)
        if not isinstance(public, RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey):
            msg = "not an RSA, P-256 or Ed25519 key"
            raise ValueError(msg)
        return cls.of(public, kid)

    @classmethod
    def from_jwk(cls, jwk: object) -> Key:
        """A JWK (RFC 7517) that is meant for verifying signatures. Raises ValueError with what is wrong."""
        if not isinstance(jwk, Mapping):
            msg = "not an object"
            raise ValueError(msg)
        kid = jwk.get("kid")
        if not isinstance(kid, str) or not kid or len(kid) > 128:
            msg = "kid"
            raise ValueError(msg)
        if not _PRIVATE_MEMBERS.isdisjoint(jwk):
            msg = "private or symmetric key material"
            raise ValueError(msg)
        operations = jwk.get("key_ops", ["verify"])
        if jwk.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
            msg = "not a signature key"
            raise ValueError(msg)
        key = cls.of(_public_of(jwk), kid)
        if jwk.get("alg", key.alg) != key.alg:
            msg = "alg"
            raise ValueError(msg)
        return key


def _verification(public: PublicKey, alg: str) -> Callable[[bytes, bytes], bool]:
    """How signatures of `public` are verified, looked up once; an algorithm that is not the key's verifies nothing."""
    if alg == "RS256" and isinstance(public, RSAPublicKey):
        return _rs256(public)
    if alg == "ES256" and isinstance(public, EllipticCurvePublicKey):
        return _es256(public)
    if alg == "EdDSA" and isinstance(public, Ed25519PublicKey):
        return _eddsa(public)
    return lambda _signature, _message: False


def _rs256(public: RSAPublicKey) -> Callable[[bytes, bytes], bool]:
    """As RFC 8017 §8.2.2, and faster than `public.verify`: exactly the modulus's length; OpenSSL takes away the
    padding, all of it; what it leaves must be the one encoding of the digest: no parsing, no slack.
    """
    length, recover, digest = (public.key_size + 7) // 8, public.recover_data_from_signature, hashlib.sha256

    def verify(signature: bytes, message: bytes) -> bool:
        if len(signature) != length:
            return False
        try:
            return recover(signature, _PADDING, None) == _DIGEST_INFO + digest(message).digest()
        except InvalidSignature:
            return False

    return verify


def _es256(public: EllipticCurvePublicKey) -> Callable[[bytes, bytes], bool]:
    def verify(signature: bytes, message: bytes) -> bool:
        if len(signature) != 64:
            return False
        r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
        try:
            public.verify(encode_dss_signature(r, s), message, _ECDSA)
        except InvalidSignature:
            return False
        return True

    return verify


def _eddsa(public: Ed25519PublicKey) -> Callable[[bytes, bytes], bool]:
    def verify(signature: bytes, message: bytes) -> bool:
        try:
            public.verify(signature, message)
        except InvalidSignature:
            return False
        return True

    return verify


def _algorithm_of(public: PublicKey) -> str:
    if isinstance(public, RSAPublicKey):
        exponent = public.public_numbers().e
        if not MIN_RSA_BITS <= public.key_size <= MAX_RSA_BITS or not 3 <= exponent <= 1 << 31 or exponent % 2 == 0:
            msg = f"an RSA key has {MIN_RSA_BITS} to {MAX_RSA_BITS} bits and an odd exponent from 3 to 2^31"
            raise ValueError(msg)
        if _is_roca(public.public_numbers().n):
            msg = "an RSA key of a broken generator (CVE-2017-15361)"
            raise ValueError(msg)
        return "RS256"
    if isinstance(public, EllipticCurvePublicKey):
        if not isinstance(public.curve, ec.SECP256R1):
            msg = "the curve must be P-256"
            raise ValueError(msg)
        return "ES256"
    return "EdDSA"


def _powers(base: int, modulus: int) -> frozenset[int]:
    value, powers = 1, set()
    while value not in powers:
        powers.add(value)
        value = value * base % modulus
    return frozenset(powers)


_ROCA_PRIMES = (11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157)
_ROCA_MARKS = tuple((prime, _powers(65537, prime)) for prime in _ROCA_PRIMES)


def _is_roca(modulus: int) -> bool:
    """Whether the modulus looks like one of the generator that CVE-2017-15361 broke.

    Its moduli are powers of 65537 modulo every small prime (Nemec et al., "The Return of Coppersmith's Attack", §4);
    another's are so by chance once in 2^27.
    """
    return all(modulus % prime in marks for prime, marks in _ROCA_MARKS)


def _public_of(jwk: Mapping[str, Any]) -> PublicKey:
    kty = jwk.get("kty")
    if kty == "RSA":
        modulus, exponent = _integer(jwk, "n"), _integer(jwk, "e")
        if modulus.bit_length() > MAX_RSA_BITS or exponent > 1 << 31:
            msg = "modulus or exponent too large"
            raise ValueError(msg)
        return RSAPublicNumbers(exponent, modulus).public_key()
    if kty == "EC" and jwk.get("crv") == "P-256":
        return ec.EllipticCurvePublicNumbers(_integer(jwk, "x"), _integer(jwk, "y"), ec.SECP256R1()).public_key()
    if kty == "OKP" and jwk.get("crv") == "Ed25519":
        return Ed25519PublicKey.from_public_bytes(_octets(jwk, "x"))
    msg = "kty or crv"
    raise ValueError(msg)


def _octets(jwk: Mapping[str, Any], name: str) -> bytes:
    text = jwk.get(name)
    if not isinstance(text, str) or len(text) > 4096 or _BASE64URL(text) is None:
        raise ValueError(name)
    try:
        return urlsafe_b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4))
    except Base64Error:
        raise ValueError(name) from None


def _integer(jwk: Mapping[str, Any], name: str) -> int:
    return int.from_bytes(_octets(jwk, name))


class Keys(Protocol):
    """Where a verifier finds keys."""

    @property
    def complete(self) -> bool:
        """Whether a key that `peek` does not give surely does not exist."""

    def peek(self, kid: str) -> Key | None:
        """The key, if it can be given at once and without a doubt about its age."""

    async def get(self, kid: str) -> Key | None:
        """The key; None when there is surely none. Raises KeysUnavailable when that cannot be told."""


class StaticKeys:
    """Keys that the process itself knows: the server's own ring, a key from configuration."""

    complete = True

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        self._keys: dict[str, Key] = {}
        self.replace(keys)

    def replace(self, keys: Iterable[Key]) -> None:
        """From now on these and no others: tokens of a removed key are refused, also those verified before."""
        self._keys = {key.kid: key for key in keys}

    @property
    def kids(self) -> Collection[str]:
        """The ids of the current keys."""
        return self._keys.keys()

    def peek(self, kid: str) -> Key | None:
        """See `Keys.peek`."""
        return self._keys.get(kid)

    async def get(self, kid: str) -> Key | None:
        """See `Keys.get`."""
        return self._keys.get(kid)
