"""The connection that only listens: one per worker, kept up in the background."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import structlog
from redis.asyncio.connection import AbstractConnection

from identry.core.kv.link import FAULTS, Lost
from identry.core.kv.memory import deliver
from identry.core.kv.protocol import Callback
from identry.core.tasks import apart, ended

log = structlog.get_logger(__name__)

IDLE = 5.0
"""Seconds of silence after which a PING asks whether the connection still lives."""
PAUSE = 1.0
"""Seconds between two attempts to reconnect."""


class Subscriber:
    """Calls back for every message of its channels; reconnects by itself and subscribes anew.

    `connect` makes an unopened connection, `timeout` (seconds) bounds each exchange with the server.
    """

    def __init__(self, connect: Callable[[], AbstractConnection], *, timeout: float) -> None:
        self._connect = connect
        self._timeout = timeout
        self._callbacks: dict[bytes, list[Callback]] = {}
        self._confirmed: dict[bytes, asyncio.Event] = {}
        self._connection: AbstractConnection | None = None
        self._task: asyncio.Task[None] | None = None

    async def add(self, channel: str, callback: Callback) -> None:
        """Register `callback`, and wait (at most one time-out) until the server has confirmed the channel."""
        name = channel.encode()
        self._callbacks.setdefault(name, []).append(callback)
        if name not in self._confirmed:
            self._confirmed[name] = asyncio.Event()
            if self._connection is not None:
                with suppress(*FAULTS):  # the listening task meets the same fault and reconnects
                    await self._connection.send_command("SUBSCRIBE", name, check_health=False)
        if self._task is None:
            self._task = apart(self._run(), "kv-subscriber")
        with suppress(TimeoutError):
            async with asyncio.timeout(self._timeout):
                await self._confirmed[name].wait()

    async def close(self) -> None:
        """Stop listening."""
        await ended(self._task)
        self._task = None

    async def _run(self) -> None:
        was_lost = False
        while True:
            try:
                await self._open()
                if was_lost:
                    log.info("kv.subscription_resumed")
                    was_lost = False
                await self._listen()
            except Exception as error:  # the task must outlive whatever the connection meets
                if not was_lost:
                    log.warning("kv.subscription_lost", error=type(error).__name__)
                    was_lost = True
            finally:
                await self._drop()
            await asyncio.sleep(PAUSE)

    async def _open(self) -> None:
        self._connection = None
        connection = self._connect()
        try:
            async with asyncio.timeout(self._timeout):
                await connection.connect()  # type: ignore[no-untyped-call]  # redis-py has not typed it
                await connection.send_command("SUBSCRIBE", *self._callbacks, check_health=False)
                self._dispatch(await connection.read_response(disconnect_on_error=False))
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        self._connection = connection

    async def _listen(self) -> None:
        connection = self._connection
        assert connection is not None
        # A channel that was added while the connection was being opened has not been asked for yet.
        late = [name for name, confirmed in self._confirmed.items() if not confirmed.is_set()]
        if late:
            await connection.send_command("SUBSCRIBE", *late, check_health=False)
        while True:
            reply = await connection.read_response(timeout=IDLE, disconnect_on_error=False)
            if reply is None:
                await connection.send_command("PING", check_health=False)
                reply = await connection.read_response(timeout=self._timeout, disconnect_on_error=False)
                if reply is None:
                    raise Lost("the server has gone silent")
            self._dispatch(reply)

    def _dispatch(self, reply: list[bytes]) -> None:
        kind, channel, payload = (*reply, b"")[:3]
        if kind == b"subscribe":
            self._confirmed[channel].set()
        elif kind == b"message":
            for callback in tuple(self._callbacks[channel]):
                deliver(channel.decode(), callback, payload)

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):  # it is being given up
                await connection.disconnect(nowait=True)
