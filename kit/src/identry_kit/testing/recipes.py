"""How an issuer for tests answers, well or badly."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple, TypeAlias, get_args

Recipe: TypeAlias = Literal[
    "good", "down", "slow", "error", "html", "huge", "redirect", "half-bad", "empty", "garbage", "compressed"
]
"""How the next requests are answered:

- `good`: as they should be
- `down`: the connection is closed without an answer
- `slow`: no answer until the recipe changes (or the issuer stops)
- `error`: 500
- `html`: 200 with a page instead of JSON
- `huge`: 200 with more than a megabyte of JSON
- `redirect`: 302 to an address that would answer well
- `half-bad`: the good keys among five that nobody can use
- `empty`: a key set without a key
- `garbage`: bytes that are not HTTP (through a transport: a protocol error)
- `compressed`: the good answer, said to be gzip
"""

RECIPES: Final[tuple[Recipe, ...]] = get_args(Recipe)

_HUGE = 2 << 20
_PAGE = b"<!doctype html><title>Maintenance</title>We are back soon."
_BAD_KEYS: Final[list[Any]] = [
    {"kty": "oct", "k": "c2VjcmV0", "kid": "bad-1"},
    {"kty": "RSA", "kid": "bad-2", "n": "AQAB", "e": "AQAB"},
    {"kty": "EC", "crv": "P-521", "kid": "bad-3", "x": "AA", "y": "AA"},
    None,
    "not a key",
]


class Page(NamedTuple):
    """An answer: status, headers besides `Content-Length`, body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def page(recipe: Recipe, document: Mapping[str, Any], elsewhere: str) -> Page:
    """What `recipe` makes of `document`, for those recipes that answer at all."""
    body = json.dumps(document).encode()
    json_type = {"Content-Type": "application/json"}
    match recipe:
        case "error":
            return Page(500, {"Content-Type": "text/plain"}, b"Internal Server Error")
        case "html":
            return Page(200, {"Content-Type": "text/html"}, _PAGE)
        case "huge":
            return Page(200, json_type, body + b" " * _HUGE)
        case "redirect":
            return Page(302, {"Location": elsewhere}, b"")
        case "half-bad":
            keys = [*_BAD_KEYS, *document.get("keys", [])]
            return Page(200, json_type, json.dumps({**document, "keys": keys}).encode())
        case "empty":
            return Page(200, json_type, b'{"keys": []}')
        case "compressed":
            return Page(200, {**json_type, "Content-Encoding": "gzip"}, body)
        case _:
            return Page(200, json_type, body)
