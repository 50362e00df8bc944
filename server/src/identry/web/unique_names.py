"""JSON objects in which a name stands twice are refused: what such a one means depends on who reads it (RFC 8259 §4).

A proxy that reads the first `email` and a server that reads the last one see two requests. The fast decoder takes the
last without a word, so bodies are looked at: its quotes tell of most that there is nothing but what is required, and
once; of others the names are counted, and only a body in which one could stand twice is read closely. Names that nobody
reads may be repeated.
"""

from __future__ import annotations

import json
from collections import Counter
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from identry.web.errors import Fault, InvalidRequest

_ESCAPED = b"\\u"  # the only way to write a letter of a name otherwise


def least_quotes(struct: type[msgspec.Struct]) -> int:
    """How many quotes there are at least in a body that `struct` was decoded from.

    Where there are no more, every required field is there once, and nothing else: no string holds a bare quote.
    """
    hints = get_type_hints(struct)
    return sum(4 if hints[field.name] is str else 2 for field in msgspec.structs.fields(struct) if field.required)


def require_unique(struct: type[msgspec.Struct], raw: bytes) -> None:
    """Refuse a body in which a name that `struct` knows is repeated in one object.

    Raises:
        InvalidRequest: with the names; or it cannot be read closely.
    """
    if _may_repeat(struct, raw):
        _read_closely(struct, raw)


def _may_repeat(struct: type[msgspec.Struct], raw: bytes) -> bool:
    """False is certain."""
    quoted = _quoted(struct)
    if quoted is None or _ESCAPED in raw:
        return True
    for name in quoted:  # noqa: SIM110 - a generator costs as much as the search
        if raw.count(name) > 1:
            return True
    return False


def _read_closely(struct: type[msgspec.Struct], raw: bytes) -> None:
    repeated: set[str] = set()

    def note(pairs: list[tuple[str, Any]]) -> None:
        times = Counter(name for name, _ in pairs)
        repeated.update(name for name in times if times[name] > 1)

    try:
        json.loads(raw.decode(), object_pairs_hook=note, parse_int=str)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest.field("body", "json", "is nested too deeply or not valid JSON") from error
    names = _names(struct)
    if told := sorted(repeated if names is None else repeated & names):
        raise InvalidRequest.of([Fault(name, "format", "must not be repeated") for name in told])


@cache
def _quoted(struct: type[msgspec.Struct]) -> tuple[bytes, ...] | None:
    names = _names(struct)
    return None if names is None else tuple(f'"{name}"'.encode() for name in names)


@cache
def _names(struct: type[msgspec.Struct]) -> frozenset[str] | None:
    """The names of its fields, and of all structs in it; None: somewhere any name may stand."""
    found: set[str] = set()
    waiting: list[Any] = [struct]
    seen: set[Any] = {struct}
    while waiting:
        one = waiting.pop()
        if get_origin(one) is dict or one in {dict, Any, object, msgspec.Raw}:
            return None
        inner = list(get_args(one))
        if isinstance(one, type) and issubclass(one, msgspec.Struct):
            found.update(field.encode_name for field in msgspec.structs.fields(one))
            inner = list(get_type_hints(one).values())
        new = [hint for hint in inner if not isinstance(hint, str) and hint not in seen]
        seen.update(new)
        waiting += new
    return frozenset(found)
