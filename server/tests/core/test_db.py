"""The pool and its time-outs, on a real PostgreSQL behind a proxy that misbehaves."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit, urlunsplit

import asyncpg
import pytest
import uvloop
from faults.proxy import FaultProxy, Mode
from harness import Servers
from services.pauses import Pauses
from services.stalls import stand_still

from identry.core import turns
from identry.core.db import Database, Duplicate, Unavailable
from identry_kit import context


@pytest.fixture
async def db(servers: Servers) -> AsyncIterator[Database]:
    """A database that is waited for however slow the machine is."""
    database = await Database.connect(servers.postgres_url, max_size=3, patience=30)
    yield database
    await database.close()


@pytest.fixture
async def hasty(servers: Servers) -> AsyncIterator[Database]:
    """A database with little patience, all its connections open."""
    database = await Database.connect(servers.postgres_url, min_size=3, max_size=3, patience=1.0)
    await open_settled(database, 3)
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
    async with asyncio.timeout(30):
        while db.size != (expected, expected):
            await asyncio.sleep(0.01)


async def test_the_connection_used_last_is_used_next(db: Database) -> None:
    await open_settled(db, 2)
    assert len({await pid(db) for _ in range(10)}) == 1


async def test_a_crowd_is_served_in_the_order_of_arrival_by_no_more_than_max_size(db: Database) -> None:
    served: list[int] = []

    async def one(number: int) -> int:
        async with db.connection() as lease:
            served.append(number)
            backend: int = await lease.fetchval("SELECT pg_backend_pid() FROM pg_sleep(0.01)")
            return backend

    backends = await asyncio.gather(*(one(i) for i in range(60)))
    assert len(set(backends)) == 3
    assert db.size == (3, 3)
    assert served == list(range(60))
    assert db.stats.waits >= 57
    assert db.stats.timeouts == 0


async def test_who_waits_too_long_is_refused_and_the_next_is_served(hasty: Database) -> None:
    async with hasty.connection(), hasty.connection():
        async with hasty.connection():
            with pytest.raises(Unavailable):
                await hasty.fetchval("SELECT 1")
        assert hasty.stats.timeouts == 1
        assert hasty.size == (3, 1)


async def test_waits_of_one_request_share_one_budget(hasty: Database) -> None:
    with context.use(), Pauses() as pauses:
        async with hasty.connection(), hasty.connection():
            async with hasty.connection():
                started = time.monotonic()
                with pytest.raises(Unavailable):
                    await hasty.fetchval("SELECT 1")
                with pytest.raises(Unavailable):
                    await hasty.fetchval("SELECT 1")
                assert time.monotonic() - started < 1.9 + pauses.seconds, "not two patiences"
            assert hasty.size == (3, 1)
            try:
                assert await hasty.fetchval("SELECT 1") == 1, "an idle connection is no wait"
            except Unavailable:
                assert pauses.longest > 0.4, "half a second is left to who has his connection"


async def test_a_cancelled_waiter_takes_no_connection_with_it(db: Database) -> None:
    async with db.connection(), db.connection(), db.connection():
        waiting = [asyncio.create_task(db.fetchval("SELECT 1")) for _ in range(5)]
        await asyncio.sleep(0.01)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    assert await asyncio.gather(*(db.fetchval("SELECT 1") for _ in range(10))) == [1] * 10
    assert db.size == (3, 3)


async def test_a_cancelled_statement_gives_its_place_back(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("identry.core.pool._FAREWELL", 20.0)
    tasks = [asyncio.create_task(db.fetchval("SELECT pg_sleep(28)")) for _ in range(3)]
    await asyncio.sleep(0.1)
    for task in tasks:
        task.cancel()
    assert await asyncio.gather(*(db.fetchval("SELECT 1") for _ in range(10))) == [1] * 10
    running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(28)%' AND pid <> pg_backend_pid()"
    async with asyncio.timeout(20):  # it was told to: by itself it would go on for half a minute
        while await db.fetchval(running + " AND state = 'active'"):
            await asyncio.sleep(0.02)


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
    async with asyncio.timeout(30):
        while not all(connection.is_closed() for connection in db._pool._idle):
            await asyncio.sleep(0.01)
    answers = await asyncio.gather(*(db.fetchval("SELECT 1 FROM pg_sleep(0.2)") for _ in range(9)))
    assert answers == [1] * 9
    assert db.size == (3, 3)
    await other.close()


async def answered(db: Database) -> None:
    """Ask until there is an answer."""
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(Unavailable):
                assert await db.fetchval("SELECT 1") == 1
                return


@pytest.mark.parametrize("mode", [Mode.BLACK_HOLE, Mode.HANG])
async def test_a_hung_database_is_refused_in_time_and_used_again_afterwards(
    far: Database, proxy: FaultProxy, mode: Mode
) -> None:
    await answered(far)
    proxy.set(mode)
    with Pauses() as pauses:
        started = time.monotonic()
        replies = await asyncio.gather(*(far.fetchval("SELECT 1") for _ in range(40)), return_exceptions=True)
        assert time.monotonic() - started < 2.0 + pauses.seconds
    assert {type(reply) for reply in replies} == {Unavailable}
    proxy.set(Mode.PASS)
    await answered(far)


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
async def test_a_loop_that_stood_still_is_not_taken_for_a_hung_database(servers: Servers, loop: Any) -> None:
    async def stall() -> int:
        db = await Database.connect(servers.postgres_url, min_size=1, max_size=1, patience=0.5)
        async with db.connection() as lease:
            slow = "SELECT 7 FROM pg_sleep(0.1)"
            await lease.fetchval(slow)  # prepared now: what follows is one round trip
            line = lease._connection._transport.get_extra_info("socket").fileno()
            asked = asyncio.create_task(lease.fetchval(slow))
            await stand_still(0.6, line)
            answer: int = await asked
        await db.close()
        return answer

    def elsewhere() -> int:
        with asyncio.Runner(loop_factory=loop) as runner:
            return runner.run(stall())

    assert await asyncio.to_thread(elsewhere) == 7


async def test_a_request_does_not_pay_for_a_loop_that_stood_still(servers: Servers) -> None:
    def elsewhere() -> None:
        with asyncio.Runner() as runner:
            runner.run(wait_after_a_stall(servers))

    await asyncio.to_thread(elsewhere)


async def wait_after_a_stall(servers: Servers) -> None:
    """A minute is lost while a request has its connection; then it waits for the next one, within half of that."""
    loop, lost = asyncio.get_running_loop(), 0
    before = loop.time
    loop.time = lambda: before() + lost  # type: ignore[method-assign] - as if the machine had slept
    db = await Database.connect(servers.postgres_url, min_size=1, max_size=1, patience=30)
    with context.use():
        async with db.connection() as mine:
            await mine.fetchval("SELECT 1")
            lost = 60
            while not db._pool.stalls.seconds:
                await asyncio.sleep(0)
        async with db.connection():
            waiting = asyncio.create_task(db.fetchval("SELECT 7"))
            await asyncio.sleep(0.1)
        assert await waiting == 7
    await db.close()


async def test_an_unreachable_database_refuses_everybody_at_once(far: Database, proxy: FaultProxy) -> None:
    proxy.set(Mode.CUT)
    await proxy.stop()
    await asyncio.sleep(0.05)
    with Pauses() as pauses:
        started = time.monotonic()
        replies = await asyncio.gather(*(far.fetchval("SELECT 1") for _ in range(100)), return_exceptions=True)
        assert time.monotonic() - started < 0.9 + pauses.seconds, "nobody waited for his patience to end"
    assert {type(reply) for reply in replies} == {Unavailable}
    port = proxy.port
    proxy.mode = Mode.PASS
    proxy._server = await asyncio.start_server(proxy._accept, "127.0.0.1", port)
    await answered(far)


async def test_a_slow_database_ends_what_it_has_begun(
    far: Database, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert turns._AT_LEAST == 0.5
    monkeypatch.setattr(turns, "_AT_LEAST", 30.0)  # half a second is little on a machine that stands still
    await answered(far)
    proxy.set(Mode.DELAY, delay=0.08)
    with context.use():
        async with far.transaction() as tx:
            for number in range(8):  # 0.16 s each: more than its patience in all, but every statement makes progress
                assert await tx.fetchval("SELECT $1::int", number) == number


async def test_too_many_waiters_are_refused_at_once(servers: Servers) -> None:
    db = await Database.connect(servers.postgres_url, min_size=1, max_size=1, patience=30)
    async with db.connection():
        waiting = [asyncio.create_task(db.fetchval("SELECT 1")) for _ in range(64)]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable, match="PoolCrowded"):
            await db.fetchval("SELECT 1")
    assert await asyncio.gather(*waiting) == [1] * 64
    await db.close()


async def test_closing_refuses_who_waits_and_lets_the_others_end(db: Database, servers: Servers) -> None:
    one = await Database.connect(servers.postgres_url, min_size=1, max_size=1, patience=30)
    async with db.connection() as holder:
        await holder.execute("SELECT pg_advisory_lock(20261122)")
        running = asyncio.create_task(one.fetchval("SELECT 7 FROM pg_advisory_lock(20261122)"))
        waiting = asyncio.create_task(one.fetchval("SELECT 1"))
        await asyncio.sleep(0.05)
        closing = asyncio.create_task(one._pool.close(patience=30))
        with pytest.raises(Unavailable):
            await waiting
        assert not running.done()
        await holder.execute("SELECT pg_advisory_unlock(20261122)")
    assert await running == 7
    await closing
    with pytest.raises(Unavailable):
        await one.fetchval("SELECT 1")
    assert one.size == (0, 0)
    await one.open()
    assert await one.fetchval("SELECT 1") == 1
    await one.close()
