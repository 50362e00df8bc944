"""Where a browser may be sent: addresses that a client registered, compared letter for letter.

The one exception is the port of a native client's loopback address (RFC 8252 §7.3). What may be registered is checked
where clients are made (`refuse_unregistrable`), so that no comparison here has to be clever. Source: RFC 6749 §3.1.2,
RFC 9700 §2.1, §4.1; SECURITY §2 row 44.
"""

from __future__ import annotations

import re
from urllib.parse import urlencode, urlsplit

MAX_LENGTH = 2048

_LOOPBACK = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\]))(?::[0-9]{1,5})?(/[^\s#\\]*)?")
_LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})
_VISIBLE = re.compile(r"[\x21\x23-\x3b\x3d\x3f-\x5b\x5d\x5f\x61-\x7a\x7e]+")
"""Visible ASCII without what RFC 3986 leaves out: double quotes, angle and curly brackets, backslash, `|`, `^`, `."""
_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_PRIVATE_SCHEME = re.compile(r"[a-z][a-z0-9+-]*(?:\.[a-z0-9+-]+)+")
_DOTS = re.compile(r"(?:^|/)(?:\.|%2e){1,2}(?:;[^/]*)?(?:/|$)", re.IGNORECASE)


def matches(registered: list[str], asked: str, *, native: bool) -> bool:
    """Whether `asked` is one of the registered addresses; of a native client's loopback address the port is free."""
    if asked in registered:
        return True
    if not native or len(asked) > MAX_LENGTH:
        return False
    wanted = _without_port(asked)
    return wanted is not None and any(_without_port(uri) == wanted for uri in registered)


def _without_port(uri: str) -> tuple[str, str] | None:
    """Host and path of a loopback address; None when it is none."""
    found = _LOOPBACK.fullmatch(uri)
    return (found[1], found[2] or "") if found else None


def refuse_unregistrable(uri: str, *, native: bool) -> None:
    """Check an address before it is registered.

    `https:` anywhere; `http:` on this machine's own loopback interface only (a developer's, or a native app's); a
    scheme of its own, in reverse domain notation, for native apps (RFC 8252 §7.1).

    Raises:
        ValueError: it may not be registered; the message is for whoever registers it.
    """
    if not uri or len(uri) > MAX_LENGTH:
        raise ValueError(f"a redirect address has 1 to {MAX_LENGTH} characters")
    if not _VISIBLE.fullmatch(uri):
        raise ValueError("a redirect address is written in visible ASCII without quotes, brackets and backslashes")
    if "#" in uri:
        raise ValueError("a redirect address has no fragment")
    if "*" in uri:
        raise ValueError("redirect addresses are compared to the letter: there are no wildcards")
    scheme, colon, rest = uri.partition(":")
    if not colon:
        raise ValueError("a redirect address is absolute: it begins with https://")
    if scheme in {"https", "http"}:
        _refuse_web(uri, scheme)
    elif not native:
        raise ValueError("a redirect address begins with https://; other schemes are for native clients")
    elif not _PRIVATE_SCHEME.fullmatch(scheme) or not rest.startswith("/") or rest.startswith("//"):
        raise ValueError("a native client's own scheme is a domain backwards: com.example.app:/callback")
    elif _DOTS.search(rest):
        raise ValueError("a redirect address has no . or .. in its path")


def _refuse_web(uri: str, scheme: str) -> None:
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("a redirect address has a valid host and port") from None
    if not uri.startswith(f"{scheme}://") or not parts.netloc or "@" in parts.netloc:
        raise ValueError("a redirect address names a host and no user")
    if "[" not in parts.netloc and not _HOST.fullmatch(host):
        raise ValueError("a redirect address has a valid host")
    if (port is not None and not 0 < port < 65536) or parts.netloc.endswith(":"):
        raise ValueError("a redirect address has a valid host and port")
    if scheme == "http" and host not in _LOOPBACK_HOSTS:
        raise ValueError("a redirect address begins with https://, or with http:// on the loopback interface")
    if _DOTS.search(parts.path):
        raise ValueError("a redirect address has no . or .. in its path")


def with_parameters(uri: str, parameters: dict[str, str]) -> str:
    """The address with these parameters added to its query (RFC 6749 §3.1.2); empty ones are left out."""
    added = urlencode({name: value for name, value in parameters.items() if value})
    if not added:
        return uri
    return f"{uri}{'&' if '?' in uri else '?'}{added}"
