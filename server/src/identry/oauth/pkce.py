"""Proof Key for Code Exchange (RFC 7636), S256 and nothing else (RFC 9700 §2.1.1).

A challenge is either right or refused: absent, empty, `plain` and malformed ones are told apart by the caller, never
taken for each other (SECURITY §2 row 18).
"""

from __future__ import annotations

import base64
import hashlib
import re

from identry.core.secrets import equal

METHOD = "S256"

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


def is_challenge(text: str) -> bool:
    """Whether it can be the S256 challenge of some verifier: 32 bytes in base64url."""
    return _CHALLENGE.fullmatch(text) is not None


def matches(challenge: str | None, verifier: str) -> bool:
    """Whether a code's challenge and a request's verifier belong together.

    A code without a challenge wants no verifier: one that comes all the same is a downgrade (RFC 9700 §4.8.2).
    """
    if not challenge:
        return not verifier
    if not _VERIFIER.fullmatch(verifier):
        return False
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    return equal(base64.urlsafe_b64encode(digest).rstrip(b"="), challenge.encode("ascii"))
