"""Where variables come from: the process environment, then `.env`. The only module that reads `os.environ`."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

ENV_FILE = Path(".env")

_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$"}
_STATEMENT = re.compile(
    r"""
    [^\S\n]*(?:export[^\S\n]+)?(?P<name>[A-Za-z_][A-Za-z0-9_.]*)[^\S\n]*=[^\S\n]*
    (?:"(?P<double>(?:[^"\\]|\\.)*)" | '(?P<single>[^']*)' | (?P<bare>[^\n]*?))
    [^\S\n]*(?:(?:(?<=\s)|(?<=["']))\#[^\n]*)?(?:\n|\Z)
    """,
    re.VERBOSE | re.DOTALL,
)
_NOTHING = re.compile(r"[^\S\n]*(?:\#[^\n]*)?(?:\n|\Z)")


def variables(env_file: Path | None = ENV_FILE) -> dict[str, str]:
    """Every variable of the process, and those of `env_file` that the process does not have.

    Raises:
        ValueError: a line of the file is no `NAME=value`; says which.
        OSError: the file exists and cannot be read.
    """
    found = read_env_file(env_file) if env_file is not None and env_file.is_file() else {}
    return {**found, **os.environ}


def publish(values: Mapping[str, str]) -> None:
    """Put variables into this process's environment, for the worker processes that it starts."""
    os.environ.update(values)


def read_env_file(path: Path) -> dict[str, str]:
    r"""The variables of a `.env` file, read as data: nothing is executed, nothing expanded.

    `NAME=value`, `export NAME=value`, `# comment`; 'single' and "double" quotes, both over several lines; in double
    quotes `\n \r \t \" \\ \$` are escapes. A later line of the same name wins.
    """
    text = path.read_text(encoding="utf-8-sig").replace("\r\n", "\n")
    found: dict[str, str] = {}
    position = 0
    while position < len(text):
        if nothing := _NOTHING.match(text, position):
            position = max(nothing.end(), position + 1)
            continue
        statement = _STATEMENT.match(text, position)
        bare = statement["bare"] if statement else None
        if statement is None or (bare and bare[0] in "\"'"):
            raise ValueError(f"line {text.count(chr(10), 0, position) + 1} is no NAME=value (is a quote missing?)")
        if statement["double"] is not None:
            value = re.sub(r"\\(.)", _unescape, statement["double"], flags=re.DOTALL)
        else:
            value = statement["single"] if statement["single"] is not None else bare or ""
        found[statement["name"]] = value
        position = statement.end()
    return found


def _unescape(match: re.Match[str]) -> str:
    return _ESCAPES.get(match[1], match[0])
