"""Hashes made by other systems: verified once, so that their users can sign in, then replaced by ours.

Read are bcrypt (`$2a$`, `$2b$`, `$2y$`, and Django's `bcrypt$`, `bcrypt_sha256$`), scrypt and PBKDF2-SHA256 in Django's
and passlib's spelling. Costs are bounded: an imported row must not exhaust the host.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable
from functools import partial

import bcrypt

Check = Callable[[], bool]

_BCRYPT_MAX_BYTES = 72
_BCRYPT_MAX_COST = 16
_PBKDF2_MAX_ITERATIONS = 5_000_000
_SCRYPT_MAX_MEMORY = 512 << 20
_SCRYPT_MAX_WORK = 1 << 25
_MAX_TEXT = 512

_B64 = r"[A-Za-z0-9+/]{16,200}={0,2}"
_AB64 = r"[A-Za-z0-9./]"  # passlib: base64 with "." for "+", without padding

_PATTERNS = {
    "bcrypt": re.compile(r"(?:bcrypt\$)?(\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53})", re.ASCII),
    "bcrypt_sha256": re.compile(r"bcrypt_sha256\$(\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53})", re.ASCII),
    "pbkdf2_django": re.compile(rf"pbkdf2_sha256\$([0-9]{{1,8}})\$([!-#%-~]{{1,128}})\$({_B64})", re.ASCII),
    "pbkdf2_passlib": re.compile(rf"\$pbkdf2-sha256\$([0-9]{{1,8}})\$({_AB64}{{0,128}})\$({_AB64}{{43}})", re.ASCII),
    "scrypt_django": re.compile(
        rf"scrypt\$([0-9]{{1,8}})\$([!-#%-~]{{1,128}})\$([0-9]{{1,4}})\$([0-9]{{1,4}})\$({_B64})", re.ASCII
    ),
    "scrypt_passlib": re.compile(
        r"\$scrypt\$ln=([0-9]{1,2}),r=([0-9]{1,4}),p=([0-9]{1,4})\$([A-Za-z0-9+/]{0,128})\$([A-Za-z0-9+/]{43})",
        re.ASCII,
    ),
}


def check_for(stored: str, secret: bytes) -> Check | None:
    """The (blocking) verification of `secret` against `stored`; None when that is malformed, unknown or absurd."""
    if len(stored) > _MAX_TEXT:
        return None
    for kind, pattern in _PATTERNS.items():
        if found := pattern.fullmatch(stored):
            try:
                return _CHECKS[kind](found.groups(), secret)
            except ValueError:  # base64 of an impossible length
                return None
    return None


def _bcrypt(fields: tuple[str, ...], secret: bytes) -> Check | None:
    stored, cost = fields
    if not 4 <= int(cost) <= _BCRYPT_MAX_COST:
        return None
    # Old systems cut at 72 bytes without a word; bcrypt 5 refuses, so the cut is ours.
    return partial(_bcrypt_matches, secret[:_BCRYPT_MAX_BYTES], stored.encode("ascii"))


def _bcrypt_sha256(fields: tuple[str, ...], secret: bytes) -> Check | None:
    return _bcrypt(fields, hashlib.sha256(secret).hexdigest().encode("ascii"))


def _bcrypt_matches(secret: bytes, stored: bytes) -> bool:
    try:
        return bcrypt.checkpw(secret, stored)
    except ValueError:
        return False


def _pbkdf2_django(fields: tuple[str, ...], secret: bytes) -> Check | None:
    iterations, salt, digest = fields
    return _pbkdf2(int(iterations), salt.encode("ascii"), base64.b64decode(digest, validate=True), secret)


def _pbkdf2_passlib(fields: tuple[str, ...], secret: bytes) -> Check | None:
    iterations, salt, digest = fields
    return _pbkdf2(int(iterations), _unpadded(salt), _unpadded(digest), secret)


def _pbkdf2(iterations: int, salt: bytes, digest: bytes, secret: bytes) -> Check | None:
    if not 1 <= iterations <= _PBKDF2_MAX_ITERATIONS:
        return None
    return lambda: hmac.compare_digest(digest, hashlib.pbkdf2_hmac("sha256", secret, salt, iterations, len(digest)))


def _scrypt_django(fields: tuple[str, ...], secret: bytes) -> Check | None:
    n, salt, r, p, digest = fields
    return _scrypt(int(n), int(r), int(p), salt.encode("ascii"), base64.b64decode(digest, validate=True), secret)


def _scrypt_passlib(fields: tuple[str, ...], secret: bytes) -> Check | None:
    log_n, r, p, salt, digest = fields
    return _scrypt(1 << int(log_n), int(r), int(p), _unpadded(salt), _unpadded(digest), secret)


def _scrypt(n: int, r: int, p: int, salt: bytes, digest: bytes, secret: bytes) -> Check | None:
    memory = 128 * r * (n + p + 2)
    power_of_two = n > 1 and n & (n - 1) == 0
    if not power_of_two or min(r, p) < 1 or memory > _SCRYPT_MAX_MEMORY or n * r * p > _SCRYPT_MAX_WORK:
        return None

    def check() -> bool:
        try:
            computed = hashlib.scrypt(secret, salt=salt, n=n, r=r, p=p, maxmem=memory + (1 << 20), dklen=len(digest))
        except ValueError:  # parameters that OpenSSL refuses
            return False
        return hmac.compare_digest(digest, computed)

    return check


def _unpadded(text: str) -> bytes:
    return base64.b64decode(text.replace(".", "+") + "=" * (-len(text) % 4), validate=True)


_CHECKS: dict[str, Callable[[tuple[str, ...], bytes], Check | None]] = {
    "bcrypt": _bcrypt,
    "bcrypt_sha256": _bcrypt_sha256,
    "pbkdf2_django": _pbkdf2_django,
    "pbkdf2_passlib": _pbkdf2_passlib,
    "scrypt_django": _scrypt_django,
    "scrypt_passlib": _scrypt_passlib,
}
