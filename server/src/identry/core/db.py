"""The seam to PostgreSQL: a pool, transactions, and one answer when the database cannot be reached.

Rules that this module keeps for the house (DESIGN §4.3-§4.5): a transaction is opened by a service and never
outlives it; the pool's connections carry no session state, so releasing one costs no round trip; a database that is
down, hung or read-only becomes `Unavailable` (503 + `Retry-After`) within two seconds (`core/turns.py`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Protocol, Self

import asyncpg

from identry.core.pool import Pool, PoolStats
from identry.core.turns import OUTAGES, Turn, Unavailable, outage
from identry.core.within import Within

__all__ = ["Database", "Duplicate", "Executor", "Lease", "Rejected", "Transaction", "Unavailable", "affected"]

_Connection = asyncpg.Connection
_Method = Callable[..., Awaitable[Any]]

Duplicate = asyncpg.UniqueViolationError
"""A row with this unique value exists; catch it outside the transaction that it ended."""

Rejected = asyncpg.PostgresError
"""PostgreSQL answered and said no (a right or a table is missing …): `str()` is its one line. Only for databases that
are not ours: in our own it is a bug."""


class Executor(Protocol):
    """What a record's function needs: the pool (one statement, one connection) or an open transaction."""

    async def fetch(self, sql: str, *args: object) -> list[Any]:
        """All rows."""

    async def fetchrow(self, sql: str, *args: object) -> Any | None:
        """The first row or None."""

    async def fetchval(self, sql: str, *args: object) -> Any:
        """The first column of the first row or None."""

    async def execute(self, sql: str, *args: object) -> str:
        """Run; returns the command tag, for example `UPDATE 1`."""

    async def executemany(self, sql: str, args: list[tuple[object, ...]]) -> None:
        """Run once per tuple, pipelined."""


class Database:
    """A pool of connections to one PostgreSQL; itself an `Executor` whose statements commit one by one.

    Args:
        url: `postgresql://…` (the password never appears in an error or a log).
        min_size, max_size: bounds of the pool.
        patience: seconds for all that one request asks, waiting for a connection included.
        read_only: ask the server to refuse writes (the Finance database).
        on_statement: told of every statement after it (tracing); `asyncpg.connection.LoggedQuery`.
    """

    def __init__(
        self,
        url: str,
        *,
        min_size: int = 2,
        max_size: int = 10,
        patience: float = 1.9,
        read_only: bool = False,
        on_statement: Callable[[Any], None] | None = None,
    ) -> None:
        self._url = url
        self._patience = patience
        self._settings = {"application_name": "identry"}
        if read_only:
            self._settings["default_transaction_read_only"] = "on"
        self._on_statement = on_statement
        self._pool = Pool(self._connect, min_size=min_size, max_size=max_size)

    @classmethod
    async def connect(cls, url: str, **options: Any) -> Database:
        """A database that is already open; options as in the constructor."""
        db = cls(url, **options)
        await db.open()
        return db

    async def open(self) -> None:
        """Open the pool and its first connection.

        Raises:
            Unavailable: no connection could be made.
        """
        try:
            await self._pool.open()
        except OUTAGES as error:
            raise Unavailable(type(error).__name__) from error

    async def close(self) -> None:
        """Close every connection; those still in use get two seconds."""
        await self._pool.close()

    @property
    def size(self) -> tuple[int, int]:
        """Connections (open, idle)."""
        return self._pool.size

    @property
    def stats(self) -> PoolStats:
        """Waits for a connection."""
        return self._pool.stats

    def connection(self, *, limit: float | None = None) -> Lease:
        """`async with`: one connection without a transaction; its statements commit one by one.

        Args:
            limit: seconds for each statement, where the usual ones do not suffice (a scan by the janitor).
        """
        return Lease(self._pool, self._patience, limit)

    def transaction(self) -> Transaction:
        """`async with`: one transaction (READ COMMITTED): commits when the block ends, rolls back when it raises."""
        return Transaction(self._pool, self._patience)

    async def fetch(self, sql: str, *args: object) -> list[Any]:
        """All rows."""
        rows: list[Any] = await self._run(_Connection.fetch, sql, args)
        return rows

    async def fetchrow(self, sql: str, *args: object) -> Any | None:
        """The first row or None."""
        return await self._run(_Connection.fetchrow, sql, args)

    async def fetchval(self, sql: str, *args: object) -> Any:
        """The first column of the first row or None."""
        return await self._run(_Connection.fetchval, sql, args)

    async def execute(self, sql: str, *args: object) -> str:
        """Run; returns the command tag."""
        tag: str = await self._run(_Connection.execute, sql, args)
        return tag

    async def executemany(self, sql: str, args: list[tuple[object, ...]]) -> None:
        """Run once per tuple, pipelined, in one transaction."""
        await self._run(_Connection.executemany, sql, (args,))

    async def _run(self, method: _Method, sql: str, args: tuple[object, ...]) -> Any:
        turn = Turn(self._pool, self._patience)
        connection = self._pool.take() or await turn.wait()
        try:
            with Within(turn.limit()):
                result = await method(connection, sql, *args)
        except BaseException as error:
            turn.fail(connection, error)
            raise
        turn.end(connection)
        return result

    async def _connect(self) -> Any:
        with Within(self._patience):
            connection = await asyncpg.connect(
                self._url,
                statement_cache_size=256,
                max_cached_statement_lifetime=0,  # the server plans again by itself when a table changes
                server_settings=self._settings,
            )
        if self._on_statement is not None:
            connection.add_query_logger(self._on_statement)
        return connection


class Lease:
    """A connection for the length of an `async with` block: an `Executor`."""

    __slots__ = ("_connection", "_limit", "_patience", "_pool", "_turn")

    def __init__(self, pool: Pool, patience: float, limit: float | None = None) -> None:
        self._pool = pool
        self._patience = patience
        self._limit = limit

    async def __aenter__(self) -> Self:
        self._turn = Turn(self._pool, self._patience)
        self._connection = self._pool.take() or await self._turn.wait()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._turn.end(self._connection)
        else:
            self._turn.fail(self._connection, error)

    async def fetch(self, sql: str, *args: object) -> list[Any]:
        """All rows."""
        rows: list[Any] = await self._run(_Connection.fetch, sql, args)
        return rows

    async def fetchrow(self, sql: str, *args: object) -> Any | None:
        """The first row or None."""
        return await self._run(_Connection.fetchrow, sql, args)

    async def fetchval(self, sql: str, *args: object) -> Any:
        """The first column of the first row or None."""
        return await self._run(_Connection.fetchval, sql, args)

    async def execute(self, sql: str, *args: object) -> str:
        """Run; returns the command tag."""
        tag: str = await self._run(_Connection.execute, sql, args)
        return tag

    async def executemany(self, sql: str, args: list[tuple[object, ...]]) -> None:
        """Run once per tuple, pipelined."""
        await self._run(_Connection.executemany, sql, (args,))

    async def _run(self, method: _Method, sql: str, args: tuple[object, ...]) -> Any:
        try:
            with Within(self._limit or self._turn.limit()):
                return await method(self._connection, sql, *args)
        except OUTAGES as error:
            if (unavailable := outage(error)) is not None:
                raise unavailable from error
            raise


class Transaction(Lease):
    """A transaction for the length of an `async with` block."""

    __slots__ = ()

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        try:
            await self.execute("BEGIN")
        except BaseException as error:
            self._turn.fail(self._connection, error)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                if await self.execute("COMMIT") != "COMMIT":
                    raise RuntimeError("a statement failed inside the transaction and was ignored: rolled back")
            elif isinstance(error, Exception) and not isinstance(error, Unavailable):
                await self.execute("ROLLBACK")
        except Unavailable as worse:
            self._turn.fail(self._connection, worse)
            if error is None:
                raise
        except BaseException as worse:
            self._turn.fail(self._connection, worse)
            raise
        else:
            await super().__aexit__(kind, error, trace)


def affected(tag: str) -> int:
    """The row count of a command tag: `affected("UPDATE 3") == 3`."""
    return int(tag.rpartition(" ")[2])
