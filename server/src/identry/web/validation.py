"""What the fields of a request may hold, as types.

A field's type says its rules: `Annotated[str, Meta(max_length=200)]` for what msgspec checks, and
`Annotated[str, Meta(extra={"check": email})]` for what needs a function (normalise or raise ValueError).
`web/decoding.py` holds requests against them.
"""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Meta

from identry.core import email_address

_CONTROL = re.compile(r"[\x00-\x1f\x7f\u0085\u2028\u2029]")
_PHONE = re.compile(r"\+?[0-9][0-9 ().\-/]{1,30}")
_WEB_URL = re.compile(r"https?://[^\s/?#@\\<>\"]+(?:[/?#][^\s\\<>\"]*)?", re.IGNORECASE)
_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")
UNSTORABLE = "contains characters that cannot be stored"
"""A NUL or half of a pair of surrogates, which no column holds."""


def email(value: str) -> str:
    """A valid address in the spelling that is stored (`core.email_address`)."""
    return email_address.normalised(value)


def login_email(value: str) -> str:
    """An address as typed at sign-in: trimmed and, when it is ASCII, lower-case; it need not be valid.

    Old accounts may have addresses that `email` would refuse; no account has one with control characters.
    """
    trimmed = value.strip()
    if _CONTROL.search(trimmed) or _LONE_SURROGATE.search(trimmed):
        raise ValueError("must not contain control characters")
    return trimmed.lower() if trimmed.isascii() else trimmed


def line(value: str) -> str:
    """One line of text: trimmed, not empty, without control characters."""
    text = value.strip()
    if not text:
        raise ValueError("must not be empty")
    if _CONTROL.search(text):
        raise ValueError("must not contain control characters")
    return text


def optional_line(value: str) -> str:
    """One line of text, trimmed, without control characters; it may be empty."""
    return line(value) if value.strip() else ""


def search_text(value: str) -> str:
    """A text to look for: trimmed, without control characters; empty looks for nothing in particular."""
    text = value.strip()
    if _CONTROL.search(text):
        raise ValueError("must not contain control characters")
    return text


def phone(value: str) -> str | None:
    """Digits with the usual separators, or None for an empty string."""
    text = value.strip()
    if text and not _PHONE.fullmatch(text):
        raise ValueError("is not a telephone number: digits, spaces and ()+-./ only")
    return text or None


def web_url(value: str) -> str | None:
    """An http or https address, or None for an empty string."""
    text = value.strip()
    if not text:
        return None
    try:
        parts = urlsplit(text)
        host = parts.port != 0 and parts.hostname
    except ValueError:  # brackets without an IPv6 address, a port that is no number
        host = None
    if not host or not text.isprintable() or not _WEB_URL.fullmatch(text):
        raise ValueError("must be an http:// or https:// address")
    return text


def secret(value: str) -> str:
    """A password or token exactly as received, only NUL and lone surrogates refused."""
    if "\x00" in value or not (value.isascii() or _LONE_SURROGATE.search(value) is None):
        raise ValueError(UNSTORABLE)
    return value


Email = Annotated[str, Meta(max_length=254, extra={"check": email}, examples=["ada@example.com"])]
LoginEmail = Annotated[str, Meta(max_length=254, extra={"check": login_email}, examples=["ada@example.com"])]
FullName = Annotated[str, Meta(max_length=200, extra={"check": line}, examples=["Ada Lovelace"])]
Phone = Annotated[str, Meta(max_length=32, extra={"check": phone}, examples=["+65 6123 4567"])]
WebUrl = Annotated[str, Meta(max_length=2048, extra={"check": web_url}, examples=["https://example.com/ada.png"])]
LoginPassword = Annotated[str, Meta(max_length=1024, extra={"check": secret}, examples=["correct horse battery"])]
NewPassword = Annotated[str, Meta(max_length=1024, extra={"check": secret}, examples=["correct horse battery"])]
OpaqueToken = Annotated[str, Meta(min_length=1, max_length=1024, extra={"check": secret})]
SearchText = Annotated[str, Meta(max_length=200, extra={"check": search_text}, examples=["ada"])]
Role = Annotated[str, Meta(max_length=64, pattern=r"^[A-Z][A-Z0-9_]{0,63}$(?!\n)", examples=["MANAGER"])]

TotpCode = Annotated[str, Meta(pattern=r"^[ \-]*([0-9][ \-]*){6}$(?!\n)", max_length=64, examples=["123456"])]
MfaCode = Annotated[str, Meta(max_length=64, description="Of the app, or a recovery code.", examples=["123456"])]
ClientIdOf = Annotated[str, Meta(min_length=1, max_length=128, examples=["reports"])]
RecoveryCode = Annotated[str, Meta(min_length=1, max_length=64, examples=["7q2mk-9x4pa"])]
