"""A key that says what a narration was made from: the same input has the same key, in every process, on every day.

Source: contracts/kit.md §10, row `key`.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Mapping, Set
from datetime import date, datetime
from datetime import time as time_of_day
from decimal import Decimal
from enum import Enum
from hashlib import sha256
from typing import Any
from uuid import UUID

UNCACHEABLE = "err:uncacheable:"
"""How the key of an input begins that has no canonical form. Nothing is kept under such a key."""


def cache_key(feature: str, role: str, ctx: object) -> str:
    """`<feature>:<role>:<first 16 hex digits of the SHA-256 of ctx as canonical JSON>`.

    Canonical: keys sorted, no spaces, UTF-8, no NaN. `ctx` may be anything that JSON has, and dataclasses, mappings,
    sets, enums, UUIDs, dates, decimals, `msgspec.Struct` and pydantic models, one inside the other. An empty
    `feature` or `role` becomes `unknown`; a colon or percent sign in one is written `%3A` or `%25`, so that no two
    pairs share a key (a role decides what a narration may tell).

    What has no canonical form gets `err:uncacheable:<nanoseconds>`, which no cache keeps. Raises nothing.
    """
    try:
        digest = sha256(canonical_json(ctx)).hexdigest()[:16]
        return f"{_part(feature)}:{_part(role)}:{digest}"
    except (TypeError, ValueError, RecursionError):
        return f"{UNCACHEABLE}{time.time_ns()}"


def canonical_json(value: object) -> bytes:
    """`value` as the one JSON text that stands for it. Raises TypeError, ValueError or RecursionError."""
    text = json.dumps(value, default=_plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def _part(text: str) -> str:
    return text.replace("%", "%25").replace(":", "%3A") or "unknown"


def _plain(value: Any) -> Any:
    """What stands for a value that `json` does not know."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: getattr(value, one.name) for one in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Set):
        return [json.loads(item) for item in sorted(canonical_json(item) for item in value)]
    if isinstance(value, UUID | Decimal):
        return str(value)
    if isinstance(value, datetime | date | time_of_day):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if hasattr(type(value), "model_dump"):
        return value.model_dump(mode="json")
    if hasattr(type(value), "__struct_fields__"):
        return {name: getattr(value, name) for name in value.__struct_fields__}
    raise TypeError(f"{type(value).__name__} has no canonical JSON")
