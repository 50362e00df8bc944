"""How the text of a variable becomes a value. Each function takes the text and raises ValueError with what is wrong."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from identry.core.email_domains import domain_pattern
from identry.core.txt_records import name_server

_ORIGIN = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9](?:[a-z0-9.\-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::(?P<port>[1-9][0-9]{0,4}))?"
)
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Secret:
    """A text that never shows in a log, a traceback or a repr; `reveal()` gives it."""

    __slots__ = ("_text",)

    def __init__(self, text: str = "") -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Secret('…')" if self._text else "Secret('')"


def optional(parse: Callable[[str], str]) -> Callable[[str], str]:
    """As `parse`, and empty stays empty."""
    return lambda text: parse(text) if text else ""


def optional_secret(parse: Callable[[str], Secret]) -> Callable[[str], Secret]:
    """As `parse`, and empty stays empty."""
    return lambda text: parse(text) if text else Secret()


def line(text: str) -> str:
    """One line of text: no control character, so that it can stand in a header, a log line or a mail."""
    if any(ord(c) < 32 or ord(c) == 127 for c in text):
        raise ValueError("contains a line break or another control character")
    return text


def color(text: str) -> str:
    """A colour as `#rrggbb`, in lower case."""
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", text):
        raise ValueError("is not a colour like #2348c7")
    return text.lower()


def secret(text: str) -> Secret:
    """One line that must not be shown."""
    return Secret(line(text))


def secrets(text: str) -> tuple[Secret, ...]:
    """A comma-separated list of at most two secrets, the second for rotation."""
    parts = tuple(Secret(part) for raw in line(text).split(",") if (part := raw.strip()))
    if len(parts) > 2:
        raise ValueError("holds more than two keys")
    return parts


def number(low: int, high: int) -> Callable[[str], int]:
    """A whole number between `low` and `high`, both included."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"-?[0-9]{1,12}", text):
            raise ValueError("is not a whole number")
        if not low <= (value := int(text)) <= high:
            raise ValueError(f"is not between {low} and {high}")
        return value

    return parse


def optional_number(low: int, high: int) -> Callable[[str], int | None]:
    """As `number`; None when empty."""
    parse = number(low, high)
    return lambda text: parse(text) if text else None


def boolean(text: str) -> bool:
    """`true/false/1/0/yes/no`, in any case; nothing else (contracts/platform-api.md §11)."""
    try:
        return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[text.lower()]
    except KeyError:
        raise ValueError("is none of true, false, 1, 0, yes, no") from None


def choice(*words: str) -> Callable[[str], str]:
    """One of `words`, in any case; returned as written here."""

    def parse(text: str) -> str:
        for word in words:
            if word.lower() == text.lower():
                return word
        raise ValueError(f"is none of {', '.join(word or '(empty)' for word in words)}")

    return parse


def optional_duration(low: str, high: str) -> Callable[[str], timedelta | None]:
    """As `duration`; None when empty."""
    parse = duration(low, high)
    return lambda text: parse(text) if text else None


_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)  # Go accepts both mu


def duration(low: str, high: str) -> Callable[[str], timedelta]:
    """A Go duration (`1h30m`, `500ms`) or a whole number of seconds, between `low` and `high`."""
    shortest, longest = _go_duration(low), _go_duration(high)

    def parse(text: str) -> timedelta:
        value = _go_duration(text)
        if not shortest <= value <= longest:
            raise ValueError(f"is not between {low} and {high}")
        return value

    return parse


def _go_duration(text: str) -> timedelta:
    if re.fullmatch(r"[0-9]{1,12}", text):
        return timedelta(seconds=int(text))
    parts = list(_PART.finditer(text))
    if not parts or "".join(part[0] for part in parts) != text or len(text) > 64:
        raise ValueError("is not a duration such as 15m, 1h30m or 500ms")
    try:
        return timedelta(seconds=sum(float(part[1]) * _UNITS[part[2]] for part in parts))
    except OverflowError:
        raise ValueError("is too long") from None


def networks(text: str) -> tuple[Network, ...]:
    """A comma-separated list of networks, `10.0.0.0/8, ::1/128`; a bare address means itself."""
    found = []
    for part in filter(None, (raw.strip() for raw in line(text).split(","))):
        try:
            found.append(ipaddress.ip_network(part))
        except ValueError as error:
            raise ValueError(f"is no list of networks in CIDR notation: {error}") from None
    return tuple(found)


def name_servers(text: str) -> tuple[str, ...]:
    """A comma-separated list of name servers, each an address with or without a port."""
    found = tuple(part for raw in line(text).split(",") if (part := raw.strip()))
    for part in found:
        try:
            name_server(part)
        except ValueError as error:
            raise ValueError(f"{part[:100]} {error}") from None
    return found


def url(*schemes: str) -> Callable[[str], str]:
    """An absolute URL of one of `schemes`, without user, query or fragment; a trailing slash is dropped."""

    def parse(text: str) -> str:
        parts = _split(text, schemes)
        if parts.username or parts.query or parts.fragment:
            raise ValueError("carries a user, a query or a fragment")
        return text.rstrip("/")

    return parse


def origins(text: str) -> tuple[str, ...]:
    """A comma-separated list of exact origins (RFC 6454 §6.2), each as a browser writes it."""
    return tuple(dict.fromkeys(_origin(part) for raw in line(text).split(",") if (part := raw.strip())))


def _origin(text: str) -> str:
    if text in {"*", "null"}:
        raise ValueError(f"must not be {text}: name each origin")
    if not (found := _ORIGIN.fullmatch(text)) or found["host"].endswith("."):
        raise ValueError(f"{text[:100]} is no origin as browsers write it: scheme://host[:port], lower-case, no path")
    port = found["port"]
    if port and (not 0 < int(port) < 65536 or {"http": "80", "https": "443"}[found["scheme"]] == port):
        raise ValueError(f"{text[:100]} names a port that browsers leave out, or none that exists")
    return text


def domains(text: str) -> tuple[str, ...]:
    """A comma-separated list of mail domains, lower-case A-labels; `*.` in front means the sub-domains."""
    return tuple(dict.fromkeys(_domain(part) for raw in line(text).split(",") if (part := raw.strip())))


def _domain(text: str) -> str:
    try:
        return domain_pattern(text)
    except ValueError:
        raise ValueError(f"{text[:100]} is no domain such as acme.com or *.acme.com") from None


def secret_url(*schemes: str) -> Callable[[str], Secret]:
    """An absolute URL of one of `schemes` that may carry a password."""

    def parse(text: str) -> Secret:
        _split(text, schemes, host=not set(schemes) & {"postgres", "unix"})
        return Secret(text)

    return parse


def _split(text: str, schemes: tuple[str, ...], *, host: bool = True) -> SplitResult:
    if not line(text).isascii() or " " in text:
        raise ValueError("contains a space or a character that must be percent-encoded")
    try:
        parts = urlsplit(text)
        port_is_valid = parts.port != 0
    except ValueError:
        raise ValueError("is not a URL") from None  # the original text may quote the password
    if parts.scheme not in schemes:
        raise ValueError(f"does not start with {' or '.join(f'{scheme}://' for scheme in schemes)}")
    if (host and not parts.hostname) or not port_is_valid:
        raise ValueError("names no host")
    return parts


def folder(text: str) -> Path | None:
    """A folder; None when empty."""
    return Path(line(text)) if text else None


def identifier(text: str) -> str:
    """The name of a table or column as the database knows it, without quotes."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_$]{0,62}(\.[A-Za-z_][A-Za-z0-9_$]{0,62})?", text):
        raise ValueError("is no name of a table (letters, digits and _; schema.table is possible)")
    return text


def column_names(text: str) -> tuple[str, ...]:
    """A comma-separated list of `Table.field=column`; each comes back without spaces."""
    found = []
    for part in filter(None, (raw.strip() for raw in line(text).split(","))):
        if not (match := re.fullmatch(r"([A-Za-z]+\.[A-Za-z]+)\s*=\s*([A-Za-z_][A-Za-z0-9_$]{0,62})", part)):
            raise ValueError("is no list of Table.field=column")
        found.append(f"{match[1]}={match[2]}")
    return tuple(found)


def address(text: str) -> str:
    """A mail address, or `Name <address>`."""
    bare = re.fullmatch(r"(?:[^<>]*<)?([^\s<>@,]+@[^\s<>@,]+)>?", line(text))
    if bare is None or ("<" in text) != (">" in text):
        raise ValueError("is not a mail address")
    return text


def bare_address(text: str) -> str:
    """A mail address without a name, lower-case."""
    if "<" in text:
        raise ValueError("is not a bare mail address")
    return address(text).lower()
