"""The strict, canonical reading of a compact JWS (RFC 7515 §7.1), before any cryptography.

No library is strict enough alone (SECURITY §1.6), and two readers that disagree are an attack. So every byte is
accounted for: one alphabet, exactly three segments, base64url that encodes back to itself, one JSON object in UTF-8
without duplicate names, NaN, lone surrogates or deep nesting. What is wrong is an `InvalidToken`; no other exception
leaves this module.
"""

from __future__ import annotations

import json
import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Callable
from math import isfinite
from typing import Any, NamedTuple, NoReturn

from identry_kit.jwtauth.errors import InvalidToken

MAX_TOKEN = 8192
MAX_DEPTH = 16
MAX_KID = 128

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_TO_BASE64 = bytes.maketrans(b"-_+/=", b"+/***")
"""To the alphabet that `binascii` reads; what is not base64url becomes what it refuses."""
_PADDING = (b"", b"", b"==", b"=")
_LAST: tuple[frozenset[int], ...] = (
    frozenset(_ALPHABET),
    frozenset(),
    frozenset(b"AQgw"),
    frozenset(b"AEIMQUYcgkosw048"),
)
"""By length modulo 4: the last characters that leave no stray bits (RFC 7515 Appendix C has none to ignore)."""
_TYPES = frozenset({"jwt", "at+jwt"})
_FORBIDDEN = frozenset({"crit", "b64", "jwk", "jku", "x5u", "x5c", "zip", "enc"})
"""Header members that ask the verifier to do something else, or bring their own key (RFC 8725 §3.10)."""


_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
"""An escaped NUL, not a backslash followed by `u0000`."""


class Compact(NamedTuple):
    """A token cut into its parts; `header_text` and `payload_text` are as they came, their alphabet not looked at."""

    header_text: bytes
    payload_text: bytes
    signature: bytes
    signing_input: bytes


class Header(NamedTuple):
    """What the header may decide: which algorithm, which key (`""`: it names none)."""

    alg: str
    kid: str


def split(token: object, max_length: int = MAX_TOKEN) -> Compact:
    """Cut `token` into its three segments. Raises InvalidToken."""
    if not isinstance(token, str):
        raise InvalidToken("not text")
    if len(token) > max_length:
        raise InvalidToken("too long")
    return Compact(*cut(token.encode("ascii", "replace")))  # what is not ASCII becomes what is not base64url


def cut(token: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    """What `split` gives, for a token whose length was looked at: a named tuple takes longer to make than the cuts."""
    signing_input, _, signature = token.rpartition(b".")
    header, dot, payload = signing_input.partition(b".")
    if not dot or b"." in payload:
        raise InvalidToken("not three segments")
    return header, payload, decode_segment(signature), signing_input


def decode_segment(text: bytes) -> bytes:
    """Canonical base64url without padding (RFC 7515 §2): its alphabet, no stray bits left. Raises InvalidToken."""
    rest = len(text) % 4
    if text and text[-1] in _LAST[rest]:
        try:
            return a2b_base64(text.translate(_TO_BASE64) + _PADDING[rest], strict_mode=True)
        except Base64Error:
            pass
    raise InvalidToken("not canonical base64url")


def read_header(text: bytes, algorithms: frozenset[str], *, kid_required: bool = True) -> Header:
    """The protected header, each of its members judged. Raises InvalidToken."""
    header = read_object(decode_segment(text))
    if not _FORBIDDEN.isdisjoint(header):
        raise InvalidToken("forbidden header member")
    typ = header.get("typ", "jwt")
    if not isinstance(typ, str) or typ.lower() not in _TYPES:
        raise InvalidToken("typ")
    alg = header.get("alg")
    if not isinstance(alg, str) or alg not in algorithms:
        raise InvalidToken("alg")
    if "kid" not in header and not kid_required:
        return Header(alg, "")
    kid = header.get("kid")
    if not isinstance(kid, str) or not 0 < len(kid) <= MAX_KID or not kid.isprintable():
        raise InvalidToken("kid")
    return Header(alg, kid)


def read_object(data: bytes, max_depth: int = MAX_DEPTH) -> dict[str, Any]:
    """`data` as one JSON object, strictly. Raises InvalidToken."""
    value: object = None
    try:
        text = data.decode("utf-8")
        value = _usual(text, max_depth) or _any_shape(text, max_depth)
    except (ValueError, RecursionError, StopIteration):  # UnicodeError and JSONDecodeError are ValueErrors
        pass
    if type(value) is not dict:
        raise InvalidToken("not one JSON object")
    return value


def _usual(text: str, max_depth: int) -> dict[str, Any] | None:
    """One object as tokens nearly always are, without escapes and without whitespace behind a quote; else None.

    A hook that looks for names that come twice doubles the time of parsing. In such a text every name ends in `":`, and
    nothing else adds to their number but a text that begins with a colon: as many as there are members, here and one
    level below, means that each name came once.
    """
    if (
        text[:1] != "{"
        or text.count("{") + text.count("[") > max_depth
        or "\\" in text
        or (" " in text and '" ' in text)
        or "\n" in text
        or "\t" in text
        or "\r" in text
    ):
        return None
    value, end = _scan(text, 0)
    named = text.count('":')
    if len(value) != named:  # members one level below are looked for only when there can be any
        named -= sum([len(inner) for inner in value.values() if type(inner) is dict])
    return value if end == len(text) and len(value) == named else None


def _any_shape(text: str, max_depth: int) -> object:
    """`text` as JSON. Raises ValueError."""
    if text.count("{") + text.count("[") > max_depth:
        _check_depth(text, max_depth)
    value = _decoder.decode(text)
    if "\\u" in text:
        # Escapes can spell what UTF-8 cannot hold (half a surrogate pair) and what databases refuse (NUL).
        again = json.dumps(value, ensure_ascii=False)
        again.encode("utf-8")
        if _NUL.search(again):
            return None
    return value


def _check_depth(text: str, max_depth: int) -> None:
    """Brackets outside of strings, before the parser recurses into them. Raises ValueError."""
    depth = 0
    for char in re.sub(r'"(?:[^"\\]|\\.)*"', "", text):
        if char in "{[":
            depth += 1
            if depth > max_depth:
                msg = "too deep"
                raise ValueError(msg)
        elif char in "}]":
            depth -= 1


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        msg = "duplicate name"
        raise ValueError(msg)
    return value


def _refuse(constant: str) -> NoReturn:
    msg = f"not JSON: {constant}"
    raise ValueError(msg)


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        msg = "not a finite number"
        raise ValueError(msg)
    return number


_decoder = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite)
_scan: Callable[[str, int], tuple[Any, int]] = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite).scan_once  # type: ignore[attr-defined]  # not in its stub
