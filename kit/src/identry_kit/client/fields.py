"""Reading a JSON object field by field, strictly: a value of the wrong type is a fault, never a surprise later.

A fault names the field, never its value. Absent and null are the same; what may be absent says so with a default.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NoReturn

from identry_kit.client.errors import InvalidAnswer

MAX_ID = 2**64 - 1


def parse(op: str, body: bytes) -> Any:
    """`body` as strict JSON (UTF-8, no NaN); raises InvalidAnswer."""
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        fault = InvalidAnswer(op, "the answer is not JSON")
    raise fault


def error_text(body: bytes) -> str | None:
    """The text of `{"error": "<text>"}`, None when the body is not that."""
    try:
        value = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    text = value.get("error") if isinstance(value, dict) else None
    return text if isinstance(text, str) else None


def _no_constant(name: str) -> NoReturn:
    msg = f"{name} is not JSON"
    raise ValueError(msg)


class Fields:
    """One JSON object. Each method reads one field or raises InvalidAnswer."""

    __slots__ = ("_op", "_values")

    def __init__(self, op: str, values: Any) -> None:
        self._op = op
        if not isinstance(values, dict):
            raise InvalidAnswer(op, "the answer is not a JSON object")
        self._values: dict[str, Any] = values

    @classmethod
    def of(cls, op: str, body: bytes) -> Fields:
        """The object that a body is."""
        return cls(op, parse(op, body))

    def _fault(self, name: str, wanted: str) -> InvalidAnswer:
        return InvalidAnswer(self._op, f"field {name!r} of the answer is not {wanted}")

    def uint(self, name: str, default: int | None = None) -> int:
        """An unsigned 64-bit integer; without a default it must be there."""
        value = self._values.get(name, default)
        if value is None:
            value = default
        if type(value) is not int or not 0 <= value <= MAX_ID:
            raise self._fault(name, "an unsigned integer")
        return value

    def text(self, name: str, default: str | None = None) -> str:
        """A string; without a default it must be there and not be empty."""
        value = self._values.get(name)
        if value is None:
            value = default
        if not isinstance(value, str) or (default is None and not value):
            raise self._fault(name, "a text")
        return value

    def flag(self, name: str) -> bool:
        """True or false; absent is False."""
        value = self._values.get(name)
        if value is None:
            return False
        if not isinstance(value, bool):
            raise self._fault(name, "true or false")
        return value

    def maybe_time(self, name: str) -> datetime | None:
        """An RFC 3339 instant with its zone; None when absent."""
        value = self._values.get(name)
        if value is None:
            return None
        moment = None
        if isinstance(value, str) and "T" in value.upper():
            try:
                moment = datetime.fromisoformat(value.upper())
            except ValueError:
                moment = None
        if moment is None or moment.tzinfo is None:
            raise self._fault(name, "an RFC 3339 time")
        return moment

    def time(self, name: str) -> datetime:
        """An RFC 3339 instant that must be there."""
        moment = self.maybe_time(name)
        if moment is None:
            raise self._fault(name, "an RFC 3339 time")
        return moment

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of strings, or one string; absent is empty."""
        value = self._values.get(name)
        if value is None:
            return ()
        listed = [value] if isinstance(value, str) else value
        if not isinstance(listed, list) or not all(isinstance(item, str) for item in listed):
            raise self._fault(name, "a list of texts")
        return tuple(listed)

    def text_map(self, name: str) -> Mapping[str, str]:
        """An object of strings; absent is empty."""
        value = self.object(name)
        if not all(isinstance(item, str) for item in value.values()):
            raise self._fault(name, "an object of texts")
        return value

    def object(self, name: str) -> Mapping[str, Any]:
        """Any object; absent is empty."""
        value = self._values.get(name)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self._fault(name, "an object")
        return value

    def objects(self, name: str) -> list[Fields]:
        """A list of objects that must be there; null is an empty list."""
        if name not in self._values:
            raise self._fault(name, "a list")
        value = self._values[name]
        if value is None:
            return []
        if not isinstance(value, list):
            raise self._fault(name, "a list")
        return [Fields(self._op, item) for item in value]
