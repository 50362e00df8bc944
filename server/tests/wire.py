"""The tests' way to an application: HTTP/1.1 over kept connections, a fifth of the work of a client for the world.

It reads what applications under test send (a length, chunks, or nothing), and is strict: what it does not understand is
an error, never a guess. No TLS, no proxy, no HTTP/2.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket

import httpx2

_NO_BODY = {204, 304}
_IDLE = 5.0
"""Seconds after which a connection is not used again: the server closes its own some time later."""


class _Connection:
    """One connection, with at most one request on its way."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._used_at = 0.0

    @property
    def usable(self) -> bool:
        """Whether it was in use a moment ago, and the other side has left it open."""
        fresh = asyncio.get_running_loop().time() - self._used_at < _IDLE
        return fresh and not (self._reader.at_eof() or self._writer.is_closing())

    def close(self) -> None:
        self._writer.close()

    async def closed(self) -> None:
        self.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def exchange(self, request: httpx2.Request, content: bytes) -> tuple[httpx2.Response, bool]:
        """Send the request, read the answer; the second value is whether the connection serves another request."""
        lines = [b"%s %s HTTP/1.1" % (request.method.encode(), request.url.raw_path)]
        lines += [b"%s: %s" % (name, value) for name, value in request.headers.raw]
        self._writer.write(b"\r\n".join(lines) + b"\r\n\r\n" + content)
        while (head := await self._head())[0] < 200:  # 1xx: the answer comes after it
            pass
        status, headers = head
        fields = httpx2.Headers(headers)
        kept = "close" not in fields.get("connection", "").lower()
        if request.method == "HEAD" or status in _NO_BODY:
            body = b""
        elif "transfer-encoding" in fields:
            if fields["transfer-encoding"].lower() != "chunked" or "content-length" in fields:
                raise httpx2.RemoteProtocolError(f"an answer framed as {headers}")
            body = await self._chunks()
        elif "content-length" in fields:
            body = await self._reader.readexactly(int(fields["content-length"]))
        else:
            body, kept = await self._reader.read(), False
        self._used_at = asyncio.get_running_loop().time()
        return httpx2.Response(status, headers=headers, stream=_Body(body)), kept

    async def _head(self) -> tuple[int, list[tuple[bytes, bytes]]]:
        first, *lines = (await self._reader.readuntil(b"\r\n\r\n"))[:-4].split(b"\r\n")
        version, _, rest = first.partition(b" ")
        if version != b"HTTP/1.1" or not rest[:3].isdigit() or rest[3:4] not in {b" ", b""}:
            raise httpx2.RemoteProtocolError(f"not a status line: {first!r}")
        headers = []
        for line in lines:
            name, colon, value = line.partition(b":")
            if not colon or not name or name != name.strip():
                raise httpx2.RemoteProtocolError(f"not a header: {line!r}")
            headers.append((name, value.strip(b" \t")))
        return int(rest[:3]), headers

    async def _chunks(self) -> bytes:
        parts = []
        while size := int((await self._reader.readuntil(b"\r\n"))[:-2].partition(b";")[0], 16):
            parts.append(await self._reader.readexactly(size))
            await self._line_end()
        await self._line_end()
        return b"".join(parts)

    async def _line_end(self) -> None:
        if await self._reader.readexactly(2) != b"\r\n":
            raise httpx2.RemoteProtocolError("a chunk that does not end")


class _Body(httpx2.AsyncByteStream):
    """A body that was read already."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self):  # type: ignore[no-untyped-def]
        yield self._content


class KeptConnections(httpx2.AsyncBaseTransport):
    """As many connections as there are requests at once; each is used again."""

    def __init__(self) -> None:
        self._idle: dict[tuple[str, int], list[_Connection]] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """One request, one answer.

        Raises:
            httpx2.TransportError: the connection was refused, lost or silent for too long, or its answer is none.
        """
        if request.url.scheme != "http":
            raise httpx2.UnsupportedProtocol(f"{request.url}: only http", request=request)
        content = await request.aread()
        times = request.extensions.get("timeout", {})
        idle = self._idle.setdefault((request.url.host, request.url.port or 80), [])
        connection = await self._connection(idle, request, times.get("connect"))
        kept = False
        try:
            async with asyncio.timeout(times.get("read")):
                response, kept = await connection.exchange(request, content)
        except TimeoutError:
            raise httpx2.ReadTimeout("no answer in time", request=request) from None
        except asyncio.IncompleteReadError:
            raise httpx2.RemoteProtocolError("the connection ended before the answer did", request=request) from None
        except (ValueError, asyncio.LimitOverrunError) as error:
            raise httpx2.RemoteProtocolError(f"not an answer: {error}", request=request) from None
        except OSError as error:
            raise httpx2.ReadError(str(error), request=request) from None
        finally:
            if kept:
                idle.append(connection)
            else:
                connection.close()
        return response

    async def _connection(self, idle: list[_Connection], request: httpx2.Request, seconds: float | None) -> _Connection:
        while idle:
            if (connection := idle.pop()).usable:
                return connection
            connection.close()
        try:
            async with asyncio.timeout(seconds):
                reader, writer = await asyncio.open_connection(request.url.host, request.url.port or 80)
        except TimeoutError:
            raise httpx2.ConnectTimeout("not connected in time", request=request) from None
        except OSError as error:
            raise httpx2.ConnectError(str(error), request=request) from None
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return _Connection(reader, writer)

    async def aclose(self) -> None:
        """Close what is idle."""
        idle, self._idle = self._idle, {}
        for connections in idle.values():
            for connection in connections:
                await connection.closed()
