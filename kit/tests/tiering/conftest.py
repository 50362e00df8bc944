"""Policies for the tests, and where they are kept: in memory, in SQLite, in a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import MetaData, event, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from identry_kit.tiering import (
    FeaturePolicy,
    MemoryPolicies,
    PolicyRepository,
    marshal_access,
    marshal_limit,
)
from identry_kit.tiering.sqlalchemy import SQLAlchemyPolicies, policy_table

NARRATION = FeaturePolicy(
    "ai_narration", "ai", "AI Narration", "access", marshal_access(False), marshal_access(True), marshal_access(True)
)
EXPORTS = FeaturePolicy(
    "export_limit",
    "exports",
    "Monthly Exports",
    "numeric_limit",
    marshal_limit(5),
    marshal_limit(50),
    marshal_limit(-1),
)
DEFAULTS = (NARRATION, EXPORTS)


@pytest.fixture
def defaults() -> tuple[FeaturePolicy, ...]:
    return DEFAULTS


@pytest.fixture(scope="module")
async def engine(postgres_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(postgres_url)
    yield engine
    await engine.dispose()


@pytest.fixture
async def pg_policies(engine: AsyncEngine, clock: Any) -> AsyncIterator[SQLAlchemyPolicies]:
    """An empty table in PostgreSQL."""
    policies = SQLAlchemyPolicies(engine, policy_table(MetaData()), clock=clock)
    await policies.create()
    yield policies
    async with engine.begin() as connection:
        await connection.run_sync(policies.table.drop)


@pytest.fixture
async def sqlite_policies(tmp_path: Path, clock: Any) -> AsyncIterator[SQLAlchemyPolicies]:
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/policies.db")
    policies = SQLAlchemyPolicies(engine, clock=clock)
    await policies.create()
    yield policies
    await engine.dispose()


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def repository(request: pytest.FixtureRequest, clock: Any) -> PolicyRepository:
    """An empty repository of each kind."""
    if request.param == "memory":
        return MemoryPolicies(clock=clock)
    found: PolicyRepository = request.getfixturevalue("sqlite_policies" if request.param == "sqlite" else "pg_policies")
    return found


class Outage:
    """Policies in PostgreSQL by a way that can be cut: `cut` leaves a closed door, `hang` one where nobody answers."""

    def __init__(self, policies: SQLAlchemyPolicies, engine: AsyncEngine, door: Path, home: Path) -> None:
        self.policies = policies
        self.engine = engine
        self.statements: list[str] = []
        self._door = door
        self._home = home
        self._silent: asyncio.Server | None = None
        event.listen(engine.sync_engine, "before_cursor_execute", self._saw)
        event.listen(engine.sync_engine, "do_connect", self._tried)
        self.connects = 0

    def _saw(self, connection: Any, cursor: Any, sql: str, *rest: Any) -> None:
        self.statements.append(sql.split(maxsplit=1)[0])

    def _tried(self, *rest: Any) -> None:
        self.connects += 1

    @property
    def loads(self) -> int:
        """How many times a list was asked for, or a connection for it in vain."""
        return self.statements.count("SELECT") + self.connects - 1

    async def cut(self) -> None:
        await self.engine.dispose()
        with suppress(FileNotFoundError):
            self._door.unlink()

    async def hang(self) -> None:
        await self.cut()
        self._door.mkdir()

        async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        self._silent = await asyncio.start_unix_server(say_nothing, self._door / ".s.PGSQL.5432")

    async def mend(self) -> None:
        if self._silent is not None:
            self._silent.close()
            (self._door / ".s.PGSQL.5432").unlink(missing_ok=True)
            self._door.rmdir()
            self._silent = None
        if not self._door.exists():
            self._door.symlink_to(self._home)


@pytest.fixture
async def outage(
    postgres_url: str, pg_policies: SQLAlchemyPolicies, tmp_path: Path, defaults: Iterable[FeaturePolicy]
) -> AsyncIterator[Outage]:
    await pg_policies.seed_defaults(defaults)
    home = Path(postgres_url.partition("host=")[2])
    door = tmp_path / "db"
    door.symlink_to(home)
    engine = create_async_engine(make_url(postgres_url).set(query={"host": str(door)}))
    outage = Outage(SQLAlchemyPolicies(engine, pg_policies.table), engine, door, home)
    yield outage
    await outage.mend()
    await engine.dispose()
