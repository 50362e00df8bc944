"""A Core service on a loopback port that a test can make answer anything, or nothing."""

from __future__ import annotations

import asyncio
import json
from typing import Any


class CoreServer:
    """Speaks just enough HTTP/1.1 to answer well and badly.

    Attributes:
        requests: the head of every request received.
        mode: `answer`, `hang` (accept and say nothing), `drip` (a byte a second), `cut` (half an answer).
        status, body, headers: what `answer` sends.
    """

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.mode = "answer"
        self.delay = 0.0
        self.status = 200
        self.body: bytes = b"{}"
        self.headers: dict[str, str] = {}
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    def owns(self, *modules: str, version: int = 1, **more: Any) -> None:
        """Answer in the envelope that a company owns these modules."""
        data = {"modules": list(modules), "entitlementVersion": version, **more}
        self.says(200, {"success": True, "data": data})

    def says(self, status: int, body: Any, **headers: str) -> None:
        """Answer with a status and a body, JSON unless it is bytes."""
        self.mode, self.status = "answer", status
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    async def start(self) -> str:
        """Listen; returns the URL."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        """Refuse connections from now on and cut those that are open."""
        assert self._server is not None
        self._server.close()
        for writer in list(self._open):
            writer.transport.abort()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while True:
                self.requests.append((await reader.readuntil(b"\r\n\r\n")).decode("latin-1"))
                await asyncio.sleep(self.delay)
                if not await self._answer(writer):
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            self._open.discard(writer)
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection can be used again."""
        if self.mode == "hang":
            await asyncio.sleep(30)
            return False
        lines = [f"HTTP/1.1 {self.status} X", f"Content-Length: {len(self.body)}", "Content-Type: application/json"]
        head = "\r\n".join([*lines, *(f"{k}: {v}" for k, v in self.headers.items()), "", ""]).encode()
        if self.mode == "drip":
            for byte in head + self.body:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(1)
            return False
        if self.mode == "cut":
            writer.write(head + self.body[: len(self.body) // 2])
            await writer.drain()
            return False
        writer.write(head + self.body)
        await writer.drain()
        return True
