"""The parts that tests stand on: a real PostgreSQL, a real Redis, the application on a loopback port, a movable clock.

One PostgreSQL and one Redis serve the whole run; every test works with users and addresses of its own.
"""

from __future__ import annotations

import gc
import logging
import os
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog
from harness import Harness, Servers, put_clocks_back, running
from hypothesis import HealthCheck, settings
from services.certificates import self_signed
from services.logs import restored_logging
from services.name_server import NameServer
from services.postgres import shared_postgres
from services.redis import RedisServer

from identry.core import observability
from identry.core.embedded import EmbeddedPostgres
from identry.core.migrate import migrate_up

# How long one example takes says how busy the machine is, and nothing about the code.
settings.register_profile("identry", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("identry")

_real_connect = socket.socket.connect


def _loopback_only(self: socket.socket, address: object) -> None:
    """Tests talk to this machine alone: anything else is a bug in the code under test."""
    if self.family in (socket.AF_INET, socket.AF_INET6) and isinstance(address, tuple):
        host = str(address[0])
        if not (host.startswith("127.") or host in {"localhost", "::1"}):
            raise AssertionError(f"a test tried to reach {host}")
    _real_connect(self, address)


@pytest.fixture(autouse=True)
def _logs_as_in_production() -> Iterator[None]:
    """Lines go through the processors of a real process: its redaction, and tracebacks without values.

    A command that a test runs in this process configures all logging; that ends with the test.
    """
    structlog.configure(
        processors=observability.processors(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(),
        cache_logger_on_first_use=False,
    )
    with restored_logging():
        yield


@pytest.fixture(scope="session", autouse=True)
def _only_loopback() -> Iterator[None]:
    socket.socket.connect = _loopback_only  # type: ignore[method-assign, assignment]
    yield
    socket.socket.connect = _real_connect  # type: ignore[method-assign]


@pytest.fixture(scope="session", autouse=True)
def _one_certificate_authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Every HTTP client reads all authorities of the machine, and every application makes three: here there is one."""
    _, certificate = self_signed(tmp_path_factory.mktemp("authorities"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(certificate))
        yield


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL server for the whole run."""
    with shared_postgres(tmp_path_factory) as server:
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A Redis for the whole run; tests that hurt Redis start their own."""
    server = RedisServer().start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
async def names() -> AsyncIterator[NameServer]:
    """The name server of the whole run; it knows what tests tell it."""
    server = await NameServer().start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
async def servers(postgres: EmbeddedPostgres, redis_server: RedisServer, names: NameServer) -> Servers:
    """Addresses of the engines, the database migrated."""
    await migrate_up(postgres.url)
    return Servers(postgres_url=postgres.url, redis_url=redis_server.url, name_server=names.address)


@pytest.fixture(scope="session")
async def shared_app(servers: Servers) -> AsyncIterator[Harness]:
    """One application for all tests that need no settings of their own."""
    async with running(servers) as harness:
        yield harness


@pytest.fixture(autouse=True)
def _clocks() -> Iterator[None]:
    """What a test moves ends with the test."""
    yield
    put_clocks_back()


@pytest.fixture
def app(shared_app: Harness) -> Harness:
    """The shared application."""
    return shared_app


_ROOT = Path(__file__).parents[2]
_ALONE = [_ROOT / folder for folder in (_ROOT / "Makefile").read_text().split("ALONE := ")[1].splitlines()[0].split()]
_LONGEST = (
    *("test_two_tenants.py", "test_cli_dev.py", "test_import.py", "test_fuzz.py", "test_embedded.py", "test_wheel.py"),
    *("test_services.py", "test_operations.py", "test_properties.py", "test_cli_serve.py", "test_cli_commands.py"),
    *("test_authority_matrix.py", "test_beside_identry.py", "test_render.py", "test_mailbox.py", "test_tracing.py"),
    *("test_cli_finance_migrate.py", "test_service_tests.py", "test_raw_requests.py", "test_sign_in.py"),
    *("test_refresh_races.py", "test_gateway.py"),
)


def pytest_configure(config: pytest.Config) -> None:
    """Each process of a run begins to collect somewhere else, and finds compiled what another has come by already.

    On a clean checkout, compiling every test would otherwise be done by all of them.
    """
    worker, count = os.environ.get("PYTEST_XDIST_WORKER"), int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    folders = [Path(config.rootpath, place) for place in config.args]
    if worker and all(folder.is_dir() for folder in folders):
        inside = [path for folder in folders for path in sorted(folder.iterdir())]
        parts = [str(path) for path in inside if path.is_dir() or path.name.startswith("test_")]
        start = len(parts) * int(worker.removeprefix("gw")) // count
        config.args[:] = parts[start:] + parts[:start]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first: otherwise one process is left alone with one of them at the end.

    All processes come to the same order, which xdist keeps with `--no-loadscope-reorder` alone.
    """
    for item in items:
        if item.get_closest_marker("alone") and not any(item.path.is_relative_to(folder) for folder in _ALONE):
            raise pytest.UsageError(f"{item.nodeid} is never run: ALONE in the Makefile does not name its folder")
    rank = {name: place for place, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: (rank.get(item.path.name, len(rank)), str(item.path)))


def pytest_collection_finish() -> None:
    """What was loaded to collect the tests stays to the end: the garbage collector need not look at it again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
