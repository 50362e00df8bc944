"""Randomness, keys and their derivation: the one place that makes secrets and seals them.

Columns that are read by id are sealed with a `Sealer`; columns that are looked up by value hold a `token_hash`
(DESIGN §4.12).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from identry.core import jose

MIN_SECRET_BYTES = 32
"""Shortest `SECRET_KEY`: 32 characters carry ≥ 128 random bits even when they are hexadecimal."""

_SALT = b"identry root secret v1"
_VERSION = 1
_NONCE_BYTES = 12
_MAX_KEY_ID_BYTES = 64


class WeakSecretError(ValueError):
    """The root secret is missing or too short; the message says what to set."""


class SealError(ValueError):
    """A sealed value is malformed, belongs to another place (AAD) or is under a key that this process lacks."""


class RootSecret:
    """The deployment's one secret, from which every other symmetric key is derived. Never printed, stored or sent."""

    __slots__ = ("_material",)

    def __init__(self, material: bytes) -> None:
        if len(material) < MIN_SECRET_BYTES:
            raise WeakSecretError(f"the root secret has {len(material)} bytes; at least {MIN_SECRET_BYTES} are needed")
        self._material = material

    def __repr__(self) -> str:
        return "RootSecret(…)"

    def derive(self, purpose: str) -> bytes:
        """The 32-byte key for `purpose` (RFC 5869, HKDF-SHA256); different purposes give unrelated keys."""
        return HKDF(hashes.SHA256(), 32, salt=_SALT, info=purpose.encode()).derive(self._material)

    def sealer(self, purpose: str, *previous: RootSecret) -> Sealer:
        """A sealer for `purpose` that also opens what was sealed under `previous` root secrets."""
        older = dict(old._sealing_key(purpose) for old in previous)  # noqa: SLF001 - same class
        key_id, key = self._sealing_key(purpose)
        return Sealer(key, key_id, previous=older)

    def _sealing_key(self, purpose: str) -> tuple[str, bytes]:
        key = self.derive(f"seal/{purpose}")
        return hashlib.sha256(b"key id" + key).hexdigest()[:8], key


def root_secret(secret_key: str, signing_pem: str) -> RootSecret:
    """The root secret: `SECRET_KEY` when it is set, otherwise derived from the JWT signing key.

    The first seed has no `SECRET_KEY`, so its deployments keep working; the derivation reads the key itself, not its
    PEM text, so reformatting changes nothing. Changing the *key* then changes the root: set `SECRET_KEY` before that.

    Raises `WeakSecretError` when neither is usable and `jose.BadKeyError` when the PEM is not a private key.
    """
    if secret_key:
        material = secret_key.encode()
        if len(material) < MIN_SECRET_BYTES:
            raise WeakSecretError(
                f"SECRET_KEY has {len(material)} characters; at least {MIN_SECRET_BYTES} are needed "
                "(make one with: openssl rand -base64 48)"
            )
        return RootSecret(material)
    if not signing_pem.strip():
        raise WeakSecretError("set SECRET_KEY (or JWT_SIGNING_KEY_PEM, from which it can be derived)")
    der = jose.load_private_pem(signing_pem).private_der()
    return RootSecret(HKDF(hashes.SHA256(), 32, salt=_SALT, info=b"from signing key").derive(der))


class Sealer:
    """Authenticated encryption for columns: AES-256-GCM, a fresh random nonce each time, the key's id in the header.

    Sealed form: version (1 byte) · length of key id (1) · key id · nonce (12) · ciphertext and tag. The header and the
    caller's `aad` (the row's identity) are authenticated, so a sealed value moved to another row does not open.
    """

    __slots__ = ("_ciphers", "_header", "key_id")

    def __init__(self, key: bytes, key_id: str, *, previous: Mapping[str, bytes] | None = None) -> None:
        """`key` and the values of `previous` (key id → key) have 32 bytes; `previous` keys only open."""
        self.key_id = key_id
        self._header = _header(key_id)
        self._ciphers = {_header(old_id): AESGCM(old) for old_id, old in previous.items()} if previous else {}
        self._ciphers[self._header] = AESGCM(key)

    def seal(self, plaintext: bytes, aad: bytes) -> bytes:
        """Encrypt `plaintext`, bound to `aad`."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return self._header + nonce + self._ciphers[self._header].encrypt(nonce, plaintext, self._header + aad)

    def open(self, sealed: bytes, aad: bytes) -> bytes:
        """Decrypt; raises `SealError` unless `sealed` was made for this `aad` under a key known here."""
        header, rest = _split(sealed)
        cipher = self._ciphers.get(header)
        if cipher is None:
            raise SealError("sealed under an unknown key: has SECRET_KEY (or the key it derives from) changed?")
        try:
            return cipher.decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], header + aad)
        except (InvalidTag, ValueError):
            raise SealError("the sealed value is damaged or belongs elsewhere") from None

    def is_current(self, sealed: bytes) -> bool:
        """Whether `sealed` was made under the current key; if not, open it and seal it again."""
        return sealed.startswith(self._header)


@lru_cache(maxsize=64)
def _header(key_id: str) -> bytes:
    raw = key_id.encode()
    if not 1 <= len(raw) <= _MAX_KEY_ID_BYTES:
        raise ValueError(f"a key id has 1 to {_MAX_KEY_ID_BYTES} bytes")
    return bytes((_VERSION, len(raw))) + raw


def _split(sealed: bytes) -> tuple[bytes, bytes]:
    if len(sealed) < 2 or sealed[0] != _VERSION:
        raise SealError("not a sealed value")
    end = 2 + sealed[1]
    return sealed[:end], sealed[end:]


def new_token(nbytes: int = 32) -> str:
    """A random URL-safe token of `nbytes` bytes (default 256 bits), base64url without padding."""
    return secrets.token_urlsafe(nbytes)


def random_bytes(nbytes: int) -> bytes:
    """`nbytes` from the operating system's generator."""
    return secrets.token_bytes(nbytes)


def random_below(limit: int) -> int:
    """A uniform integer in `[0, limit)`."""
    return secrets.randbelow(limit)


def token_hash(token: str) -> bytes:
    """SHA-256 of a machine-made token of ≥ 128 random bits: what is stored and looked up. Not for passwords."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def equal(a: str | bytes, b: str | bytes) -> bool:
    """Compare in constant time; text is compared as UTF-8. Neither type nor content raises."""
    return hmac.compare_digest(_raw(a), _raw(b))


def _raw(value: str | bytes) -> bytes:
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
