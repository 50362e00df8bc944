"""What must not stand in a log line: found by its name or by its shape, in any depth of a value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "[redacted]"
LONGEST_VALUE = 2000
_DEEPEST = 6

_SECRET_NAMES = re.compile(
    r"password|passwd|secret|token(?!_version|version|s_|_type)|authorization|cookie|api[-_]?key|private|credential"
    r"|otp|mfa_?code|recovery_?code",
    re.IGNORECASE,
)
_SECRET_TEXT = re.compile(
    r"""
    eyJ[A-Za-z0-9_-]{8,}(?:\.|%2E)[A-Za-z0-9_-]*(?:(?:\.|%2E)[A-Za-z0-9_-]*)*  # a JWT, whole or cut
    | (?<=://)[^/\s:@]*:[^/\s]+(?=@)                                           # user:password of a URL
    | (?<=Bearer\ )\S+ | (?<=Basic\ )\S+
    | -----BEGIN\ [A-Z ]*PRIVATE\ KEY-----.*?(?:-----END\ [A-Z ]*PRIVATE\ KEY-----|\Z)
    | \$(?:argon2(?:id|i|d)|2[abxy]|scrypt|pbkdf2[a-z0-9-]*)\$[^\s'")]+          # a password hash
    | (?<=DETAIL:)[^\n]*                                                        # PostgreSQL's, which quotes the row
    | (?<=[?&])(?:[a-z_]*token|code|state|password|[a-z_]*secret)=[^&\s"'#]+   # of a query string
    | (?<=["'])(?:[a-z_]*password|[a-z_]*token|[a-z_]*secret|code)["']\s*:\s*(?:"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?)
    """,
    re.DOTALL | re.IGNORECASE | re.VERBOSE,
)
# Random bytes: 30 of them or more, as base64url (a name in snake_case has no capital), as hex, as padded base64.
_RANDOM_TEXT = re.compile(
    r"(?=[a-z0-9_-]*[A-Z])[A-Za-z0-9_-]{40,}|\b[0-9a-f]{40,}\b|\b[0-9A-F]{40,}\b"
    r"|[A-Za-z0-9/]*\+[A-Za-z0-9+/]{20,}={0,2}|[A-Za-z0-9+/]{38,}={1,2}"
)
_RANDOM_SEGMENT = re.compile(r"[A-Za-z0-9_-]{40,}")  # longer than a UUID: GET /auth/invitations/{token}


def hidden(name: str, value: Any, depth: int = 0) -> Any:
    """`value` as it may be logged under `name`.

    Numbers and None pass. A text loses what looks like a secret and what is too long for a line; all of it when the
    name says that it is one. Bytes are only counted. Mappings and lists are entered; any other object is its `str`.
    """
    if value is None or isinstance(value, bool | int | float):
        return value
    if _SECRET_NAMES.search(name):
        return HIDDEN
    if isinstance(value, bytes | bytearray | memoryview):
        return f"[{len(value)} bytes]"
    if depth < _DEEPEST:
        if isinstance(value, Mapping):
            return {str(key): hidden(str(key), item, depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [hidden("", item, depth + 1) for item in value]
    return clean(str(value), longest=20 * LONGEST_VALUE if name == "exception" else LONGEST_VALUE)


def clean(text: str, longest: int = LONGEST_VALUE) -> str:
    """A text without what looks like a secret, cut at `longest` characters."""
    text = _RANDOM_TEXT.sub(HIDDEN, _SECRET_TEXT.sub(HIDDEN, text[: 2 * longest]))  # first, lest half a token be left
    return text if len(text) <= longest else text[:longest] + "…"


def clean_path(path: str) -> str:
    """A request's path without a token in it."""
    return _RANDOM_SEGMENT.sub("…", path)
