"""A process that has loaded the `identry` program and forks whenever a test runs it: no seconds of imports each time.

What runs is the program as always: a process of its own with its own arguments, environment, folder, output and exit
code, from `main()` to the interpreter's own end. Only the imports were done before. `Preloaded` is the test's side;
run as a file, this is the other side.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

_WIDTH = 8


class Forked:
    """A program that was started; as much of `subprocess.Popen` as tests use.

    Attributes:
        pid: of the process.
        returncode: its exit code, minus the signal that ended it, or None.
    """

    def __init__(self, line: socket.socket, pid: int) -> None:
        self._line = line
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""
        if self.returncode is None and select.select([self._line], [], [], 0)[0]:
            self._read()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, waited for.

        Raises:
            subprocess.TimeoutExpired: it still runs after `timeout` seconds.
        """
        if self.returncode is None:
            if not select.select([self._line], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("identry", timeout or 0)
            self._read()
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal unless it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _read(self) -> None:
        status = _number(self._line)
        self._line.close()
        self.returncode = os.waitstatus_to_exitcode(status)


def _number(line: socket.socket) -> int:
    told = line.recv(_WIDTH, socket.MSG_WAITALL)
    assert len(told) == _WIDTH, "the forking process has ended; its output is above"
    return int.from_bytes(told)


class Preloaded:
    """The forking process; started when it is first needed, ended with this one."""

    def __init__(self) -> None:
        self._line: socket.socket | None = None
        self._one_at_a_time = threading.Lock()

    def start(self, arguments: list[str], *, cwd: Path, env: dict[str, str], files: tuple[int, int, int]) -> Forked:
        """Start `identry <arguments>` with these standard files."""
        ours, theirs = socket.socketpair()
        request = json.dumps([arguments, str(cwd), env]).encode()
        with theirs, self._one_at_a_time:
            if self._line is None:
                self._line = self._begin()
            socket.send_fds(self._line, [len(request).to_bytes(4)], [theirs.fileno(), *files])
            self._line.sendall(request)
        return Forked(ours, _number(ours))

    @staticmethod
    def _begin() -> socket.socket:
        ours, theirs = socket.socketpair()
        with theirs:
            fd = theirs.fileno()
            process = subprocess.Popen(
                [sys.executable, "-P", __file__, str(fd)],
                env={"PATH": os.defpath, "HOME": "/nonexistent"},
                pass_fds=[fd],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )

        def end() -> None:
            ours.close()  # which it takes for its end
            process.wait(10)

        atexit.register(end)
        return ours


preloaded = Preloaded()


def _serve(parent: int) -> None:
    """Fork for every request of the test process; returns in the process that is to become the program."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # keepers end unattended
    with socket.socket(fileno=parent) as line:
        while True:
            size, files, _, _ = socket.recv_fds(line, 4, 4)
            if not size:
                os._exit(0)
            request = b""
            while len(request) < int.from_bytes(size):
                request += line.recv(int.from_bytes(size) - len(request))
            if os.fork():
                for file in files:
                    os.close(file)
                continue
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            if child := os.fork():
                line.close()
                _keep(child, files)
            break
    os.close(files[0])
    for number, file in enumerate(files[1:]):
        os.dup2(file, number)
        os.close(file)
    # Made for these files: those of before would take a terminal for the file that they began with.
    sys.stdout, sys.stderr = (
        os.fdopen(number, "w", 1 if os.isatty(number) or number == 2 else -1, encoding="utf-8", closefd=False)
        for number in (1, 2)
    )
    arguments, folder, env = json.loads(request)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = ["-c", *arguments]
    sys.path.insert(0, "")
    del sys.modules["__main__"].__file__  # or whoever starts processes anew would begin with this file


def _keep(child: int, files: list[int]) -> None:
    """Tell the test the process id and, when it has ended, how."""
    with socket.socket(fileno=files[0]) as line:
        for file in files[1:]:
            os.close(file)
        line.send(child.to_bytes(_WIDTH))
        _, status = os.waitpid(child, 0)
        with contextlib.suppress(OSError):
            line.send(status.to_bytes(_WIDTH))
    os._exit(0)


if __name__ == "__main__":
    cli = importlib.import_module("identry.cli")
    importlib.import_module("identry.app")
    for module in pkgutil.iter_modules(cli.__path__, "identry.cli."):
        importlib.import_module(module.name)
    gc.collect()
    gc.freeze()  # or each fork would look through everything that was loaded before it ends
    _serve(int(sys.argv[1]))
    cli.main()
