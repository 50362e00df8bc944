"""What is cached: a text and what is worth knowing about it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from types import MappingProxyType
from typing import Any, Self

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_MAX_DEPTH = 50


@dataclass(frozen=True, slots=True)
class Narration:
    """A narrative and its metadata (model, latency …), frozen: what one reader does to it no other sees.

    `metadata` is copied, all the way down: mappings become read-only, lists become tuples. It may hold what JSON has;
    anything else is a TypeError, NaN and more than 50 levels are a ValueError. `as_dict` is a copy to change and send.

    Source: contracts/kit.md §10, `Value`.
    """

    narrative: str
    metadata: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)

    def __post_init__(self) -> None:
        if not isinstance(self.narrative, str):
            raise TypeError("a narrative is text")
        object.__setattr__(self, "metadata", _frozen(self.metadata, 0) if self.metadata else _NOTHING)

    def as_dict(self) -> dict[str, Any]:
        """`{"narrative": str, "metadata": {…}}`, the latter left out when empty; ordinary dictionaries and lists."""
        plain: dict[str, Any] = {"narrative": self.narrative}
        if self.metadata:
            plain["metadata"] = _thawed(self.metadata)
        return plain

    def to_json(self) -> str:
        """`as_dict` as JSON in ASCII, which every database can hold, whatever the narrative holds."""
        return json.dumps(self.as_dict(), separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The opposite of `to_json`. Raises ValueError when `text` is something else."""
        try:
            plain = json.loads(text)
            return cls(plain["narrative"], plain.get("metadata", _NOTHING))
        except (LookupError, TypeError, AttributeError, RecursionError):
            raise ValueError("not a narration") from None


def _frozen(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, str | int):
        return value
    if depth > _MAX_DEPTH:
        raise ValueError("metadata is nested too deeply")
    if isinstance(value, float):
        if not isfinite(value):
            raise ValueError("metadata holds a number that JSON has not")
        return value
    if isinstance(value, Mapping):
        if not all(isinstance(name, str) for name in value):
            raise TypeError("the keys of metadata are text")
        return MappingProxyType({name: _frozen(item, depth + 1) for name, item in value.items()})
    if isinstance(value, list | tuple) and depth:
        return tuple(_frozen(item, depth + 1) for item in value)
    raise TypeError(f"metadata holds a {type(value).__name__}, which JSON has not")


def _thawed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _thawed(item) for name, item in value.items()}
    return [_thawed(item) for item in value] if isinstance(value, tuple) else value
