"""The same on PostgreSQL: SQLAlchemy's async engine and sessions, and asyncpg itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncpg
import pytest
from opentelemetry.semconv.attributes import code_attributes, db_attributes, error_attributes, server_attributes
from sqlalchemy import make_url, text
from sqlalchemy.exc import IntegrityError, NoResultFound
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from identry.core.embedded import EmbeddedPostgres
from identry_kit import context
from identry_kit.sqllog import SQLLog

Make = Callable[..., SQLLog]
SECRET = "canary-4711@example.com"


class Base(DeclarativeBase):
    pass


class Person(Base):
    __tablename__ = "people"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str]


class Steps:
    """A clock that goes on by half a second whenever it is read."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 0.5
        return self.now


async def test_a_slow_statement_names_the_line_that_awaited_it(
    watched: Make, pg_engine: AsyncEngine, lines: Any
) -> None:
    watched(clock=Steps())
    async with pg_engine.connect() as connection:
        rows = (await connection.execute(text("SELECT generate_series(1, 3)"))).all()
    assert len(rows) == 3
    assert lines.messages == [("WARNING", "slow sql query")]
    fields = lines.fields()
    assert fields["caller"].startswith(f"{__file__}:")
    assert (fields["elapsed_ms"], fields["rows"], fields["sql"]) == (500.0, 3, "SELECT generate_series(1, 3)")


async def test_sessions_and_run_sync_name_it_too(watched: Make, pg_engine: AsyncEngine, lines: Any) -> None:
    watched(level="info")

    def inside(session: Session) -> None:
        assert session.get(Person, -1) is None

    async def in_a_task(session: AsyncSession) -> None:
        await session.scalar(text("SELECT 1"))

    first = test_sessions_and_run_sync_name_it_too.__code__.co_firstlineno
    async with AsyncSession(pg_engine) as session:
        await session.get(Person, -1)
        await session.run_sync(inside)
        await asyncio.create_task(session.scalar(text("SELECT 1")))
        await asyncio.wait_for(in_a_task(session), 60)
    callers = [lines.fields(index)["caller"] for index in range(4)]
    lines_of_this = [f"{__file__}:{first + offset}" for offset in (11, 4, 7)]
    assert callers == [*lines_of_this[:2], "", lines_of_this[2]], (
        "a task that runs SQLAlchemy's coroutine has no caller"
    )


async def test_not_found_in_a_session(watched: Make, pg_engine: AsyncEngine, lines: Any) -> None:
    log = watched(level="info")
    async with AsyncSession(pg_engine) as session:
        with pytest.raises(NoResultFound), log.watch():
            await session.get_one(Person, -1)
    assert lines.messages == [("DEBUG", "sql not found")]
    assert lines.fields()["caller"].startswith(f"{__file__}:")
    assert "FROM people" in lines.fields()["sql"]
    assert lines.fields()["rows"] == 0


async def test_blocks_of_two_tasks_do_not_mix(watched: Make, pg_engine: AsyncEngine, lines: Any) -> None:
    log = watched(level="info")
    ready = asyncio.Barrier(2)

    async def look(sql: str) -> None:
        with log.watch():
            async with pg_engine.connect() as connection:
                result = await connection.execute(text(sql))
                await ready.wait()
                result.one()

    await asyncio.gather(look("SELECT 1 WHERE false"), look("SELECT 2"), return_exceptions=True)
    told = {message: lines.fields(index)["sql"] for index, (_, message) in enumerate(lines.messages)}
    assert told == {"sql not found": "SELECT 1 WHERE false", "sql query": "SELECT 2"}


async def break_unique(engine: AsyncEngine) -> None:
    insert = text("INSERT INTO people (id, email) VALUES (:id, :email)")
    async with engine.connect() as connection:
        await connection.execute(insert, {"id": 1, "email": SECRET})
        with pytest.raises(IntegrityError):
            await connection.execute(insert, {"id": 2, "email": SECRET})


async def test_an_error_has_its_sqlstate_and_not_the_value_that_postgresql_quotes(
    watched: Make, pg_engine: AsyncEngine, lines: Any
) -> None:
    watched()
    await break_unique(pg_engine)
    assert lines.messages == [("ERROR", "sql error")]
    fields = lines.fields()
    assert (fields["error"], fields["sqlstate"], fields["rows"]) == ("UniqueViolationError", "23505", -1)
    assert SECRET not in lines.everything
    watched(parameters=True)
    await break_unique(pg_engine)
    assert "people_email_key" in lines.fields()["error_text"]
    assert lines.fields()["parameters"] == {"0": "2", "1": repr(SECRET)}


async def test_a_cancelled_statement_is_slow_and_no_error(
    watched: Make, pg_engine: AsyncEngine, postgres: EmbeddedPostgres, lines: Any
) -> None:
    watched(clock=Steps())

    async def wait() -> None:
        async with pg_engine.connect() as connection:
            await connection.execute(text("SELECT pg_sleep(600) AS nap"))

    task = asyncio.create_task(wait())
    seen = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'"
    other = await asyncpg.connect(postgres.url)
    while not await other.fetchval(seen):
        await asyncio.sleep(0.01)
    await other.close()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert lines.messages == [("WARNING", "slow sql query")]
    assert lines.fields()["error"] == "CancelledError"


async def test_a_connection_that_died_in_the_pool_is_no_error(
    make_log: Make, postgres_url: str, postgres: EmbeddedPostgres, lines: Any
) -> None:
    engine = create_async_engine(postgres_url, pool_pre_ping=True)
    make_log().attach(engine)
    async with engine.connect() as connection:
        pid = await connection.scalar(text("SELECT pg_backend_pid()"))
    other = await asyncpg.connect(postgres.url)
    await other.execute("SELECT pg_terminate_backend($1, 5000)", pid)
    await other.close()
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT pg_backend_pid()")) != pid
    assert lines.messages == []
    await engine.dispose()


async def test_open_telemetrys_names(watched: Make, pg_engine: AsyncEngine, postgres_url: str, lines: Any) -> None:
    watched(clock=Steps(), names="otel", parameters=True)
    async with pg_engine.connect() as connection:
        await connection.execute(text("SELECT * FROM generate_series(1, 2) AS n WHERE n > :least"), {"least": 0})
    fields = lines.fields()
    assert fields.pop(code_attributes.CODE_LINE_NUMBER) > 0
    assert fields == {
        db_attributes.DB_SYSTEM_NAME: db_attributes.DbSystemNameValues.POSTGRESQL.value,
        db_attributes.DB_NAMESPACE: make_url(postgres_url).database,
        db_attributes.DB_QUERY_TEXT: "SELECT * FROM generate_series(1, 2) AS n WHERE n > $1",
        db_attributes.DB_OPERATION_NAME: "SELECT",
        server_attributes.SERVER_ADDRESS: postgres_url.partition("host=")[2],
        code_attributes.CODE_FILE_PATH: __file__,
        code_attributes.CODE_FUNCTION_NAME: "test_open_telemetrys_names",
        "db.response.returned_rows": 2,
        "db.query.parameter.0": "0",
        "elapsed_ms": 500.0,
        "rows": 2,
        "slow_threshold_ms": 250.0,
    }
    with pytest.raises(IntegrityError):
        async with pg_engine.begin() as connection:
            await connection.execute(text("INSERT INTO people (id, email) VALUES (1, 'a'), (1, 'b')"))
    fields = lines.fields()
    assert fields[error_attributes.ERROR_TYPE] == "UniqueViolationError"
    assert fields[db_attributes.DB_RESPONSE_STATUS_CODE] == "23505"
    assert fields[db_attributes.DB_OPERATION_NAME] == "INSERT"


@pytest.fixture
async def pool(postgres: EmbeddedPostgres, make_log: Make) -> AsyncIterator[Callable[..., Any]]:
    """`await pool(level=…)`: an asyncpg pool whose connections are watched."""
    pools: list[asyncpg.Pool] = []

    async def make(**options: Any) -> asyncpg.Pool:
        log = make_log(**options)
        made = await asyncpg.create_pool(postgres.url, min_size=1, max_size=1, init=log.attach_asyncpg)
        pools.append(made)
        return made

    yield make
    for made in pools:
        await made.close()


async def test_asyncpg_writes_the_same_lines(pool: Any, lines: Any) -> None:
    connections = await pool(level="info", slow_threshold=60)
    with context.use(request_id="r1"):
        await connections.fetch("SELECT $1::text", SECRET)
        await connections.execute("SELECT 1")  # the connection was released in between, and is still watched
        with pytest.raises(asyncpg.UndefinedTableError):
            await connections.fetch("SELECT * FROM nowhere WHERE email = $1", SECRET)
    await asyncio.sleep(0)
    told = [(level, message, lines.fields(index)["sql"]) for index, (level, message) in enumerate(lines.messages)]
    told = [line for line in told if "RESET ALL" not in line[2]]  # asyncpg's own, at each release
    assert ("DEBUG", "sql query", "SELECT $1::text") in told
    assert ("DEBUG", "sql query", "SELECT 1") in told
    assert told[-1] == ("ERROR", "sql error", "SELECT * FROM nowhere WHERE email = $1")
    fields = lines.fields(lines.messages.index(("ERROR", "sql error")))
    assert isinstance(fields.pop("elapsed_ms"), float)
    assert fields == {
        "rows": -1,
        "sql": "SELECT * FROM nowhere WHERE email = $1",
        "caller": "",
        "error": "UndefinedTableError",
        "sqlstate": "42P01",
        "request_id": "r1",
    }
    assert SECRET not in lines.everything


async def test_asyncpg_in_open_telemetrys_names(pool: Any, lines: Any, postgres: EmbeddedPostgres) -> None:
    connections = await pool(slow_threshold=1e-9, names="otel", parameters=True)
    await connections.fetch("SELECT $1::text", "shown")
    await asyncio.sleep(0)
    fields = next(f for f in map(lines.fields, range(len(lines.records))) if f["db.query.text"] == "SELECT $1::text")
    assert lines.messages[0] == ("WARNING", "slow sql query")
    assert fields["db.system.name"] == "postgresql"
    assert fields["db.namespace"] == "identry"
    assert fields["server.address"].startswith(postgres.url.partition("host=")[2])
    assert fields["db.query.parameter.0"] == "'shown'"


async def test_asyncpg_is_silent_about_what_is_well_and_after_detaching(
    postgres: EmbeddedPostgres, make_log: Make, lines: Any
) -> None:
    connection = await asyncpg.connect(postgres.url)
    quiet, loud = make_log(slow_threshold=60), make_log(slow_threshold=1e-9, logger=logging.getLogger("test.sql"))
    await quiet.attach_asyncpg(connection)
    await loud.attach_asyncpg(connection)
    loud.detach_asyncpg(connection)
    await connection.fetch("SELECT 1")
    await asyncio.sleep(0)
    assert lines.messages == []
    await connection.close()
