"""The JWK set as an HTTP resource (RFC 7517 §5, RFC 9110 §13.1.2; contracts/platform-api.md §7)."""

from __future__ import annotations

from collections.abc import Mapping

from identry.records.keys import KeyRing

MAX_AGE = 300
"""Seconds a verifier may keep the document; `KeySchedule.lead` is longer."""


def jwks_document(ring: KeyRing, if_none_match: str = "") -> tuple[int, Mapping[str, str], bytes]:
    """Status, headers and body: 200 with the document, or 304 without when `if_none_match` names its entity tag."""
    jwks = ring.jwks()
    headers = {"Cache-Control": f"public, max-age={MAX_AGE}", "ETag": jwks.etag}
    if _matches(if_none_match, jwks.etag):
        return 304, headers, b""
    return 200, headers, jwks.body


def _matches(if_none_match: str, etag: str) -> bool:
    """RFC 9110 §13.1.2: `*`, or any listed tag, compared weakly."""
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return etag in tags or tags == ["*"]
