"""A Dockerfile as data, so that tests can hold it to its rules and run its steps where there is no container engine."""

from __future__ import annotations

import fnmatch
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Step:
    """One instruction: `RUN`, its text with continued lines joined, and the stage it belongs to."""

    stage: int
    keyword: str
    text: str

    @property
    def exec_form(self) -> list[str]:
        """The words of a JSON array; fails for the shell form."""
        words = json.loads(self.text)
        assert isinstance(words, list)
        return [str(word) for word in words]


def read(path: Path) -> list[Step]:
    """Its instructions in order; those before the first FROM belong to stage -1."""
    text = re.sub(r"^\s*#.*\n", "", path.read_text(), flags=re.MULTILINE)
    joined = re.sub(r"\\\n\s*", "", text)
    steps, stage = [], -1
    for line in filter(None, map(str.strip, joined.splitlines())):
        keyword, _, rest = line.partition(" ")
        stage += keyword == "FROM"
        steps.append(Step(stage, keyword, rest.strip()))
    return steps


class Ignore:
    """`.dockerignore`: the last pattern that matches a path or a folder above it decides."""

    def __init__(self, path: Path) -> None:
        lines = (line.strip() for line in path.read_text().splitlines())
        self._patterns = [line for line in lines if line and not line.startswith("#")]

    def keeps(self, path: str) -> bool:
        """Whether a file, named relative to the context, is sent to the builder."""
        kept = True
        for pattern in self._patterns:
            if _matches(path, pattern.removeprefix("!")):
                kept = pattern.startswith("!")
        return kept

    def context(self, root: Path, files: list[str]) -> Iterator[str]:
        """Those of `files` that the builder gets."""
        return (name for name in files if self.keeps(name) and (root / name).is_file())


def _matches(path: str, pattern: str) -> bool:
    parts = path.split("/")
    if pattern.startswith("**/"):
        return any(fnmatch.fnmatchcase(part, pattern[3:]) for part in parts)
    depth = pattern.count("/") + 1
    return len(parts) >= depth and all(
        fnmatch.fnmatchcase(part, p) for part, p in zip(parts, pattern.split("/"), strict=False)
    )


def copy_context(root: Path, files: list[str], ignore: Ignore, to: Path) -> None:
    """Make the builder's context in a folder."""
    for name in ignore.context(root, files):
        target = to / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / name, target)
