"""The pool and its time-outs, on a real PostgreSQL behind a proxy that misbehaves."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit, urlunsplit

import asyncpg
import pytest
from faults.proxy import FaultProxy, Mode
from harness import Servers

from identry.core.db import Database, Duplicate, Unavailable
from identry_kit import context


@pytest.fixture
async def db(servers: Servers) -> AsyncIterator[Database]:
    database = await Database.connect(servers.postgres_url, max_size=3)
    yield database
    await database.close()


@pytest.fixture
async def proxy(servers: Servers) -> AsyncIterator[FaultProxy]:
    [folder] = parse_qs(urlsplit(servers.postgres_url).query)["host"]
    async with FaultProxy(f"{folder}/.s.PGSQL.5432", 0) as proxy:
        yield proxy


@pytest.fixture
async def far(servers: Servers, proxy: FaultProxy) -> AsyncIterator[Database]:
    """A database behind the proxy, with little patience."""
    parts = urlsplit(servers.postgres_url)
    url = urlunsplit(parts._replace(netloc=f"{parts.username}@127.0.0.1:{proxy.port}", query=""))
    database = await Database.connect(url, max_size=3, patience=1.0)
    yield database
    await database.close()


async def pid(db: Database) -> int:
    backend: int = await db.fetchval("SELECT pg_backend_pid()")
    return backend


async def open_settled(db: Database, expected: int) -> None:
    async with asyncio.timeout(5):
        while db.size != (expected, expected):
            await asyncio.sleep(0.01)


async def test_the_connection_used_last_is_used_next(db: Database) -> None:
    await open_settled(db, 2)
    assert len({await pid(db) for _ in range(10)}) == 1


async def test_a_crowd_is_served_in_the_order_of_arrival_by_no_more_than_max_size(db: Database) -> None:
    served: list[int] = []

    async def one(number: int) -> int:
        backend: int = await db.fetchval("SELECT pg_backend_pid() FROM pg_sleep(0.01)")
        served.append(number)
        return backend

    backends = await asyncio.gather(*(one(i) for i in range(60)))
    assert len(set(backends)) == 3
    assert db.size == (3, 3)
    assert all(abs(place - number) <= 3 for place, number in enumerate(served))
    assert db.stats.waits >= 57
    assert db.stats.timeouts == 0


async def test_who_waits_too_long_is_refused_and_the_next_is_served(db: Database) -> None:
    async with db.connection(), db.connection():
        async with db.connection():
            with pytest.raises(Unavailable):
                await db.fetchval("SELECT 1")
        assert db.stats.timeouts == 1
        assert await db.fetchval("SELECT 1") == 1


async def test_waits_of_one_request_share_one_budget(db: Database) -> None:
    loop = asyncio.get_running_loop()
    with context.use():
        async with db.connection(), db.connection():
            async with db.connection():
                started = loop.time()
                with pytest.raises(Unavailable):
                    await db.fetchval("SELECT 1")
                with pytest.raises(Unavailable):
                    await db.fetchval("SELECT 1")
                assert loop.time() - started < 3.0, "not two patiences"
            assert await db.fetchval("SELECT 1") == 1, "an idle connection is no wait"


async def test_a_cancelled_waiter_takes_no_connection_with_it(db: Database) -> None:
    async with db.connection(), db.connection(), db.connection():
        waiting = [asyncio.create_task(db.fetchval("SELECT 1")) for _ in range(5)]
        await asyncio.sleep(0.01)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    assert await asyncio.gather(*(db.fetchval("SELECT 1") for _ in range(10))) == [1] * 10
    assert db.size == (3, 3)


async def test_a_cancelled_statement_gives_its_place_back(db: Database) -> None:
    tasks = [asyncio.create_task(db.fetchval("SELECT pg_sleep(30)")) for _ in range(3)]
    await asyncio.sleep(0.1)
    for task in tasks:
        task.cancel()
    assert await asyncio.gather(*(db.fetchval("SELECT 1") for _ in range(10))) == [1] * 10
    running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(30)%' AND pid <> pg_backend_pid()"
    assert await db.fetchval(running + " AND state = 'active'") == 0, "the server was told to stop"


async def test_a_refused_statement_keeps_its_connection(db: Database) -> None:
    backend = await pid(db)
    with pytest.raises(asyncpg.UndefinedTableError):
        await db.execute("SELECT * FROM nowhere")
    with pytest.raises(asyncpg.DataError):
        await db.execute("SELECT $1::int", "not a number")
    assert await pid(db) == backend


async def test_a_transaction_commits_rolls_back_and_survives_a_refusal(db: Database) -> None:
    await db.execute("CREATE TABLE IF NOT EXISTS scratch (id int PRIMARY KEY)")
    try:
        async with db.transaction() as tx:
            await tx.execute("INSERT INTO scratch VALUES (1)")
        with pytest.raises(LookupError):  # noqa: PT012 - the block is what is tested
            async with db.transaction() as tx:
                await tx.execute("INSERT INTO scratch VALUES (2)")
                raise LookupError
        with pytest.raises(Duplicate):  # noqa: PT012 - the block is what is tested
            async with db.transaction() as tx:
                await tx.execute("INSERT INTO scratch VALUES (3)")
                await tx.execute("INSERT INTO scratch VALUES (1)")
        task = asyncio.create_task(_insert_and_sleep(db))
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert [row["id"] for row in await db.fetch("SELECT id FROM scratch")] == [1]
        assert db.size[0] <= 3
    finally:
        await db.execute("DROP TABLE scratch")


async def _insert_and_sleep(db: Database) -> None:
    async with db.transaction() as tx:
        await tx.execute("INSERT INTO scratch VALUES (4)")
        await asyncio.sleep(30)


async def test_an_ignored_failure_inside_a_transaction_is_no_silent_rollback(db: Database) -> None:
    with pytest.raises(RuntimeError):  # noqa: PT012 - the block is what is tested
        async with db.transaction() as tx:
            with contextlib.suppress(asyncpg.DivisionByZeroError):
                await tx.execute("SELECT 1/0")
    assert await db.fetchval("SELECT 1") == 1


async def test_terminated_connections_are_replaced(db: Database, servers: Servers) -> None:
    await asyncio.gather(*(db.fetchval("SELECT pg_sleep(0.01)") for _ in range(6)))
    other = await Database.connect(servers.postgres_url, max_size=1)
    pids = [row["pid"] for row in await db.fetch("SELECT pid FROM pg_stat_activity WHERE application_name = 'identry'")]
    async with db.connection() as one, db.connection() as two, db.connection() as three:
        mine = [await lease.fetchval("SELECT pg_backend_pid()") for lease in (one, two, three)]
    assert set(mine) <= set(pids)
    for backend in mine:
        await other.execute("SELECT pg_terminate_backend($1)", backend)
    await asyncio.sleep(0.1)
    answers = await asyncio.gather(*(db.fetchval("SELECT 1 FROM pg_sleep(0.2)") for _ in range(9)))
    assert answers == [1] * 9
    assert db.size == (3, 3)
    await other.close()


@pytest.mark.parametrize("mode", [Mode.BLACK_HOLE, Mode.HANG])
async def test_a_hung_database_is_refused_in_time_and_used_again_afterwards(
    far: Database, proxy: FaultProxy, mode: Mode
) -> None:
    loop = asyncio.get_running_loop()
    assert await far.fetchval("SELECT 1") == 1
    proxy.set(mode)
    started = loop.time()
    replies = await asyncio.gather(*(far.fetchval("SELECT 1") for _ in range(40)), return_exceptions=True)
    took = loop.time() - started
    assert {type(reply) for reply in replies} == {Unavailable}
    assert took < 2.0
    proxy.set(Mode.PASS)
    async with asyncio.timeout(5):
        while True:
            try:
                assert await far.fetchval("SELECT 1") == 1
                break
            except Unavailable:
                continue


async def test_an_unreachable_database_refuses_everybody_at_once(far: Database, proxy: FaultProxy) -> None:
    loop = asyncio.get_running_loop()
    proxy.set(Mode.CUT)
    await proxy.stop()
    await asyncio.sleep(0.05)
    started = loop.time()
    replies = await asyncio.gather(*(far.fetchval("SELECT 1") for _ in range(100)), return_exceptions=True)
    assert {type(reply) for reply in replies} == {Unavailable}
    assert loop.time() - started < 0.9, "nobody waited for his patience to end"
    port = proxy.port
    proxy.mode = Mode.PASS
    proxy._server = await asyncio.start_server(proxy._accept, "127.0.0.1", port)
    assert await far.fetchval("SELECT 1") == 1


async def test_a_slow_database_ends_what_it_has_begun(far: Database, proxy: FaultProxy) -> None:
    proxy.set(Mode.DELAY, delay=0.08)
    with context.use():
        async with far.transaction() as tx:
            for number in range(8):  # 0.16 s each: more than its patience in all, but every statement makes progress
                assert await tx.fetchval("SELECT $1::int", number) == number


async def test_too_many_waiters_are_refused_at_once(servers: Servers) -> None:
    db = await Database.connect(servers.postgres_url, min_size=1, max_size=1)
    async with db.connection():
        waiting = [asyncio.create_task(db.fetchval("SELECT 1")) for _ in range(64)]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable, match="PoolCrowded"):
            await db.fetchval("SELECT 1")
    assert await asyncio.gather(*waiting) == [1] * 64
    await db.close()


async def test_closing_refuses_who_waits_and_lets_the_others_end(servers: Servers) -> None:
    db = await Database.connect(servers.postgres_url, min_size=1, max_size=1)
    running = asyncio.create_task(db.fetchval("SELECT 7 FROM pg_sleep(0.2)"))
    await asyncio.sleep(0.05)
    waiting = asyncio.create_task(db.fetchval("SELECT 1"))
    await asyncio.sleep(0.05)
    await db.close()
    assert await running == 7
    with pytest.raises(Unavailable):
        await waiting
    with pytest.raises(Unavailable):
        await db.fetchval("SELECT 1")
    assert db.size == (0, 0)
    await db.open()
    assert await db.fetchval("SELECT 1") == 1
    await db.close()
