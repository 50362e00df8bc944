"""A folder where `identry dev` has run once, so that most tests start warm."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest
from services.program import dev


@pytest.fixture(scope="session")
def seasoned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose `.identry` was made by a first run that ended well."""
    folder = tmp_path_factory.mktemp("dev")
    with dev(folder) as (running, _):
        assert running.end(signal.SIGINT) == 0
    return folder


@pytest.fixture
def home(seasoned: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may spoil."""
    home = tmp_path / "home"
    subprocess.run(["cp", "-a", str(seasoned), str(home)], check=True)
    return home
