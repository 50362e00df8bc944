"""One connection to Redis that every caller of a worker shares."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

from redis.asyncio.connection import AbstractConnection, ConnectionPool, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Lost
from redis.exceptions import NoScriptError, ReadOnlyError, RedisError, ResponseError

from identry.core.tasks import ended
from identry.core.within import Within

__all__ = ["FAULTS", "Busy", "Link", "Lost", "NoScriptError", "ResponseError", "connector"]

FAULTS = (RedisError, OSError, TimeoutError)
"""What the driver raises when Redis cannot be reached or refuses a command."""

Argument = str | bytes | int | float


class Busy(Exception):
    """Too many commands wait for their replies already."""


def connector(url: str) -> Callable[[], AbstractConnection]:
    """A maker of unopened connections to `url` (`redis://`, `rediss://` or `unix://`, with password and database).

    Raises ValueError when the URL cannot be used. The text never holds the URL: a password is in it.
    """
    try:
        pool = ConnectionPool.from_url(url)
        # Time-outs and retries are decided in one place, above; RESP2 is what every supported server speaks.
        pool.connection_kwargs |= {
            "protocol": 2,
            "driver_info": None,
            "retry": Retry(NoBackoff(), 0),
            "retry_on_error": [],
            "socket_timeout": None,
            "socket_connect_timeout": None,
            "decode_responses": False,
            "health_check_interval": 0,
        }
        first = pool.make_connection()  # type: ignore[no-untyped-call]  # redis-py has not typed it
    except Exception:  # redis-py raises what it meets, with the password in the text
        raise ValueError("not a usable Redis URL; expected redis://[user:password@]host:6379/0") from None

    def connect() -> AbstractConnection:
        connection = cast("AbstractConnection", pool.make_connection())  # type: ignore[no-untyped-call]  # as above
        if isinstance(connection, SSLConnection) and isinstance(first, SSLConnection):
            connection.ssl_context = first.ssl_context  # reading the certificate store once is enough
        return connection

    return connect


class Link:
    """Sends commands as they come and hands out the replies in the same order.

    One shared connection instead of a pool: no waiting for a free one, commands of concurrent requests travel in one
    packet, and the first time-out tells everyone that Redis hangs. A link that has failed once is never used again;
    `on_lost` hears of it, once, however many callers waited.
    """

    def __init__(
        self, connection: AbstractConnection, *, max_pending: int, on_lost: Callable[[BaseException], None]
    ) -> None:
        self._connection = connection
        self._on_lost = on_lost
        self._max_pending = max_pending
        self._pending: deque[asyncio.Future[Any]] = deque()
        self._reader: asyncio.Task[None] | None = None
        self._error: BaseException | None = None

    @property
    def alive(self) -> bool:
        """False once the connection was lost, timed out or closed."""
        return self._error is None and self._reader is not None

    async def open(self) -> None:
        """Connect, authenticate, choose the database. Raises one of `FAULTS`; the caller sets the deadline."""
        try:
            await self._connection.connect()  # type: ignore[no-untyped-call]  # redis-py has not typed it
        except BaseException:
            await self._connection.disconnect(nowait=True)
            raise
        self._reader = asyncio.create_task(self._read(), name="kv-link")

    async def call(self, deadline: float, *command: Argument) -> Any:
        """Send `command` and return its reply, by `deadline` on the loop's clock.

        Raises one of `FAULTS`: ResponseError when Redis refused the command, TimeoutError when it did not answer in
        time, another RedisError when the connection is gone. Raises Busy before sending when the bound is reached.
        """
        if self._error is not None:
            raise Lost("connection lost")
        if len(self._pending) >= self._max_pending:
            raise Busy
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._pending.append(reply)
        try:
            with Within(deadline - asyncio.get_running_loop().time()):
                packed = self._connection.pack_command(*command)
                await self._connection.send_packed_command(packed, check_health=False)
                await asyncio.shield(reply)
        except TimeoutError as error:
            if not reply.done():
                self.fail(error)
                raise
        except (RedisError, OSError) as error:
            self.fail(error)
            raise
        result = reply.result()
        if isinstance(result, ReadOnlyError):
            # The primary has become a replica: only a new connection finds its successor.
            self.fail(result)
        if isinstance(result, BaseException):
            raise result
        return result

    def fail(self, error: BaseException) -> None:
        """Give the link up: every caller that waits gets `error`, the connection is closed."""
        if self._error is None:
            self._give_up(error)
            self._on_lost(error)

    async def close(self) -> None:
        """Give the link up without calling it a loss, and wait until the connection is closed."""
        if self._error is None:
            self._give_up(Lost("closed"))
        await ended(self._reader)

    def _give_up(self, error: BaseException) -> None:
        self._error = error
        while self._pending:
            reply = self._pending.popleft()
            if not reply.done():
                reply.set_result(error)
        if self._reader is not None and self._reader is not asyncio.current_task():
            self._reader.cancel()

    async def _read(self) -> None:
        try:
            while True:
                try:
                    reply = await self._connection.read_response(timeout=math.inf, disconnect_on_error=False)
                except ResponseError as refusal:
                    reply = refusal
                if not self._pending:
                    raise Lost("a reply that nobody asked for")
                future = self._pending.popleft()
                if not future.done():
                    future.set_result(reply)
        except Exception as error:  # whoever waits must hear of it, whatever it is
            self.fail(error if isinstance(error, RedisError | OSError) else Lost(type(error).__name__))
        finally:
            with suppress(Exception):  # it is being given up
                await self._connection.disconnect(nowait=True)
