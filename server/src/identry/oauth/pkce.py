"""Proof Key for Code Exchange (RFC 7636), S256 and nothing else (RFC 9700 §2.1.1).

A challenge is either right or refused: absent, empty, `plain` and malformed ones are told apart by the caller, never
taken for each other (SECURITY §2 row 18).
"""

from __future__ import annotations

import hashlib
import re

from identry.core.base64url import encoded

METHOD = "S256"

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


def is_challenge(text: str) -> bool:
    """Whether it can be the S256 challenge of some verifier: 32 bytes in base64url."""
    return _CHALLENGE.fullmatch(text) is not None


def challenge_of(verifier: str) -> str | None:
    """The challenge that a verifier belongs to; empty for none at all, None for what cannot be one.

    A code without a challenge wants no verifier: one that comes all the same is a downgrade (RFC 9700 §4.8.2). What is
    compared are hashes, so how long that takes tells nothing of the verifier.
    """
    if not verifier:
        return ""
    if not _VERIFIER.fullmatch(verifier):
        return None
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    return encoded(digest)
