"""The JSON object inside an AI's prose, found in one pass.

Every `{` could begin it, and reading from each in turn would be quadratic. Two facts make it linear. A `{` that one
reading went through as structure needs no reading of its own: what becomes of it is known when the first is over.
And two readings that are not one inside the other disagree, for ever, on what is inside a string; there are only two
ways to disagree. So no character is read more than twice.

Source: contracts/kit.md §9, `extract_json`.
"""

from __future__ import annotations

import json
import re
from math import isinf
from typing import Any

from identry_kit.aigateway.errors import AIBadAnswer

MAX_TEXT = 1 << 20
"""Bytes (UTF-8) of text that is searched."""
MAX_DEPTH = 100
"""Objects and arrays one inside the other, the outermost counted."""

_STRING = r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+"'
_NUMBER = r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?"
_SPACE = r"[ \t\n\r]*+"
_key = re.compile(rf"{_SPACE}{_STRING}{_SPACE}:").match
_open = re.compile(rf"{_SPACE}([{{\[])").match
_scalar = re.compile(rf"{_SPACE}(?:{_STRING}|true|false|null|({_NUMBER}))").match
_after = re.compile(rf"{_SPACE}([,}}\]])").match

_ARRAY = -1


def extract_json(text: str) -> dict[str, Any]:
    """The first complete JSON object in `text`, whatever stands before and after it.

    Prose, fences, braces inside strings, a stray `{` or `}`, an array around it: the object is the one that begins at
    the first `{` from which a valid object can be read. Valid is RFC 8259 and no more: no `NaN`, no trailing comma, no
    single quotes; at most 100 levels, no number beyond a double.

    Raises AIBadAnswer when there is none, or `text` is over 1 MiB.
    """
    value: dict[str, Any] = json.loads(find_object(text))
    return value


def find_object(text: str) -> str:
    """The text of that object. Raises as `extract_json`."""
    if len(text) > MAX_TEXT or len(text.encode("utf-8", "surrogatepass")) > MAX_TEXT:
        raise AIBadAnswer("text too long to look for a JSON object: over 1 MiB")
    seen = bytearray(len(text))
    found: tuple[int, int] | None = None
    start = text.find("{")
    while start >= 0 and (found is None or start < found[0]):
        if not seen[start]:
            complete = _read(text, start, seen)
            if complete is not None and (found is None or complete < found):
                found = complete
        start = text.find("{", start + 1)
    if found is None:
        raise AIBadAnswer("no valid JSON object found")
    return text[found[0] : found[1]]


def _read(text: str, start: int, seen: bytearray) -> tuple[int, int] | None:
    """Read from the `{` at `start` until the text is no JSON any more, or the object is complete.

    Marks in `seen` each `{` that was read as the beginning of an object. Returns beginning and end of the first of
    them (by its beginning) that is complete: the object itself, or, when it is broken, one inside it.
    """
    stack = [start]  # where each open object begins, _ARRAY for an array
    base = 0  # what is below is given up: it is too deep to be valid, but what is inside it may be
    first: tuple[int, int] | None = None
    seen[start] = 1
    at = start + 1
    just_opened = True
    while True:
        closing = _after(text, at) if just_opened else None
        if closing is None or closing[1] == ",":
            at, opened = _member(text, at, in_object=stack[-1] != _ARRAY)
            if at < 0:
                return first
            if opened:
                begin = at - 1
                just_opened = True
                if opened == "{":
                    seen[begin] = 1
                    stack.append(begin)
                else:
                    stack.append(_ARRAY)
                if len(stack) - base > MAX_DEPTH:
                    base += 1
                    while base < len(stack) and stack[base] == _ARRAY:
                        base += 1
                    if base == len(stack):
                        return first
                continue
            closing = _after(text, at)
        just_opened = False
        while closing is not None and closing[1] != ",":
            begin = stack.pop()
            if (closing[1] == "]") != (begin == _ARRAY):
                return first
            at = closing.end()
            if begin != _ARRAY and (first is None or begin < first[0]):
                first = (begin, at)
            if len(stack) == base:
                return first
            closing = _after(text, at)
        if closing is None:
            return first
        at = closing.end()


def _member(text: str, at: int, *, in_object: bool) -> tuple[int, str]:
    """Read a member of an object, or an element of an array: up to its end, or up to the bracket that opens it.

    Returns the position behind it (-1: there is none) and the bracket (`""`: the value is complete).
    """
    if in_object:
        key = _key(text, at)
        if key is None:
            return -1, ""
        at = key.end()
    if opening := _open(text, at):
        return opening.end(), opening[1]
    scalar = _scalar(text, at)
    if scalar is None:
        return -1, ""
    number = scalar[1]
    if number and (len(number) > 300 or "e" in number or "E" in number) and isinf(float(number)):
        return -1, ""
    return scalar.end(), ""
