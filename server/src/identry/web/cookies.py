"""Cookies (RFC 6265bis): each is a row of attributes; reading is strict, a name that comes twice is no cookie.

A sibling domain can plant a second cookie of the same name; which of the two the browser sends first is its choice, so
neither counts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Self

from identry.web.call import Call

_VALUE = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]{0,4000}")


@dataclass(frozen=True, slots=True)
class Cookie:
    """One cookie of ours.

    Attributes:
        name: with its prefix (`__Host-…`), if it has one.
        path: where the browser sends it.
        max_age: seconds that it lives.
        same_site: `Strict`, `Lax` or `None`.
        secure: whether it travels over TLS only.
    """

    name: str
    path: str
    max_age: int
    same_site: str
    secure: bool

    def __post_init__(self) -> None:
        if self.same_site == "None" and not self.secure:
            raise ValueError(f"{self.name}: SameSite=None needs Secure")
        if self.name.startswith("__Host-") and not (self.secure and self.path == "/"):
            raise ValueError(f"{self.name}: __Host- needs Secure and Path=/")

    def holding(self, value: str) -> tuple[bytes, bytes]:
        """The header line that sets it; host-only (no `Domain`) and never readable by scripts.

        Raises:
            ValueError: the value cannot stand in a cookie.
        """
        if not _VALUE.fullmatch(value):
            raise ValueError("no value of a cookie")
        secure = "; Secure" if self.secure else ""
        attributes = f"Path={self.path}; Max-Age={self.max_age}; HttpOnly{secure}; SameSite={self.same_site}"
        line = f"{self.name}={value}; {attributes}"
        return b"set-cookie", line.encode("ascii")

    def cleared(self) -> tuple[bytes, bytes]:
        """The header line that removes it."""
        return self._expired().holding("")

    def _expired(self) -> Self:
        return replace(self, max_age=0)

    def read(self, call: Call) -> str | None:
        """Its value in a request; None when it is absent, malformed, or there twice."""
        found = [
            value
            for header in call.headers(b"cookie")
            for pair in header.split(";")
            for name, equals, value in [pair.strip(" \t").partition("=")]
            if equals and name == self.name
        ]
        if len(found) != 1:
            return None
        value = found[0]
        if len(value) > 1 and value[0] == value[-1] == '"':
            value = value[1:-1]
        return value if value and _VALUE.fullmatch(value) else None


def passkey_cookie(*, same_site: str, secure: bool, seconds: int) -> Cookie:
    """The cookie by which a browser is known that asked for a passkey: what it asked for, no other may use."""
    name = "__Secure-identry_passkey" if secure else "identry_passkey"
    return Cookie(name, "/api/v1/auth/passkeys", seconds, same_site.capitalize(), secure)


def device_cookie(*, same_site: str, secure: bool, seconds: int) -> Cookie:
    """The cookie by which a browser is known in which somebody signed in with a password."""
    name = "__Host-identry_device" if secure else "identry_device"
    return Cookie(name, "/", seconds, same_site.capitalize(), secure)


def refresh_cookie(*, same_site: str, secure: bool, days: int) -> Cookie:
    """The cookie of a browser's session (contracts/browser-api.md §4)."""
    return Cookie("refresh_token", "/api/v1/auth", days * 86400, same_site.capitalize(), secure)
