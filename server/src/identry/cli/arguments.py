"""What a command was given, read: a fault names the argument, what stood there and what is wrong with it."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from identry.settings.values import duration


def span_of(option: str, text: str, low: str, high: str) -> timedelta:
    """The duration that `option` was given, between `low` and `high`.

    Raises:
        ValueError: it is none.
    """
    try:
        return duration(low, high)(text)
    except ValueError as error:
        raise ValueError(f"{option} {text!r} {error}") from None


def uuid_of(text: str, wanted: str = "UUID") -> UUID:
    """A UUID; `wanted` are the words for what may stand there.

    Raises:
        ValueError: it is none.
    """
    try:
        return UUID(text)
    except ValueError:
        raise ValueError(f"{text!r} is no {wanted}") from None
