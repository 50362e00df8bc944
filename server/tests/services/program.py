"""The `identry` program as a person or an orchestrator runs it: a process, its output, its exit code."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from services.preloaded import Forked, preloaded

PROGRAM = [sys.executable, "-c", "from identry.cli import main; main()"]
CHEAP = {"ARGON2_TIME": "1", "ARGON2_MEMORY": "64", "ARGON2_THREADS": "1"}
CALM = {"REDIS_TIMEOUT": "10s", "DATABASE_TIMEOUT": "30s"}
"""What an engine that is slow means is tested in `faults`; everywhere else it means a busy machine."""
PATIENCE = 90.0


def environment(**variables: str) -> dict[str, str]:
    """A bare environment with cheap password hashes and patience with engines."""
    return {"PATH": os.defpath, "HOME": "/nonexistent", **CHEAP, **CALM, **variables}


def identry(*arguments: str, cwd: Path, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    with TemporaryFile() as given, TemporaryFile() as out, TemporaryFile() as err:
        given.write(stdin.encode())
        given.seek(0)
        files = (given.fileno(), out.fileno(), err.fileno())
        process = preloaded.start([*arguments], cwd=cwd, env=environment(**variables), files=files)
        try:
            code = process.wait(PATIENCE)
        finally:
            process.kill()
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess([*arguments], code, out.read().decode(), err.read().decode())


class Running:
    """A started program.

    Attributes:
        process: the process.
        log: the file that takes its output.
    """

    def __init__(self, process: subprocess.Popen[bytes] | Forked, log: Path) -> None:
        self.process = process
        self.log = log

    @property
    def output(self) -> str:
        """What it has written so far."""
        return self.log.read_text()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to it alone."""
        self.process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait; returns the exit code."""
        self.send(number)
        return self.process.wait(PATIENCE)


@contextlib.contextmanager
def started(
    *arguments: str, cwd: Path, prefix: tuple[str, ...] = (), program: list[str] | None = None, **variables: str
) -> Iterator[Running]:
    """Start the program; whatever is left of it is killed at the end."""
    log, env = cwd / "output.txt", environment(**variables)
    process: subprocess.Popen[bytes] | Forked
    with log.open("wb") as out, Path(os.devnull).open() as nothing:
        if prefix or program:
            command = [*prefix, *(program or PROGRAM), *arguments]
            process = subprocess.Popen(command, cwd=cwd, env=env, stdin=nothing, stdout=out, stderr=subprocess.STDOUT)
        else:
            files = (nothing.fileno(), out.fileno(), out.fileno())
            process = preloaded.start([*arguments], cwd=cwd, env=env, files=files)
    running = Running(process, log)
    try:
        yield running
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


@contextlib.contextmanager
def dev(cwd: Path, *arguments: str, **variables: str) -> Iterator[tuple[Running, dict[str, Any]]]:
    """`identry dev` on a free port, and its card."""
    path = cwd / "card.json"
    path.unlink(missing_ok=True)
    port = () if "--port" in arguments else ("--port", "0")
    with started("dev", *port, "--card-json", str(path), *arguments, cwd=cwd, **variables) as running:
        wait_for(running, path.exists)
        yield running, json.loads(path.read_text())


def wait_for(running: Running, happened: Any, what: str = "start") -> None:
    """Wait until `happened()`; an earlier end of the program fails the test with its output."""
    deadline = time.monotonic() + PATIENCE
    while not happened():
        if running.process.poll() is not None:
            raise AssertionError(f"no {what}; exit code {running.process.returncode}:\n{running.output}")
        if time.monotonic() > deadline:
            raise AssertionError(f"no {what} in time:\n{running.output}")
        time.sleep(0.02)


def is_open(port: int) -> bool:
    """Whether someone accepts connections on a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def children(pid: int) -> list[int]:
    """Every descendant of a process (Linux)."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            parents.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found = []
    for child in parents.get(pid, []):
        found += [child, *children(child)]
    return found


def all_gone(pids: list[int], within: float = 30.0) -> bool:
    """Whether these processes have ended (a zombie has)."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if not any(_lives(pid) for pid in pids):
            return True
        time.sleep(0.05)
    return False


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
