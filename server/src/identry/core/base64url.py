"""Base64url without padding (RFC 4648 §5, RFC 7515 §2), in the one spelling that bytes have.

What verifies tokens reads it by itself, out of the parts of a compact JWS (`identry_kit.jwtauth.compact`).
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64

_WRITTEN = bytes.maketrans(b"+/", b"-_")
# Nothing but its own alphabet: the two characters of the other one become none of either.
_READ = bytes.maketrans(b"-_+/", b"+/--")
_PADDING = (b"", b"===", b"==", b"=")
_ALL = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
_LAST: tuple[frozenset[str], ...] = (_ALL, frozenset(), frozenset("AQgw"), frozenset("AEIMQUYcgkosw048"))
"""How a text may end, by its length modulo four: the bits that stand for nothing are zero (RFC 4648 §3.5)."""


def encoded(raw: bytes) -> str:
    """The text of bytes."""
    return segment(raw).decode("ascii")


def segment(raw: bytes) -> bytes:
    """The same as ASCII, for what is put together of several."""
    return b2a_base64(raw, newline=False).rstrip(b"=").translate(_WRITTEN)


def decoded(text: str) -> bytes:
    """The bytes of a text.

    Raises:
        ValueError: another alphabet, padding, stray bits at its end: anything that `encoded` would not write.
    """
    if not text:
        return b""
    rest = len(text) % 4
    if text[-1] not in _LAST[rest]:
        raise ValueError("is no base64url without padding")
    return a2b_base64(text.encode("ascii").translate(_READ) + _PADDING[rest], strict_mode=True)
