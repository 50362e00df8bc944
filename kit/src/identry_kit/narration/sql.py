"""SQLNarrations: narrations in a table, for restarts and for the other processes. Needs the extra `sqlalchemy`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

from identry_kit.narration.output import Narration

try:
    from sqlalchemy import BigInteger, Column, Index, MetaData, Table, Text, delete, func, select
    from sqlalchemy.dialects import postgresql, sqlite
    from sqlalchemy.ext.asyncio import AsyncEngine
except ImportError as error:
    raise ImportError("identry_kit.narration.sql needs an extra: pip install 'identry-kit[sqlalchemy]'") from error

__all__ = ["DEFAULT_TTL", "SQLNarrations", "narration_table"]

DEFAULT_TTL = 86_400.0
"""Seconds: a day."""
_INSERT: dict[str, Any] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}


def _wall_clock() -> float:
    return time.time()  # noqa: TID251 - rows outlive the process, so no other clock will do; tests pass their own


def narration_table(metadata: MetaData, name: str = "narration_cache") -> Table:
    """The table, in `metadata`: hand in your own, and your migrations see it.

    `body` is `Narration.to_json()`, `expires_at` milliseconds since the epoch (a number is the same in both databases).
    """
    return Table(
        name,
        metadata,
        Column("tenant", Text, primary_key=True),
        Column("key", Text, primary_key=True),
        Column("body", Text, nullable=False),
        Column("expires_at", BigInteger, nullable=False),
        Index(f"{name}_expires_at", "expires_at"),
    )


class SQLNarrations:
    """A `NarrationCacher` in PostgreSQL or SQLite, through an async engine of SQLAlchemy 2.

    Put it below a `NarrationCache`: that one spares it nearly every look-up, makes a narration once for all callers of
    a process, and goes on without it when it fails. Alone it raises what SQLAlchemy raises. Two processes that make
    the same narration at the same moment both write it; the later stays.

    Rows whose time is over are not handed out; `sweep` deletes them, so call it now and then, or the table grows.
    A ttl of 0 or less means a day. Raises ValueError for another database.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        table: Table | None = None,
        ttl: float = DEFAULT_TTL,
        clock: Callable[[], float] = _wall_clock,
    ) -> None:
        insert = _INSERT.get(engine.dialect.name)
        if insert is None:
            raise ValueError(f"SQLNarrations is for PostgreSQL and SQLite, not {engine.dialect.name}")
        self._engine = engine
        self._table = narration_table(MetaData()) if table is None else table
        self._ttl = ttl if ttl > 0 else DEFAULT_TTL
        self._clock = clock
        statement = insert(self._table)
        new = {name: statement.excluded[name] for name in ("body", "expires_at")}
        self._upsert = statement.on_conflict_do_update(index_elements=["tenant", "key"], set_=new)

    async def create_table(self) -> None:
        """Create the table if it is missing: for tests and small services; a larger one has migrations."""
        async with self._engine.begin() as connection:
            await connection.run_sync(self._table.metadata.create_all, tables=[self._table], checkfirst=True)

    async def get(self, tenant: UUID | str, key: str) -> Narration | None:
        """See `NarrationCacher.get`. A row that cannot be read is no row."""
        rows = self._table.c
        query = select(rows.body).where(
            rows.tenant == str(tenant), rows.key == key, rows.expires_at >= int(self._clock() * 1000)
        )
        async with self._engine.connect() as connection:
            body = (await connection.execute(query)).scalar_one_or_none()
        try:
            return None if body is None else Narration.from_json(body)
        except ValueError:
            return None

    async def put(self, tenant: UUID | str, key: str, output: Narration) -> None:
        """See `NarrationCacher.put`."""
        expires_at = int((self._clock() + self._ttl) * 1000)
        row = {"tenant": str(tenant), "key": key, "body": output.to_json(), "expires_at": expires_at}
        async with self._engine.begin() as connection:
            await connection.execute(self._upsert, row)

    async def flush(self, tenant: UUID | str | None = None) -> None:
        """See `NarrationCacher.flush`."""
        gone = delete(self._table)
        if tenant is not None:
            gone = gone.where(self._table.c.tenant == str(tenant))
        async with self._engine.begin() as connection:
            await connection.execute(gone)

    async def size(self) -> int:
        """How many rows there are."""
        async with self._engine.connect() as connection:
            count = (await connection.execute(select(func.count()).select_from(self._table))).scalar_one()
        return int(count)

    async def sweep(self) -> int:
        """Delete the rows whose time is over; returns how many."""
        over = delete(self._table).where(self._table.c.expires_at < int(self._clock() * 1000))
        async with self._engine.begin() as connection:
            return (await connection.execute(over)).rowcount
