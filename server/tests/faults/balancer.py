"""A load balancer of the plain kind: it looks at `/ready`, forwards connections in turn, and retries nothing."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from types import TracebackType

import httpx2

_LOOK = 0.1


class Balancer:
    """Forwards TCP to the ports that are ready; a connection once forwarded stays where it is.

    Attributes:
        port: where it listens.
        refused_after_choice: connections that a server refused although it was last seen ready; the next is tried
            then (nothing was sent yet), as every balancer does.
    """

    def __init__(self) -> None:
        self.port = 0
        self.refused_after_choice = 0
        self._ready: dict[int, bool] = {}
        self._turn = itertools.count()
        self._looking: dict[int, asyncio.Task[None]] = {}
        self._pumps: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Balancer:
        self._server = await asyncio.start_server(self._forward, "127.0.0.1", 0, backlog=512)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        tasks = [*self._looking.values(), *self._pumps]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def add(self, port: int) -> None:
        """Take a server that is ready into the turn."""
        self._ready[port] = True
        self._looking[port] = asyncio.create_task(self._look(port))

    def remove(self, port: int) -> None:
        """Forget a server."""
        self._looking.pop(port).cancel()
        del self._ready[port]

    async def _look(self, port: int) -> None:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=1) as client:
            while True:
                try:
                    self._ready[port] = (await client.get("/ready")).status_code == 200
                except httpx2.TransportError:
                    self._ready[port] = False
                await asyncio.sleep(_LOOK)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._pumps.add(task)
        task.add_done_callback(self._pumps.discard)
        try:
            upstream_reader, upstream_writer = await self._choose()
        except OSError:
            writer.transport.abort()
            return
        both = [
            asyncio.create_task(_pump(reader, upstream_writer)),
            asyncio.create_task(_pump(upstream_reader, writer)),
        ]
        try:
            await asyncio.wait(both)
        finally:
            for pump in both:
                pump.cancel()
            writer.close()
            upstream_writer.close()

    async def _choose(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        ready = [port for port, is_ready in self._ready.items() if is_ready]
        start = next(self._turn)
        for offset in range(len(ready)):
            port = ready[(start + offset) % len(ready)]
            try:
                return await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                self._ready[port] = False
                self.refused_after_choice += 1
        raise ConnectionRefusedError


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError, RuntimeError):
        if writer.can_write_eof():
            writer.write_eof()
