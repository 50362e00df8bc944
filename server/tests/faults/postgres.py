"""A PostgreSQL that can be hurt: killed, restarted, frozen, thrown out of, made read-only. It listens on TCP."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path
from types import TracebackType

import asyncpg
from services.ports import free_port
from services.program import children

from identry.core.embedded import EmbeddedPostgres


class FragilePostgres:
    """One server on a loopback port; what was committed survives everything done to it here.

    (fsync is off: only a crash of the machine could tell, and no test crashes the machine.)
    """

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        options = {"listen_addresses": "127.0.0.1", "port": str(self.port), "fsync": "off", "max_connections": "100"}
        self._server = EmbeddedPostgres(folder, options=options)

    @property
    def url(self) -> str:
        """`postgresql://…` of the database."""
        return self.url_at(self.port)

    @staticmethod
    def url_at(port: int) -> str:
        """The same database through a proxy on `port`."""
        return f"postgresql://postgres@127.0.0.1:{port}/identry"

    async def __aenter__(self) -> FragilePostgres:
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.resume()
        await self.stop()

    def start(self) -> None:
        """Start; from the main thread, so that it never outlives the tests."""
        self._server.start()

    async def restart(self) -> None:
        """Start again after `stop` or `kill`; returns once it accepts."""
        await asyncio.to_thread(self._server.start)

    async def stop(self) -> None:
        """Fast shutdown."""
        await asyncio.to_thread(self._server.stop)

    async def kill(self) -> None:
        """SIGKILL to the postmaster and every backend, as the kernel does when memory runs out."""
        for pid in self._pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await self.stop()

    def pause(self) -> None:
        """SIGSTOP to all of it: connections are accepted by the kernel, nothing is answered."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    async def terminate_backends(self) -> int:
        """End every client's connection; returns how many."""
        count: int = await self.ask(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        return count

    async def read_only(self, on: bool) -> None:
        """Refuse writes, as a replica does after a failover."""
        await self.ask(f"ALTER SYSTEM SET default_transaction_read_only = {'on' if on else 'off'}")
        await self.ask("SELECT pg_reload_conf()")

    async def ask(self, sql: str, *args: object) -> object:
        """The first column of the first row, over a connection of its own."""
        connection = await asyncpg.connect(self.url)
        try:
            return await connection.fetchval(sql, *args)
        finally:
            await connection.close()

    async def rows(self, sql: str, *args: object) -> list[asyncpg.Record]:
        """All rows, over a connection of its own."""
        connection = await asyncpg.connect(self.url)
        try:
            return list(await connection.fetch(sql, *args))
        finally:
            await connection.close()

    def _pids(self) -> list[int]:
        pid = self._server.pid
        return [pid, *children(pid)] if pid else []

    def _signal(self, number: signal.Signals) -> None:
        for pid in self._pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
