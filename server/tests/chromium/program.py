"""Chromium, found or installed, and started with a new profile."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest

from chromium.devtools import DevTools

SHELLS = ("chromium-headless-shell", "chrome-headless-shell")
"""The same browser without the windows around the page: a quarter of the time."""
NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
OPTIONS = (
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--disable-features=OptimizationHints,MediaRouter,Translate",
    # *.test is this machine, so that pages of other sites are at hand; every other name is nowhere.
    "--host-resolver-rules=MAP *.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
    "--remote-debugging-pipe",
)
# Chromium reads commands from descriptor 3 and writes answers to 4.
_ONTO_3_AND_4 = """
import fcntl, os, sys
pipes = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3]]
for number, pipe in zip((3, 4), pipes):
    os.dup2(pipe, number)
os.execvp(sys.argv[3], sys.argv[3:])
"""


def find() -> str:
    """The program; installed when this is a bare Debian and we may. Without one the test is skipped."""
    found = _first(SHELLS) or _installed(SHELLS[0]) or _first(NAMES) or _installed(NAMES[0])
    if found is None:
        pytest.skip("no Chromium here, and none could be installed")
    return found


def _first(names: Iterable[str]) -> str | None:
    return next(filter(None, map(shutil.which, names)), None)


def _installed(package: str) -> str | None:
    """The program of a Debian package, once it is there; None: we may not, or there is none."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return None
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    apt = ["apt-get", "-o", "DPkg::Lock::Timeout=120"]
    install = [*apt, "install", "--yes", "--no-install-recommends", package]
    with contextlib.suppress(subprocess.TimeoutExpired):
        for command in (install, [*apt, "update"], install):
            if not shutil.which(package):
                subprocess.run(command, env=environment, capture_output=True, check=False, timeout=180)
    return shutil.which(package)


@contextlib.asynccontextmanager
async def started(folder: Path) -> AsyncIterator[DevTools]:
    """A browser whose files are in `folder`; whatever is left of it is killed at the end."""
    program = find()
    commands, to_browser = os.pipe()
    from_browser, answers = os.pipe()
    root = ("--no-sandbox",) if os.geteuid() == 0 else ()
    launcher = (sys.executable, "-c", _ONTO_3_AND_4, str(commands), str(answers))
    with (folder / "chromium.txt").open("wb") as log:
        process = subprocess.Popen(
            [*launcher, program, *OPTIONS, *root, f"--user-data-dir={folder / 'profile'}"],
            pass_fds=(commands, answers),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            env={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(folder)},
            start_new_session=True,
        )
    os.close(commands)
    os.close(answers)
    devtools = await DevTools().open(from_browser, to_browser)
    try:
        yield devtools
        await devtools.close()
        await asyncio.to_thread(process.wait, 20)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
