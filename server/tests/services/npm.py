"""Packages of npm that tests need, as a lock file names them."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from pathlib import Path

import pytest


def require_packages(folder: Path) -> None:
    """Install what `folder`'s lock file names, once; without node or a registry the test is skipped."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("node and npm are needed")
    installed = folder / "node_modules" / ".package-lock.json"
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if installed.is_file() and installed.stat().st_mtime >= (folder / "package-lock.json").stat().st_mtime:
            return
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)
        if done.returncode != 0:
            pytest.skip(f"npm could not install {folder.name}: {done.stderr[-300:]}")
        installed.touch()
