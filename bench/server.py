"""Identry and the bare endpoints as processes: started, looked at, stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.world import World, free_port
from identry.core.passwords import Argon2Params


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes: resident (shared pages counted in each process) and proportional (shared pages divided)."""

    rss: int
    pss: int


class Server:
    """A process with its workers."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, started_in: float) -> None:
        self.process = process
        self.port = port
        self.started_in = started_in
        """Seconds from exec to the first answer of /health (or /hello)."""

    def workers(self) -> list[psutil.Process]:
        """The processes that serve: the children, or the process itself when there are none."""
        parent = psutil.Process(self.process.pid)
        return [child for child in parent.children() if "python" in child.name() or "identry" in child.name()] or [
            parent
        ]

    def cpu(self) -> float:
        """Seconds of processor time that the workers have used; unlike a rate, a busy neighbour hardly changes it."""
        return sum(sum(worker.cpu_times()[:2]) for worker in self.workers())

    def memory(self) -> list[Memory]:
        """Of each worker."""
        return [memory_of(worker.pid) for worker in self.workers()]


def memory_of(pid: int) -> Memory:
    """Of one process, from the kernel."""
    fields = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, _, rest = line.partition(":")
        fields[name] = int(rest.split()[0]) * 1024
    return Memory(fields["Rss"], fields["Pss"])


@contextmanager
def identry(
    world: World, url: str, *, workers: int, redis: bool, params: Argon2Params | None = None, **extra: str
) -> Iterator[Server]:
    """`identry serve`, its log lines written to a file."""
    port = free_port()
    given = world.environment(url, workers=workers, redis=redis, **({"params": params} if params else {}))
    environment = {**os.environ, **given, "PORT": str(port), **extra}
    command = [str(Path(sys.executable).with_name("identry")), "serve"]
    with started(command, port, "/health", environment, world.folder / f"identry-{port}.log") as server:
        yield server


@contextmanager
def limits(world: World, url: str, *, workers: int) -> Iterator[Server]:
    """The bare endpoints."""
    port = free_port()
    command = [sys.executable, "-m", "bench.limits", "--port", str(port), "--workers", str(workers), "--url", url]
    with started(command, port, "/hello", dict(os.environ), world.folder / f"limits-{port}.log") as server:
        yield server


@contextmanager
def started(
    command: list[str], port: int, path: str, environment: dict[str, str], log: Path, cwd: Path | None = None
) -> Iterator[Server]:
    """A server from `command`, once it answers."""
    begun = time.perf_counter()
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=environment, cwd=cwd)
        try:
            while not _answers(port, path):
                if process.poll() is not None:
                    raise RuntimeError(f"{' '.join(command)} ended: {log.read_text()[-2000:]}")
                time.sleep(0.01)
            yield Server(process, port, time.perf_counter() - begun)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _answers(port: int, path: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2) as reply:
            return bool(reply.status == 200)
    except (OSError, urllib.error.URLError):
        return False
