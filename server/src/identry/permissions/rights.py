"""What somebody may do, as a set that knows its wildcards. Pure, made once, asked often."""

from __future__ import annotations

from collections.abc import Iterable

from identry.permissions.catalogue import CATALOGUE, EVERYTHING


class Rights:
    """A set of permission keys, some of which may stand for many (`*`, `incidents:*`).

    Attributes:
        keys: as they were granted.
    """

    __slots__ = ("_everything", "_prefixes", "keys")

    def __init__(self, keys: Iterable[str]) -> None:
        self.keys = frozenset(keys)
        self._everything = EVERYTHING in self.keys
        self._prefixes = tuple(key[:-1] for key in self.keys if key != EVERYTHING and key.endswith(EVERYTHING))

    def allows(self, key: str) -> bool:
        """Whether the set has this permission; for a wildcard, whether it has all that this can ever stand for."""
        return key in self.keys or self._everything or key.startswith(self._prefixes)

    def missing(self, keys: Iterable[str]) -> list[str]:
        """Those of the keys that the set does not allow, sorted."""
        return sorted(key for key in set(keys) if not self.allows(key))

    def granting(self, key: str) -> list[str]:
        """The keys of the set that allow `key`, sorted."""
        return sorted(own for own in self.keys if Rights((own,)).allows(key))

    def spelled_out(self) -> list[str]:
        """The keys, with every permission of the catalogue that a wildcard among them stands for; sorted."""
        return sorted(self.keys | {key for key in CATALOGUE if self.allows(key)})


NOTHING = Rights(())
