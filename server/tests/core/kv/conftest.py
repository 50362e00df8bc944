from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from faults.proxy import FaultProxy
from services.clocks import StillClock
from services.redis import RedisServer, executables

from identry.core.clock import MovableClock
from identry.core.kv import KV, MemoryKV
from identry.core.kv.redis import RedisKV

ENGINES = ["memory", *executables()]


@pytest.fixture(scope="session")
def redis_servers() -> Iterator[dict[str, RedisServer]]:
    """One running server per executable found, shared by the tests that do not hurt it."""
    running = {name: RedisServer(path).start() for name, path in executables().items()}
    yield running
    for server in running.values():
        server.stop()


@pytest.fixture
def fragile_redis() -> Iterator[RedisServer]:
    """A server of the test's own, to hurt."""
    server = RedisServer().start()
    yield server
    server.stop()


@pytest.fixture
async def proxy(fragile_redis: RedisServer) -> AsyncIterator[FaultProxy]:
    async with FaultProxy("127.0.0.1", fragile_redis.port) as proxy:
        yield proxy


@pytest.fixture
def clock() -> MovableClock:
    return StillClock()


@pytest.fixture(params=ENGINES)
async def kv(request: pytest.FixtureRequest, clock: MovableClock) -> AsyncIterator[KV]:
    """Each engine in turn, empty, on a clock that the test may move."""
    engine: KV
    if request.param == "memory":
        engine = MemoryKV(clock)
    else:
        server = request.getfixturevalue("redis_servers")[request.param]
        server.flush()
        engine = RedisKV(server.url, clock=clock, timeout=20)  # time-outs are tested elsewhere
    yield engine
    await engine.close()
