"""One turn at PostgreSQL: how long it may take, and what an error of the driver means.

Time: all that one request asks of PostgreSQL, waiting for a connection included, shares `patience` seconds. Whoever
waits longer than what is left of them is refused; a statement that has its connection gets half a second at least, so
that a slow database ends what it has begun. Outside of a request each turn has `patience` seconds of its own. Seconds
in which this process stood still are nobody's: neither request nor database could do anything with them.
"""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg

from identry.core.pool import Pool
from identry_kit.apierror import ServiceUnavailable
from identry_kit.context import current

OUTAGES: tuple[type[BaseException], ...] = (
    OSError,  # refused, reset, no route, a full or closed pool; TimeoutError is one
    asyncpg.PostgresConnectionError,  # class 08
    asyncpg.InterfaceError,  # "connection is closed"
    asyncpg.InternalClientError,  # the protocol was cut in the middle of an answer
    asyncpg.OperatorInterventionError,  # class 57: shutdown, crash recovery, cannot connect now
    asyncpg.InsufficientResourcesError,  # class 53: disk full, too many connections
    asyncpg.TransactionRollbackError,  # class 40: two transactions in each other's way; the client may try again
    asyncpg.ReadOnlySQLTransactionError,  # 25006: a failover left us on a replica
    asyncpg.InvalidAuthorizationSpecificationError,  # class 28: the role or its password is refused
    asyncpg.InvalidCatalogNameError,  # 3D000: there is no such database
)

_AT_LEAST = 0.5
_LEFT = "identry.core.turns"


class Unavailable(ServiceUnavailable):
    """PostgreSQL cannot answer now: 503 with `Retry-After: 1`."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"database unavailable: {reason}", headers={"Retry-After": "1"})


def outage(error: BaseException) -> Unavailable | None:
    """The 503 that stands for an error of the driver; None when it is no outage but a mistake or a refusal."""
    if not isinstance(error, OUTAGES):
        return None
    if isinstance(error, asyncpg.InterfaceError) and "argument" in str(error):
        return None  # a wrong parameter type is our bug
    return Unavailable(type(error).__name__)


class Turn:
    """A connection for one statement or one transaction, and the time it has.

    Args:
        pool: where the connection comes from.
        patience: seconds for the whole request.
    """

    __slots__ = ("_kept", "_left", "_patience", "_pool", "_started", "_stood", "_time")

    def __init__(self, pool: Pool, patience: float) -> None:
        self._pool = pool
        self._patience = patience
        self._time = asyncio.get_running_loop().time
        self._started = self._time()
        self._stood = pool.stalls.seconds
        request = current()
        self._kept = None if request is None else request.kept
        self._left = patience if self._kept is None else self._kept.get(_LEFT, patience)

    async def wait(self) -> Any:
        """A connection, when none is idle.

        Raises:
            Unavailable: none came free in time, or PostgreSQL cannot be reached.
        """
        try:
            return await self._pool.wait(self._started + self._left)
        except OUTAGES as error:
            raise Unavailable(type(error).__name__) from error
        finally:
            self._charge()

    def limit(self) -> float:
        """Seconds for the next statement."""
        if self._kept is None:
            return self._patience
        return max(self._left - self._spent(), _AT_LEAST)

    def end(self, connection: Any) -> None:
        """All went well, or the error left the connection as it was."""
        self._pool.give(connection)
        self._charge()

    def fail(self, connection: Any, error: BaseException) -> None:
        """After an error: keep the connection if its state is known.

        Raises:
            Unavailable: the error is an outage.
        """
        unavailable = error if isinstance(error, Unavailable) else outage(error)
        if unavailable is None and isinstance(error, Exception):
            self.end(connection)
            return
        self._pool.discard(connection)
        self._charge()
        if unavailable is not None and unavailable is not error:
            raise unavailable from error

    def _charge(self) -> None:
        if self._kept is not None:
            self._kept[_LEFT] = self._left - self._spent()

    def _spent(self) -> float:
        return self._time() - self._started - (self._pool.stalls.seconds - self._stood)
