"""The migration table names what exists: every Python name in it is looked up, every argument is one."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path
from typing import Any

from rows import every

TABLE = (Path(__file__).parents[3] / "docs" / "kit" / "from-go.md").read_text(encoding="utf-8")
SEED = "apierror ctxutil httpware gormlogger jwtauth socrate tiering aigateway ainarration pagination"
"""The packages of backendkit v1.4."""
ROWS = [row for line in TABLE.splitlines() if line.startswith("| ") and len(row := line.split(" | ")) == 3]
NAMES = [name for row in ROWS for name in re.findall(r"`([^`]+)`", row[1])]


def found(name: str) -> Any:
    """The thing that `package.module.Class.attribute` is, below `identry_kit`. Raises AttributeError."""
    parts = name.split(".")
    thing: Any = importlib.import_module(f"identry_kit.{parts[0]}")
    for at, part in enumerate(parts[1:], 2):
        if inspect.ismodule(thing) and not hasattr(thing, part):
            thing = importlib.import_module(f"identry_kit.{'.'.join(parts[:at])}")
        else:
            thing = getattr(thing, part)
    return thing


@every("name", NAMES)
def test_it_exists(name: str) -> None:
    name, _, arguments = name.rstrip(")").partition("(")
    thing = found(name)
    missing = set(filter(None, arguments.split(", "))) - set(inspect.signature(thing).parameters if arguments else ())
    assert not missing


def test_every_row_names_something_of_ours_and_every_package_has_rows() -> None:
    assert len(NAMES) > 90
    assert [row[0] for row in ROWS if row[0] != "| Go" and "`" not in row[1]] == []
    assert set(SEED.split()) == set(re.findall(r"^## `(\w+)`", TABLE, re.MULTILINE))
