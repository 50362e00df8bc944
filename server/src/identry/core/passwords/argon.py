"""Argon2 hashes as PHC strings (RFC 9106): parsed strictly, verified by libsodium, made by argon2-cffi.

Why two libraries: on one thread per hash libsodium verifies t=3, 64 MiB, p=4 about twice as fast as argon2-cffi, but
it cannot *make* a hash with several lanes. OpenSSL's Argon2 hung with several lanes in two threads; it is not used.
"""

from __future__ import annotations

import base64
import re
import secrets
from dataclasses import dataclass

import argon2
from nacl.bindings import (
    crypto_pwhash_alg,
    crypto_pwhash_ALG_ARGON2ID13,
    crypto_pwhash_SALTBYTES,
    crypto_pwhash_str_verify,
    crypto_pwhash_STRBYTES,
)
from nacl.exceptions import CryptoError

_MAX_MEMORY_KIB = 1 << 20
_MAX_WORK_KIB = 1 << 22
_MAX_LANES = 64
"""Bounds on what a stored hash may ask for (1 GiB, 4 GiB over all passes): an import must not exhaust the host."""

_SALT_BYTES = 16
_SODIUM_MIN_DIGEST = 16
_SODIUM_MIN_SALT = 8

_PHC = re.compile(
    r"\$(?P<type>argon2id|argon2i|argon2d)(?:\$v=(?P<version>[0-9]{1,3}))?"
    r"\$m=(?P<memory>[0-9]{1,10}),t=(?P<time>[0-9]{1,10}),p=(?P<lanes>[0-9]{1,10})"
    r"\$(?P<salt>[A-Za-z0-9+/]{11,128})\$(?P<digest>[A-Za-z0-9+/]{16,128})",
    re.ASCII,
)
_TYPES = {"argon2id": argon2.Type.ID, "argon2i": argon2.Type.I, "argon2d": argon2.Type.D}


@dataclass(frozen=True, slots=True)
class Argon2Params:
    """Parameters of Argon2id, named after the environment's `ARGON2_*` (contracts/platform-api.md §11).

    Attributes:
        time: passes.
        memory: KiB.
        threads: lanes.
        key_length: bytes of the digest.

    Raises `ValueError` when a value is outside what Argon2 (RFC 9106 §3.1) or this host's safety allows.
    """

    time: int = 3
    memory: int = 65536
    threads: int = 4
    key_length: int = 32

    def __post_init__(self) -> None:
        if not 1 <= self.threads <= _MAX_LANES:
            raise ValueError(f"ARGON2_THREADS must be between 1 and {_MAX_LANES}, not {self.threads}")
        if not 8 * self.threads <= self.memory <= _MAX_MEMORY_KIB:
            raise ValueError(f"ARGON2_MEMORY must be between 8 × ARGON2_THREADS and {_MAX_MEMORY_KIB} KiB")
        if self.time < 1 or self.time * self.memory > _MAX_WORK_KIB:
            raise ValueError(f"ARGON2_TIME must be at least 1, and × ARGON2_MEMORY at most {_MAX_WORK_KIB}")
        if not 16 <= self.key_length <= 64:
            raise ValueError(f"ARGON2_KEYLEN must be between 16 and 64 bytes, not {self.key_length}")


@dataclass(frozen=True, slots=True)
class Argon2Hash:
    """A parsed PHC string; `text` is the string itself and never shown."""

    text: str
    type: str
    version: int
    params: tuple[int, int, int]
    salt_length: int
    digest_length: int

    def __repr__(self) -> str:
        return f"Argon2Hash({self.type}, m,t,p={self.params})"

    def has(self, params: Argon2Params) -> bool:
        """Whether a hash made now would have the same type, version and parameters."""
        return (
            self.type == "argon2id"
            and self.version == argon2.low_level.ARGON2_VERSION
            and self.params == (params.memory, params.time, params.threads)
            and self.digest_length == params.key_length
            and self.salt_length >= _SALT_BYTES
        )

    def libsodium_reads_it(self) -> bool:
        """Libsodium knows version 1.3 of Argon2id, within its minimal sizes and its maximal text length."""
        return (
            self.type == "argon2id"
            and self.version == argon2.low_level.ARGON2_VERSION
            and self.salt_length >= _SODIUM_MIN_SALT
            and self.digest_length >= _SODIUM_MIN_DIGEST
            and len(self.text) < crypto_pwhash_STRBYTES
        )


def parse(text: str) -> Argon2Hash | None:
    """The hash, or None when `text` is not a well-formed PHC string of Argon2 within the bounds above."""
    found = _PHC.fullmatch(text)
    if found is None:
        return None
    memory, time, lanes = (int(found[name]) for name in ("memory", "time", "lanes"))
    version = int(found["version"] or 0x10)
    salt, digest = len(found["salt"]) * 3 // 4, len(found["digest"]) * 3 // 4
    sane = 1 <= lanes <= _MAX_LANES and 8 * lanes <= memory <= _MAX_MEMORY_KIB and time >= 1
    if not sane or time * memory > _MAX_WORK_KIB or version not in {0x10, 0x13}:
        return None
    return Argon2Hash(text, found["type"], version, (memory, time, lanes), salt, digest)


def verify(secret: bytes, stored: Argon2Hash) -> bool:
    """Compute and compare; a mismatch and any defect of the hash are False. Blocks for the full cost."""
    raw = stored.text.encode("ascii")
    try:
        if stored.libsodium_reads_it():
            return bool(crypto_pwhash_str_verify(raw, secret))
        return argon2.low_level.verify_secret(raw, secret, _TYPES[stored.type])
    except (CryptoError, argon2.exceptions.Argon2Error, argon2.exceptions.InvalidHashError):
        return False


def make_hash(secret: bytes, params: Argon2Params) -> str:
    """A new PHC string with a random salt. Blocks for the full cost."""
    salt = secrets.token_bytes(_SALT_BYTES)
    if params.threads > 1:
        return argon2.low_level.hash_secret(
            secret, salt, params.time, params.memory, params.threads, params.key_length, argon2.Type.ID
        ).decode("ascii")
    assert len(salt) == crypto_pwhash_SALTBYTES
    digest = crypto_pwhash_alg(
        params.key_length, secret, salt, params.time, params.memory * 1024, crypto_pwhash_ALG_ARGON2ID13
    )
    return _phc(params, salt, digest)


def dummy_hash(params: Argon2Params) -> Argon2Hash:
    """A hash of no password: random bytes in the right form. Verifying against it costs what a real one costs."""
    parsed = parse(_phc(params, secrets.token_bytes(_SALT_BYTES), secrets.token_bytes(params.key_length)))
    assert parsed is not None
    return parsed


_PLACEHOLDER_SALT = b"no password yet!"


def placeholder_hash(params: Argon2Params) -> str:
    """A hash that no password verifies: a digest of random bytes, under a salt by which it is known again."""
    return _phc(params, _PLACEHOLDER_SALT, secrets.token_bytes(params.key_length))


def is_placeholder(text: str) -> bool:
    """Whether a stored hash was made by `placeholder_hash`."""
    return text.startswith("$argon2id$") and text.split("$")[-2] == _b64(_PLACEHOLDER_SALT)


def _phc(params: Argon2Params, salt: bytes, digest: bytes) -> str:
    costs = f"m={params.memory},t={params.time},p={params.threads}"
    return f"$argon2id$v=19${costs}${_b64(salt)}${_b64(digest)}"


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).rstrip(b"=").decode("ascii")
