"""Time zones by the names of the IANA database, as far as people choose among them."""

from __future__ import annotations

import zoneinfo
from functools import cache

_REGIONS = frozenset(
    {"Africa", "America", "Antarctica", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific"}
)


@cache
def names() -> tuple[str, ...]:
    """Every zone of a place, sorted; empty where this machine has no time zone database."""
    return tuple(sorted(name for name in zoneinfo.available_timezones() if name.partition("/")[0] in _REGIONS))


@cache
def zone(name: str) -> zoneinfo.ZoneInfo | None:
    """The zone of a name that `names` has, or None."""
    return zoneinfo.ZoneInfo(name) if name in names() else None


@cache
def by_region() -> dict[str, tuple[str, ...]]:
    """The names by their first part."""
    found: dict[str, list[str]] = {}
    for name in names():
        found.setdefault(name.partition("/")[0], []).append(name)
    return {region: tuple(zones) for region, zones in found.items()}
