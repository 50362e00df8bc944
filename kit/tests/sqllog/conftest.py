"""Engines with a clock that tests move, and the lines that were written."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from identry_kit.sqllog import SQLLog

STANDARD = set(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}


class Lines(logging.Handler):
    """What was logged: (level, message, fields)."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    @property
    def messages(self) -> list[tuple[str, str]]:
        return [(record.levelname, record.getMessage()) for record in self.records]

    def fields(self, index: int = -1) -> dict[str, Any]:
        return {name: value for name, value in vars(self.records[index]).items() if name not in STANDARD}

    @property
    def everything(self) -> str:
        return repr([vars(record) for record in self.records])


@pytest.fixture
def lines() -> Iterator[Lines]:
    lines = Lines()
    logger = logging.getLogger("test.sql")
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    logger.addHandler(lines)
    yield lines
    logger.removeHandler(lines)


@pytest.fixture
def make_log(clock: Any, lines: Lines) -> Callable[..., SQLLog]:
    """`make_log(level=…)`: a SQLLog on the movable clock, writing into `lines`; slow is over a quarter of a second."""

    def make(**options: Any) -> SQLLog:
        clock.now = 1000.0  # a quarter is exact here
        defaults = {"slow_threshold": 0.25, "clock": clock, "logger": logging.getLogger("test.sql")}
        return SQLLog(**(defaults | options))

    return make


@pytest.fixture
def sqlite(clock: Any) -> Iterator[Engine]:
    """SQLite in which `SELECT take(0.5)` takes half a second by the movable clock."""
    engine = create_engine("sqlite://")

    @event.listens_for(engine, "connect")
    def teach(connection: Any, record: Any) -> None:
        connection.create_function("take", 1, lambda seconds: clock.advance(seconds) or seconds)

    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE people (id INTEGER PRIMARY KEY, email TEXT UNIQUE)"))
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
async def pg_engine(postgres_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(postgres_url)
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE people (id int PRIMARY KEY, email text UNIQUE)"))
    yield engine
    await engine.dispose()


@pytest.fixture
def watched(pg_engine: AsyncEngine, make_log: Callable[..., SQLLog]) -> Iterator[Callable[..., SQLLog]]:
    """`watched(level=…)`: a SQLLog on PostgreSQL until the test ends."""
    logs: list[SQLLog] = []

    def make(**options: Any) -> SQLLog:
        log = make_log(**options)
        log.attach(pg_engine)
        logs.append(log)
        return log

    yield make
    for log in logs:
        log.detach(pg_engine)
