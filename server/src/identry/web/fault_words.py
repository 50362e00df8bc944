"""What msgspec says of a value that breaks a rule, in words for whoever sent it."""

from __future__ import annotations

import re
from typing import Any, get_args

from msgspec import Meta

from identry.web.errors import Fault

_RULES = (
    ("Object missing required field", "required"),
    ("Invalid enum value", "enum"),
    ("of length", "length"),
    ("matching regex", "format"),
    ("Invalid UUID", "format"),
    ("Expected `int` >=", "range"),
    ("Expected `int` <=", "range"),
)
_LENGTH = re.compile(r"Expected `(str|array)` of length ([<>])= (\d+)")


def fault_of(name: str, message: str, hint: Any) -> Fault:
    """Msgspec's message as a fault: the path it names is appended to the field.

    Args:
        name: of the field.
        message: as msgspec wrote it.
        hint: the field's type.
    """
    text, _, path = message.partition(" - at `$")
    rule = next((rule for start, rule in _RULES if start in text), "type")
    return Fault(name + path.rstrip("`"), rule, _told(text, hint))


def _told(text: str, hint: Any) -> str:
    if "matching regex" in text:
        example = _example(hint)
        return "does not have the form that is asked for" + (f", such as {example}" if example else "")
    if length := _LENGTH.match(text):
        kind, bound, number = length.groups()
        one, more = {"str": ("character", "characters"), "array": ("entry", "entries")}[kind]
        unit = one if number == "1" else more
        return f"must have at {'least' if bound == '>' else 'most'} {number} {unit}"
    return text[0].lower() + text[1:]


def _example(hint: Any) -> str:
    """What a type gives as an example of its values, or of those in it; empty: nothing."""
    for part in get_args(hint):
        if isinstance(part, Meta) and part.examples:
            return str(part.examples[0])
        if found := _example(part):
            return found
    return ""
