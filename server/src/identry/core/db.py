"""The seam to PostgreSQL: a pool, transactions, and one answer when the database cannot be reached.

Rules that this module keeps for the house (DESIGN §4.3-§4.5): a transaction is opened by a service and never
outlives it; the pool's connections carry no session state, so releasing one costs no round trip; a database that is
down, hung or read-only becomes `Unavailable` (503 + `Retry-After`) within `acquire_timeout + command_timeout`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Protocol

import asyncpg

from identry_kit.apierror import ServiceUnavailable

_OUTAGES: tuple[type[BaseException], ...] = (
    OSError,  # refused, reset, no route; TimeoutError is one
    asyncpg.PostgresConnectionError,  # class 08
    asyncpg.InterfaceError,  # "connection is closed", "pool is closing"
    asyncpg.InternalClientError,  # the protocol was cut in the middle of an answer
    asyncpg.OperatorInterventionError,  # class 57: shutdown, crash recovery, cannot connect now
    asyncpg.InsufficientResourcesError,  # class 53: disk full, too many connections
    asyncpg.ReadOnlySQLTransactionError,  # 25006: a failover left us on a replica
    asyncpg.InvalidAuthorizationSpecificationError,  # class 28: the role or its password is refused
    asyncpg.InvalidCatalogNameError,  # 3D000: there is no such database
)


Duplicate = asyncpg.UniqueViolationError
"""A row with this unique value exists; catch it outside the transaction that it ended."""


Rejected = asyncpg.PostgresError
"""PostgreSQL answered and said no (a right or a table is missing …): `str()` is its one line. Only for databases that
are not ours: in our own it is a bug."""


class Unavailable(ServiceUnavailable):
    """PostgreSQL cannot answer now: 503 with `Retry-After: 1`."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"database unavailable: {reason}", headers={"Retry-After": "1"})


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


class PoolStats:
    """What the metrics read: waits for a connection and how long they took."""

    __slots__ = ("timeouts", "waited_seconds", "waits")

    def __init__(self) -> None:
        self.waits = 0
        self.waited_seconds = 0.0
        self.timeouts = 0


async def _keep_state(_connection: object) -> None:
    """Nothing to reset on release: no session state is ever set on a pooled connection."""


@contextmanager
def _outage_is_503() -> Iterator[None]:
    try:
        yield
    except _OUTAGES as error:
        if isinstance(error, asyncpg.InterfaceError) and "argument" in str(error):
            raise  # a wrong parameter type is our bug, not an outage
        raise Unavailable(type(error).__name__) from error


class Database:
    """A pool of connections to one PostgreSQL; itself an `Executor` whose statements commit one by one.

    Args:
        url: `postgresql://…` (the password never appears in an error or a log).
        min_size, max_size: bounds of the pool.
        acquire_timeout: seconds to wait for a free or new connection.
        command_timeout: seconds for one statement.
        read_only: ask the server to refuse writes (the Finance database).
        on_statement: told of every statement after it (tracing); `asyncpg.connection.LoggedQuery`.
    """

    def __init__(
        self,
        url: str,
        *,
        min_size: int = 2,
        max_size: int = 10,
        acquire_timeout: float = 0.9,
        command_timeout: float = 1.5,
        read_only: bool = False,
        on_statement: Callable[[Any], None] | None = None,
    ) -> None:
        self._url = url
        self._min_size = min(min_size, max_size)
        self._max_size = max_size
        self._acquire_timeout = acquire_timeout
        self._command_timeout = command_timeout
        self._settings = {"application_name": "identry"}
        if read_only:
            self._settings["default_transaction_read_only"] = "on"
        self._on_statement = on_statement
        self._pool: Any = None
        self.stats = PoolStats()

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
        with _outage_is_503():
            self._pool = await asyncpg.create_pool(
                self._url,
                min_size=self._min_size,
                max_size=self._max_size,
                reset=_keep_state,
                init=self._watch if self._on_statement else None,
                max_inactive_connection_lifetime=60.0,
                timeout=self._acquire_timeout,
                command_timeout=self._command_timeout,
                server_settings=self._settings,
            )

    async def _watch(self, connection: Any) -> None:
        connection.add_query_logger(self._on_statement)

    async def close(self) -> None:
        """Close every connection; those still in use get two seconds."""
        if self._pool is None:
            return
        try:
            await asyncio.wait_for(self._pool.close(), 2.0)
        except TimeoutError:
            self._pool.terminate()
        self._pool = None

    @property
    def size(self) -> tuple[int, int]:
        """Connections (open, idle)."""
        return (self._pool.get_size(), self._pool.get_idle_size()) if self._pool else (0, 0)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Executor]:
        """One connection without a transaction; its statements commit one by one."""
        with _outage_is_503():
            connection = await self._acquire()
            try:
                yield connection
            finally:
                await self._pool.release(connection)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Executor]:
        """One transaction (READ COMMITTED): commits when the block ends, rolls back when it raises."""
        with _outage_is_503():
            connection = await self._acquire()
            try:
                async with connection.transaction():
                    yield connection
            finally:
                await self._pool.release(connection)

    async def fetch(self, sql: str, *args: object) -> list[Any]:
        """All rows."""
        rows: list[Any] = await self._run(lambda c: c.fetch(sql, *args))
        return rows

    async def fetchrow(self, sql: str, *args: object) -> Any | None:
        """The first row or None."""
        return await self._run(lambda c: c.fetchrow(sql, *args))

    async def fetchval(self, sql: str, *args: object) -> Any:
        """The first column of the first row or None."""
        return await self._run(lambda c: c.fetchval(sql, *args))

    async def execute(self, sql: str, *args: object) -> str:
        """Run; returns the command tag."""
        tag: str = await self._run(lambda c: c.execute(sql, *args))
        return tag

    async def executemany(self, sql: str, args: list[tuple[object, ...]]) -> None:
        """Run once per tuple, pipelined, in one transaction."""
        await self._run(lambda c: c.executemany(sql, args))

    async def _run(self, statement: Callable[[Any], Any]) -> Any:
        with _outage_is_503():
            connection = await self._acquire()
            try:
                return await statement(connection)
            finally:
                await self._pool.release(connection)

    async def _acquire(self) -> Any:
        if self._pool is None:
            raise Unavailable("the pool is not open")
        if self._pool.get_idle_size():
            return await self._pool.acquire(timeout=self._acquire_timeout)
        loop = asyncio.get_running_loop()
        started = loop.time()
        self.stats.waits += 1
        try:
            return await self._pool.acquire(timeout=self._acquire_timeout)
        except TimeoutError:
            self.stats.timeouts += 1
            raise
        finally:
            self.stats.waited_seconds += loop.time() - started


def affected(tag: str) -> int:
    """The row count of a command tag: `affected("UPDATE 3") == 3`."""
    return int(tag.rpartition(" ")[2])
