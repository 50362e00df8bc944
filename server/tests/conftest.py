"""The parts that tests stand on: a real PostgreSQL, a real Redis, the application on a loopback port, a movable clock.

One PostgreSQL and one Redis serve the whole run; every test works with users and addresses of its own.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import AsyncIterator, Iterator

import pytest
import structlog
from harness import Harness, Servers, running
from services.name_server import NameServer
from services.redis import RedisServer

from identry.core import observability
from identry.core.embedded import EmbeddedPostgres
from identry.core.migrate import migrate_up

_real_connect = socket.socket.connect


def _loopback_only(self: socket.socket, address: object) -> None:
    """Tests talk to this machine alone: anything else is a bug in the code under test."""
    if self.family in (socket.AF_INET, socket.AF_INET6) and isinstance(address, tuple):
        host = str(address[0])
        if not (host.startswith("127.") or host in {"localhost", "::1"}):
            raise AssertionError(f"a test tried to reach {host}")
    _real_connect(self, address)


@pytest.fixture(autouse=True)
def _logs_as_in_production() -> None:
    """Lines go through the processors of a real process: its redaction, and tracebacks without values."""
    structlog.configure(
        processors=observability.processors(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(),
        cache_logger_on_first_use=False,
    )


@pytest.fixture(scope="session", autouse=True)
def _only_loopback() -> Iterator[None]:
    socket.socket.connect = _loopback_only  # type: ignore[method-assign, assignment]
    yield
    socket.socket.connect = _real_connect  # type: ignore[method-assign]


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL server for the whole run; no fsync, because nothing here outlives it."""
    options = {"fsync": "off", "synchronous_commit": "off", "max_connections": "300"}
    with EmbeddedPostgres(tmp_path_factory.mktemp("pg"), options=options) as server:
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


@pytest.fixture
def app(shared_app: Harness) -> Iterator[Harness]:
    """The shared application; its clock is put back after each test."""
    yield shared_app
    shared_app.clock.reset()


_LONGEST = {"test_two_tenants.py", "test_fuzz.py", "test_refresh_races.py", "test_properties.py"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first: otherwise one process is left alone with one of them at the end."""
    items.sort(key=lambda item: item.path.name not in _LONGEST)
