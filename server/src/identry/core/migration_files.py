"""The folder of migrations: which files belong together, and whether they are fit to run."""

from __future__ import annotations

import importlib.resources
import re
from collections import defaultdict
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path

NO_TRANSACTION = "-- identry: no-transaction"

_NAME = re.compile(r"(?P<version>\d+)_(?P<name>.*)\.(?P<direction>up|down)\.sql")
_QUOTED = re.compile(r"\$(\w*)\$.*?\$\1\$|--[^\n]*|/\*.*?\*/|'[^']*'", re.DOTALL)
_TRANSACTION = re.compile(r"(?:^|;)\s*(begin|start\s+transaction|commit|rollback|end)\b[^;]*(?:;|$)", re.IGNORECASE)


class MigrationError(RuntimeError):
    """A migration cannot be done; the message is one line and says what to do."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step: its SQL forward and, when there is a way back, backward."""

    version: int
    name: str
    up: str
    down: str | None

    def __str__(self) -> str:
        return f"{self.version} ({self.name})"


def read_folder(path: Path | None = None) -> tuple[Migration, ...]:
    """The migrations of a folder, oldest first; without `path` the ones that this release brings.

    Raises:
        MigrationError: no such folder, two files for one step, a step without `.up.sql`, or one that begins or ends
            a transaction by itself.
    """
    folder: Traversable = path if path is not None else importlib.resources.files("identry") / "migrations"
    if not folder.is_dir():
        raise MigrationError(f"no folder {folder}: set MIGRATIONS_PATH to the folder of migrations, or unset it")
    found: dict[int, dict[str, tuple[str, str]]] = defaultdict(dict)
    for file in folder.iterdir():
        if (match := _NAME.fullmatch(file.name)) is None:
            continue
        sides = found[int(match["version"])]
        if match["direction"] in sides:
            raise MigrationError(f"two migrations have the number {match['version']} in {folder}: renumber one")
        sides[match["direction"]] = (match["name"], _checked(file))
    return tuple(_migration(version, sides) for version, sides in sorted(found.items()))


def is_transactional(sql: str) -> bool:
    """Whether the file runs in one transaction together with its version row."""
    return not sql.lstrip().startswith(NO_TRANSACTION)


def _migration(version: int, sides: dict[str, tuple[str, str]]) -> Migration:
    if "up" not in sides:
        raise MigrationError(f"migration {version} has a .down.sql but no .up.sql")
    name, up = sides["up"]
    return Migration(version, name, up, sides["down"][1] if "down" in sides else None)


def _checked(file: Traversable) -> str:
    sql = file.read_text(encoding="utf-8")
    if statement := _TRANSACTION.search(_QUOTED.sub("", sql)):
        raise MigrationError(
            f"{file.name} says {statement[1].upper()}: remove it, each migration runs in a transaction of its own"
        )
    return sql
