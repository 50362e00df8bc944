"""What a variable is: its default as text, how its text is read, and what a person needs to know about it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

_KEY = "variable"


@dataclasses.dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable.

    Attributes:
        name: as in the environment.
        group: the heading under which the documents list it.
        default: its text when it is unset or empty.
        parse: text → value; raises ValueError with what is wrong.
        meaning: one or two sentences for an operator.
        required: when it must be set, in words; empty when never.
        shown_default: what the documents say instead of `default`, for a default that is made at start.
        secret: whether its value must never be shown.
    """

    name: str
    group: str
    default: str
    parse: Callable[[str], Any]
    meaning: str
    required: str = ""
    shown_default: str = ""
    secret: bool = False

    def read(self, text: str) -> Any:
        """The value of `text`, the default's when it is blank. Around a secret, spaces may be part of it."""
        return self.parse((text if self.secret and text.strip() else text.strip()) or self.default)


def group(heading: str) -> Callable[..., Any]:
    """A function that declares the fields of one heading: `port: int = server("3097", number(0, 65535), "…")`."""

    def declare(default: str, parse: Callable[[str], Any], meaning: str, **more: Any) -> Any:
        def make(name: str) -> Variable:
            return Variable(name.upper(), heading, default, parse, meaning, **more)

        sample = make("")
        return dataclasses.field(default=sample.read(""), metadata={_KEY: make})

    return declare


def variables_of(settings: Any) -> Iterator[tuple[str, Variable]]:
    """(attribute, variable) of each field of a settings class or instance, in the order of the class."""
    for field in dataclasses.fields(settings):
        yield field.name, field.metadata[_KEY](field.name)
