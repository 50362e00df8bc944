"""A TCP proxy that misbehaves on command, to stand before PostgreSQL, Redis, SMTP or an identity provider."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from enum import Enum
from types import TracebackType


class Mode(Enum):
    """What the proxy does with bytes, on the connections it has and on new ones."""

    PASS = "pass"
    DELAY = "delay"
    """Each chunk waits `delay` seconds, in both directions."""
    CUT = "cut"
    """Connections, present and new, are reset (RST)."""
    BLACK_HOLE = "black hole"
    """Bytes of both sides are swallowed; nothing is closed."""
    HANG = "accept and hang"
    """New connections are accepted and never served; the present ones are as in BLACK_HOLE."""
    DRIP = "byte drip"
    """One byte at a time, `delay` seconds apart."""
    HALF_CLOSE = "half close"
    """The upstream's answers end (FIN to the client); the client may go on writing into the void."""


class FaultProxy:
    """Listens on a loopback port and forwards to `host:port`, as `mode` says; with `tls` its clients must speak TLS.

    A `host` that is a path is a Unix socket (the port is ignored).

    Example:
        async with FaultProxy("127.0.0.1", server.port) as proxy:
            connect(proxy.port)
            proxy.set(Mode.BLACK_HOLE)
    """

    def __init__(self, host: str, port: int, *, tls: ssl.SSLContext | None = None) -> None:
        self._upstream = (host, port)
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._clients: set[asyncio.StreamWriter] = set()
        self.mode = Mode.PASS
        self.delay = 0.0
        self.cut_at = b""
        """What a client may not say: when it does, the mode is CUT from then on; empty: nothing."""
        self.port = 0
        self.accepted = 0
        """How many connections have come in so far."""

    async def __aenter__(self) -> FaultProxy:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen; `port` says where."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and reset every connection."""
        assert self._server is not None
        self._server.close()
        self._reset_all()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._reset_all()

    def set(self, mode: Mode, *, delay: float = 0.0) -> None:
        """Change the mode at once; `delay` in seconds for DELAY and DRIP."""
        self.mode, self.delay = mode, delay
        if mode is Mode.CUT:
            self._reset_all()
        elif mode is Mode.HALF_CLOSE:
            for client in self._clients:
                if client.can_write_eof() and not client.is_closing():
                    client.write_eof()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        self._clients.add(writer)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            self._clients.discard(writer)
            self._reset(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.mode is Mode.CUT:
            return
        while self.mode is Mode.HANG:
            await asyncio.sleep(0.02)
        upstream_reader, upstream_writer = await self._open_upstream()
        self._writers.add(upstream_writer)
        pumps = [
            asyncio.create_task(self._pump(reader, upstream_writer)),
            asyncio.create_task(self._pump(upstream_reader, writer)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self._reset(upstream_writer)

    async def _open_upstream(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = self._upstream
        if host.startswith("/"):
            return await asyncio.open_unix_connection(host)
        return await asyncio.open_connection(host, port)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if self.cut_at and self.cut_at in data and writer not in self._clients:
                self.set(Mode.CUT)
                return
            match self.mode:
                case Mode.BLACK_HOLE | Mode.HANG:
                    continue
                case Mode.HALF_CLOSE if writer in self._clients:
                    continue
                case Mode.DELAY:
                    await asyncio.sleep(self.delay)
                    writer.write(data)
                case Mode.DRIP:
                    for byte in data:
                        await asyncio.sleep(self.delay)
                        writer.write(bytes([byte]))
                        await writer.drain()
                case _:
                    writer.write(data)
            await writer.drain()

    def _reset_all(self) -> None:
        for writer in tuple(self._writers):
            self._reset(writer)

    def _reset(self, writer: asyncio.StreamWriter) -> None:
        self._writers.discard(writer)
        raw = writer.get_extra_info("socket")
        if raw is not None and raw.fileno() >= 0 and self.mode is Mode.CUT:
            # Linger of 0 seconds makes close() send RST instead of FIN.
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
