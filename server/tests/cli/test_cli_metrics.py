"""The metrics port of `identry serve`: apart from the public one, all workers in one answer."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from harness import BASE_ENV, Servers
from prometheus_client.parser import text_string_to_metric_families
from services.ports import free_port
from services.program import Running, children, is_open, started, wait_for


@contextlib.contextmanager
def serving(cwd: Path, servers: Servers, **more: str) -> Iterator[tuple[Running, str, str]]:
    """A production server with two workers; its base URL and that of its metrics."""
    port, metrics = free_port(), free_port()
    environment = {
        **BASE_ENV,
        "APP_ENV": "production",
        "SECRET_KEY": "only for tests: 0123456789 abcdefghijklmnopqrst",
        "DATABASE_URL": servers.postgres_url,
        "REDIS_URL": servers.redis_url,
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "METRICS_PORT": str(metrics),
        "WORKERS": "2",
        "SHUTDOWN_DELAY": "0s",
        "TMPDIR": str(cwd),
        "ALLOW_ORIGINS": "",  # the other tests have a page on localhost, which production refuses
        **more,
    }
    with started("serve", cwd=cwd, **environment) as running:
        wait_for(running, lambda: is_open(port))
        yield running, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{metrics}/metrics"


def sample(url: str, name: str, **labels: str) -> float:
    text = httpx2.get(url, timeout=10).text
    for family in text_string_to_metric_families(text):
        for found in family.samples:
            if found.name == name and found.labels == labels:
                return found.value
    return 0.0


def test_the_parent_adds_up_its_workers_and_forgets_nothing_that_one_counted(servers: Servers, tmp_path: Path) -> None:
    health = {"method": "GET", "route": "/health", "status": "2xx"}
    name = "identry_http_request_duration_seconds_count"
    with serving(tmp_path, servers) as (running, base, metrics):
        wait_for(running, lambda: sample(metrics, "identry_workers") == 2, "second worker")
        for _ in range(20):
            assert httpx2.get(f"{base}/health").status_code == 200  # each on a connection of its own
        wait_for(running, lambda: sample(metrics, name, **health) == 20, "sum over both workers")
        assert httpx2.get(f"{base}/metrics").status_code == 404
        assert [path.stat().st_mode & 0o777 for path in tmp_path.glob("identry-metrics-*")] == [0o700]

        workers = [pid for pid in children(running.process.pid) if b"resource_tracker" not in cmdline(pid)]
        victim = workers[0]
        os.kill(victim, signal.SIGKILL)
        wait_for(running, lambda: victim not in children(running.process.pid), "end of a worker")
        wait_for(running, lambda: sample(metrics, "identry_workers") == 2, "new worker")
        assert sample(metrics, name, **health) == 20

        assert running.end() == 0
    assert not list(tmp_path.glob("identry-metrics-*"))


def cmdline(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def test_a_taken_metrics_port_is_one_line(servers: Servers, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(AssertionError), serving(tmp_path, servers, METRICS_PORT=str(port)):
            pass
    output = (tmp_path / "output.txt").read_text()
    assert re.search(rf"METRICS_PORT: cannot listen on 127\.0\.0\.1:{port}: .*in use", output)
    assert "Traceback" not in output


def test_without_the_port_nothing_is_written(servers: Servers, tmp_path: Path) -> None:
    with serving(tmp_path, servers, METRICS_PORT="0") as (running, _, _):
        time.sleep(0.5)
        assert not list(tmp_path.glob("identry-metrics-*"))
        assert running.end() == 0
