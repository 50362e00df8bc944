"""`identry serve`: refuses to start unsafely, drains on SIGTERM, leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from harness import SIGNING_PEM
from services.databases import create_database
from services.ports import free_port
from services.program import Running, all_gone, children, identry, is_open, started, wait_for
from services.redis import RedisServer

from identry.core.embedded import EmbeddedPostgres
from identry.core.limits import ACCOUNT_FAILURES

PASSWORD = "correct horse battery staple"


@pytest.fixture(scope="module")
async def production(postgres: EmbeddedPostgres, redis_server: RedisServer) -> dict[str, str]:
    """A complete configuration on a database of its own."""
    return {
        "DATABASE_URL": await create_database(postgres.url),
        "REDIS_URL": redis_server.url,
        "JWT_SIGNING_KEY_PEM": SIGNING_PEM,
        "SECRET_KEY": "only for tests: 0123456789 abcdefghijklmnopqrst",
        "BOOTSTRAP_ADMIN_EMAIL": "root@example.com",
        "BOOTSTRAP_ADMIN_PASSWORD": PASSWORD,
        "HOST": "127.0.0.1",
        "WORKERS": "2",
        "SHUTDOWN_DELAY": "1s",
    }


@contextlib.contextmanager
def serving(cwd: Path, settings: dict[str, str], **more: str) -> Iterator[tuple[Running, str]]:
    """The server and its base URL, both workers up."""
    port = free_port()
    with started("serve", cwd=cwd, **{**settings, "PORT": str(port), **more}) as running:
        wait_for(running, lambda: is_open(port))
        # Each worker has a listener of its own on the port: both are up when both are bound.
        wait_for(running, lambda: _listeners(port) >= int(settings["WORKERS"]), "second worker")
        yield running, f"http://127.0.0.1:{port}"


def _listeners(port: int) -> int:
    table = Path("/proc/net/tcp").read_text()
    return table.count(f" 0100007F:{port:04X} 00000000:0000 0A ")


def login(client: httpx2.Client, **headers: str) -> httpx2.Response:
    return client.post("/auth/login", json={"email": "root@example.com", "password": PASSWORD}, headers=headers)


def test_it_migrates_makes_the_administrator_and_serves(production: dict[str, str], tmp_path: Path) -> None:
    with serving(tmp_path, production) as (running, base), httpx2.Client(base_url=base) as client:
        assert client.get("/ready").status_code == 200
        assert login(client).status_code == 200
        assert PASSWORD not in running.output
        assert running.end(signal.SIGINT) == 0


def test_the_admin_port_serves_its_own_table_and_ends_with_the_workers(
    production: dict[str, str], tmp_path: Path
) -> None:
    port = free_port()
    more = {"OAUTH_ISSUER": "https://auth.example.com", "ADMIN_PORT": str(port)}
    admin = {"email": "root@example.com", "password": PASSWORD}
    with serving(tmp_path, production, **more) as (running, base), httpx2.Client(timeout=10) as client:
        beside = f"http://127.0.0.1:{port}"
        wait_for(running, lambda: _listeners(port) >= int(production["WORKERS"]), "admin port of both workers")
        signed_in = client.post(f"{beside}/api/admin/login", json=admin)
        assert signed_in.status_code == 200, signed_in.text
        headers = {"Authorization": f"Bearer {signed_in.json()['access_token']}"}
        assert client.get(f"{beside}/api/admin/apps", headers=headers).json()["apps"] == []
        assert client.get(f"{beside}/health").status_code == 200
        assert client.get(f"{beside}/ready").status_code == 200
        assert "identry_info" in client.get(f"{beside}/metrics").text
        for url in (f"{base}/api/admin/apps", f"{base}/manage/api/admin/apps", f"{base}/metrics", f"{beside}/auth/me"):
            assert client.get(url, headers=headers).status_code == 404, url
        refused = identry("serve", cwd=tmp_path, **production, **more, PORT=str(free_port()))
        assert refused.returncode == 1
        assert f"ADMIN_PORT: port {port} is taken" in refused.stderr
        assert running.end(signal.SIGTERM) == 0
        assert not is_open(port)


def test_sigterm_first_tells_the_load_balancer_then_closes_the_port(production: dict[str, str], tmp_path: Path) -> None:
    more = {"SHUTDOWN_DELAY": "6s"}
    with serving(tmp_path, production, **more) as (running, base), httpx2.Client(base_url=base, timeout=20) as client:
        workers = children(running.process.pid)
        running.send(signal.SIGTERM)
        while client.get("/ready").status_code == 200:
            time.sleep(0.02)
        served = login(client)
        assert (served.status_code, served.headers["connection"]) == (200, "close")
        assert running.process.wait(30) == 0
        assert all_gone(workers)


async def test_logins_in_flight_are_answered(
    production: dict[str, str], redis_server: RedisServer, tmp_path: Path
) -> None:
    slow = {"ARGON2_MEMORY": "65536", "ARGON2_TIME": "3", "SHUTDOWN_DELAY": "0s"}
    with serving(tmp_path, production, **slow) as (running, base):
        async with httpx2.AsyncClient(base_url=base, timeout=60) as client:
            email = f"nobody-{secrets.token_hex(5)}@example.com"
            body: dict[str, Any] = {"email": email, "password": PASSWORD}
            waiting = [asyncio.create_task(client.post("/auth/login", json=body)) for _ in range(6)]
            while redis_server.attempts(ACCOUNT_FAILURES, "127.0.0.1", email) < 6:  # they are inside
                await asyncio.sleep(0.01)
            running.send(signal.SIGTERM)
            answers = await asyncio.gather(*waiting)
        assert [answer.status_code for answer in answers] == [401] * 6
        assert running.process.wait(30) == 0


def test_a_second_sigterm_ends_at_once(production: dict[str, str], tmp_path: Path) -> None:
    with serving(tmp_path, production, SHUTDOWN_DELAY="60s", SHUTDOWN_GRACE="120s") as (running, base):
        workers = children(running.process.pid)
        running.send(signal.SIGTERM)
        # Two of one kind that nobody has looked at yet are one signal.
        wait_for(running, lambda: httpx2.get(f"{base}/ready", timeout=20).status_code == 503, "end that has begun")
        assert running.end(signal.SIGTERM) == 1
        assert all_gone(workers)


def test_workers_do_not_outlive_a_killed_supervisor(production: dict[str, str], tmp_path: Path) -> None:
    with serving(tmp_path, production, SHUTDOWN_GRACE="3s") as (running, _):
        workers = children(running.process.pid)
        running.process.kill()
        running.process.wait()
        assert all_gone(workers)


def test_workers_take_long_turns_and_a_killed_one_is_replaced(production: dict[str, str], tmp_path: Path) -> None:
    import os

    with serving(tmp_path, production) as (running, base):
        port = int(base.rpartition(":")[2])
        victim = next(pid for pid in children(running.process.pid) if _is_worker(pid))
        wait_for(running, lambda: os.sched_getscheduler(victim) == os.SCHED_BATCH, "its long turns")
        os.kill(victim, signal.SIGKILL)
        wait_for(running, lambda: victim not in children(running.process.pid), "end of the worker")
        wait_for(running, lambda: _listeners(port) == 2, "replacement")
        assert httpx2.get(f"{base}/health").status_code == 200
        assert running.end() == 0


def _is_worker(pid: int) -> bool:
    return "resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_text()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"REDIS_URL": ""}, "REDIS_URL is required"),
        ({"JWT_SIGNING_KEY_PEM": ""}, "JWT_SIGNING_KEY_PEM is required"),
        ({"EXPOSE_PASSWORD_RESET_TOKEN": "true"}, "EXPOSE_PASSWORD_RESET_TOKEN is true in production"),
        ({"DATABASE_URL": "postgresql://a:hunter2@127.0.0.1:1/x"}, "PostgreSQL is not running"),
    ],
)
def test_what_cannot_run_is_refused_in_plain_words(
    production: dict[str, str], change: dict[str, str], message: str, tmp_path: Path
) -> None:
    refused = identry("serve", cwd=tmp_path, **{**production, **change})
    assert refused.returncode == 1
    assert message in refused.stderr
    assert "Traceback" not in refused.stderr
    assert "hunter2" not in refused.stdout + refused.stderr


def test_a_taken_port_is_one_line(production: dict[str, str], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused = identry("serve", cwd=tmp_path, **{**production, "PORT": str(taken.getsockname()[1])})
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert " is taken by " in refused.stderr
