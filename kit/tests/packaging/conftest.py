"""The wheel as a service gets it, and clean environments to install it into, without a network.

An environment is a new venv that holds the distributions which the wheel's own metadata asks for, and theirs, and
nothing else: their files are links to those of the environment that runs the tests. Then uv, which has no index,
installs the wheel: it resolves every requirement against what is there and refuses when one is not met.
"""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from email.message import Message
from email.parser import Parser
from importlib.metadata import distribution
from importlib.util import cache_from_source
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

KIT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")


@dataclass(frozen=True)
class Wheel:
    """A built wheel, read back."""

    path: Path

    @property
    def names(self) -> list[str]:
        with ZipFile(self.path) as archive:
            return archive.namelist()

    def read(self, name: str) -> str:
        """A file of it; `name` without the folder is one of its metadata."""
        with ZipFile(self.path) as archive:
            return archive.read(name if "/" in name else f"{self.info}/{name}").decode()

    @property
    def info(self) -> str:
        return "identry_kit-{}.dist-info".format(self.path.name.split("-")[1])

    @property
    def metadata(self) -> Message:
        return Parser().parsestr(self.read("METADATA"))


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Wheel:
    """The kit's wheel, built as a release builds it."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=KIT, check=True, capture_output=True)
    (path,) = folder.iterdir()
    return Wheel(path)


class Clean:
    """A clean environment with the wheel in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = folder / "bin" / "python"

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Its Python: nothing of this process's environment reaches it, and warnings are errors."""
        command = [str(self.python), "-I", "-W", "error", *arguments]
        return subprocess.run(
            command, cwd=self.folder, env={"PATH": os.defpath}, capture_output=True, text=True, timeout=60, check=False
        )

    def says(self, code: str) -> str:
        """What `code` prints there."""
        done = self.run("-c", code)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def installed(self) -> set[str]:
        """The distributions that are there."""
        code = "from importlib.metadata import distributions; print(*(found.name for found in distributions()))"
        return {canonicalize_name(name) for name in self.says(code).split()}


@pytest.fixture(scope="session")
def clean(wheel: Wheel, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Clean]:
    """`clean("fastapi", beside=["pytest"])`: an environment with that extra; each is made once."""
    made: dict[tuple[str, tuple[str, ...]], Clean] = {}

    def make(extra: str = "", beside: Iterable[str] = ()) -> Clean:
        key = extra, tuple(beside)
        if key not in made:
            made[key] = _made(tmp_path_factory.mktemp(extra or "base"), wheel, *key)
        return made[key]

    return make


def _made(folder: Path, wheel: Wheel, extra: str, beside: tuple[str, ...]) -> Clean:
    venv.create(folder, symlinks=True, with_pip=False)
    environment = Clean(folder)
    site = Path(environment.says("import sysconfig; print(sysconfig.get_path('purelib'))"))
    asked = [Requirement(line) for line in wheel.metadata.get_all("Requires-Dist", [])]
    for name in _closure([_Asked(r, extra) for r in asked] + [_Asked(Requirement(name), "") for name in beside]):
        _link(name, site)
    what = f"identry-kit{f'[{extra}]' if extra else ''} @ {wheel.path.as_uri()}"
    command = [UV, "pip", "install", "--quiet", "--offline", "--no-index", "--no-cache", "--python", environment.python]
    done = subprocess.run([*command, what], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return environment


@dataclass(frozen=True)
class _Asked:
    """A requirement, and the extra for which it was asked."""

    requirement: Requirement
    extra: str

    @property
    def applies(self) -> bool:
        marker = self.requirement.marker
        return marker is None or marker.evaluate({"extra": self.extra})


def _closure(asked: list[_Asked]) -> set[str]:
    """The distributions that requirements need, theirs too."""
    found: set[tuple[str, str]] = set()
    while asked:
        item = asked.pop()
        if not item.applies:
            continue
        name = canonicalize_name(item.requirement.name)
        for extra in ("", *item.requirement.extras):
            if (name, extra) not in found:
                found.add((name, extra))
                asked += [_Asked(Requirement(line), extra) for line in distribution(name).requires or ()]
    return {name for name, _ in found}


def _link(name: str, site: Path) -> None:
    """The files of an installed distribution, in `site`; compiled ones with them, because compiling takes longest."""
    files = distribution(name).files
    assert files, name
    for file in files:
        if file.parts[0] == ".." or "__pycache__" in file.parts:
            continue
        source, target = Path(str(file.locate())), site / file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(source)
        if file.suffix == ".py" and (compiled := Path(cache_from_source(str(source)))).exists():
            target = Path(cache_from_source(str(target)))
            target.parent.mkdir(exist_ok=True)
            target.symlink_to(compiled)
