"""Bytes on a socket that no client library would send, at the production server: refused early, and nothing hangs."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from faults.replicas import Replica, fleet
from harness import Servers
from rows import every
from services.databases import migrated_database

JSON = b"Content-Type: application/json\r\n"
MIB = 1 << 20


@pytest.fixture(scope="module")
async def server(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Replica]:
    """`identry serve` on a database of its own."""
    url = await migrated_database(servers.postgres_url)
    folder: Path = tmp_path_factory.mktemp("raw")
    async with fleet(folder, DATABASE_URL=url, REDIS_URL=servers.redis_url) as replicas:
        yield await replicas.start()


async def exchange(server: Replica, *chunks: bytes, patience: float = 10.0) -> bytes:
    """What came back until the server closed, or said nothing more after a whole answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    answer = b""
    with contextlib.suppress(ConnectionError):
        for chunk in chunks:
            writer.write(chunk)
            await writer.drain()
    with contextlib.suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(patience):
            while part := await asyncio.wait_for(reader.read(65536), 0.3 if _whole(answer) else patience):
                answer += part
    writer.transport.abort()
    return answer


def _whole(answer: bytes) -> bool:
    head, found, body = answer.partition(b"\r\n\r\n")
    length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
    return bool(found) and len(body) >= int(length or 0)


def status(answer: bytes) -> int:
    """Of the first answer; 0: hung up without one."""
    return int(answer.split()[1]) if answer.startswith(b"HTTP/1.") else 0


def login(*headers: bytes, body: bytes = b"") -> bytes:
    return b"POST /auth/login HTTP/1.1\r\nHost: x\r\n" + JSON + b"".join(h + b"\r\n" for h in headers) + b"\r\n" + body


async def assert_alive(server: Replica) -> None:
    async with httpx2.AsyncClient(base_url=server.base_url, timeout=30) as client:
        assert (await client.get("/health")).status_code == 200


async def test_a_body_over_the_limit_is_refused_before_it_is_sent(server: Replica) -> None:
    started = time.monotonic()
    answer = await exchange(server, login(b"Content-Length: %d" % (MIB + 1)))
    assert status(answer) == 413
    assert b"payload_too_large" in answer
    assert time.monotonic() - started < 5
    assert status(await exchange(server, login(b"Content-Length: 99999999999999999999"))) in {0, 400, 413}


async def test_a_chunked_body_is_cut_off_at_the_limit(server: Replica) -> None:
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    answer = await exchange(server, login(b"Transfer-Encoding: chunked"), *([chunk] * 40))
    assert status(answer) in {0, 413}
    await assert_alive(server)


@pytest.mark.parametrize("shape", ["one", "many"])
async def test_more_than_32_kib_of_headers_are_refused(server: Replica, shape: str) -> None:
    filler = [b"X-Filler: " + b"a" * 70000] if shape == "one" else [b"X-F%d: %s" % (i, b"a" * 500) for i in range(200)]
    answer = await exchange(server, b"GET /health HTTP/1.1\r\nHost: x\r\n" + b"\r\n".join(filler) + b"\r\n\r\n")
    assert status(answer) in {0, 400, 431}
    await assert_alive(server)


BAD: dict[str, bytes] = {
    "length-and-chunked": login(b"Content-Length: 2", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "two-lengths": login(b"Content-Length: 2", b"Content-Length: 3", body=b"{}}"),
    "length-list": login(b"Content-Length: 2, 3", body=b"{}}"),
    "length-negative": login(b"Content-Length: -1"),
    "length-plus": login(b"Content-Length: +2", body=b"{}"),
    "length-hex": login(b"Content-Length: 0x2", body=b"{}"),
    "chunked-twice": login(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity", body=b"0\r\n\r\n"),
    "chunked-unknown": login(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n"),
    "chunk-size-wrong": login(b"Transfer-Encoding: chunked", body=b"zz\r\n{}\r\n0\r\n\r\n"),
    "chunk-size-huge": login(b"Transfer-Encoding: chunked", body=b"ffffffffffffffffff\r\n{}\r\n"),
    "nul-in-path": b"GET /health\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
    "nul-in-header": b"GET /health HTTP/1.1\r\nHost: x\r\nX-A: a\x00b\r\n\r\n",
    "space-before-colon": b"GET /health HTTP/1.1\r\nHost : x\r\nX-A : b\r\n\r\n",
    "folded-header": b"GET /health HTTP/1.1\r\nHost: x\r\nX-A: b\r\n c\r\n\r\n",
    "no-version": b"GET /health\r\n\r\n",
    "version-9": b"GET /health HTTP/9.9\r\nHost: x\r\n\r\n",
    "http2-preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "tls-hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 100,
    "method-with-space": b"GE T /health HTTP/1.1\r\nHost: x\r\n\r\n",
    "method-long": b"G" * 70000 + b" /health HTTP/1.1\r\nHost: x\r\n\r\n",
    "garbage": b"\xff\xfe\xfd" * 1000 + b"\r\n\r\n",
    "path-long": b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
}


@every("name", BAD)
async def test_what_is_no_request_is_refused(server: Replica, name: str) -> None:
    answer = await exchange(server, BAD[name])
    assert status(answer) in {0, 400, 404, 411, 413, 414, 415, 431, 501, 505}, answer[:300]
    assert answer.count(b"HTTP/1.1 ") <= 1, "one request, two answers"
    await assert_alive(server)


async def test_a_second_request_hidden_in_a_body_is_not_answered(server: Replica) -> None:
    hidden = b"GET /.well-known/jwks.json HTTP/1.1\r\nHost: x\r\n\r\n"
    for request in (
        login(b"Content-Length: %d" % len(hidden), b"Transfer-Encoding: chunked", body=b"0\r\n\r\n" + hidden),
        login(b"Transfer-Encoding: chunked", b"Content-Length: 4", body=b"0\r\n\r\n" + hidden),
        login(b"Content-Length: 0", b"Content-Length: %d" % len(hidden), body=hidden),
        login(b"Transfer-Encoding: \x0bchunked", b"Content-Length: %d" % len(hidden), body=hidden),
    ):
        answer = await exchange(server, request)
        assert b'"keys"' not in answer, answer


async def test_bare_line_feeds_hide_no_header(server: Replica) -> None:
    answer = await exchange(server, b"GET /internal/users HTTP/1.1\nHost: x\nX-A: b\n\n")
    assert status(answer) in {0, 400, 401}


@every("method", ["TRACE", "CONNECT", "OPTIONS", "PROPFIND", "get", "G3T", "GETT", "M-SEARCH"])
async def test_methods_that_nobody_mounted_are_refused(server: Replica, method: str) -> None:
    answer = await exchange(server, f"{method} /auth/login HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert status(answer) in {400, 404, 405, 501}, answer[:200]


async def test_http_1_0_is_answered_and_closed(server: Replica) -> None:
    answer = await exchange(server, b"GET /health HTTP/1.0\r\n\r\n")
    assert status(answer) == 200
    assert answer.endswith(b"}")


async def test_a_client_that_asks_first_is_told_to_go_on_or_not(server: Replica) -> None:
    body = b'{"email":"a@example.com","password":"wrong password"}'
    asked = await exchange(server, login(b"Content-Length: %d" % len(body), b"Expect: 100-continue"), body)
    assert b" 401 " in asked, asked
    large = await exchange(server, login(b"Content-Length: %d" % (2 * MIB), b"Expect: 100-continue"))
    assert status(large) == 413


@every("coding", [b"gzip", b"br", b"deflate", b"zstd", b"x-unknown"])
async def test_compressed_bodies_are_refused_unread(server: Replica, coding: bytes) -> None:
    answer = await exchange(
        server, login(b"Content-Length: 4", b"Content-Encoding: " + coding, body=b"\x1f\x8b\x08\x00")
    )
    assert status(answer) == 415, answer[:300]


DEEP: dict[str, bytes] = {
    "arrays": b"[" * 10000 + b"]" * 10000,
    "objects": b'{"a":' * 10000 + b"1" + b"}" * 10000,
    "inside-a-field": b'{"email":' + b"[" * 10000 + b"]" * 10000 + b',"password":"x"}',
    "inside-an-unknown-field": b'{"email":"a@example.com","password":"x","x":' + b"[" * 10000 + b"]" * 10000 + b"}",
    "unfinished": b"[" * 100000,
    "long-number": b'{"email":' + b"9" * 100000 + b"}",
    "exponent": b'{"email":1e999999999,"password":"x"}',
    "lone-surrogate": b'{"email":"\\ud800","password":"x"}',
    "invalid-utf8": b'{"email":"\xff\xfe","password":"x"}',
    "bom": b'\xef\xbb\xbf{"email":"a@example.com","password":"x"}',
    "nan": b'{"email":NaN,"password":Infinity}',
    "two-values": b'{"email":"a@example.com","password":"x"}{}',
}


@every("name", DEEP)
async def test_absurd_json_is_a_400(server: Replica, name: str) -> None:
    answer = await exchange(server, login(b"Content-Length: %d" % len(DEEP[name]), body=DEEP[name]))
    assert status(answer) == 400, answer[:300]
    assert b"validation_error" in answer
    await assert_alive(server)


async def test_slow_senders_keep_nobody_waiting(server: Replica) -> None:
    slow = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(300)]
    for number, (_, writer) in enumerate(slow):
        start = b"GET /health HTTP/1.1\r\nX-A: " if number % 2 else login(b"Content-Length: 500")[:-2] + b"\r\n{"
        writer.write(start)
    async with httpx2.AsyncClient(base_url=server.base_url, timeout=30) as client:
        for _ in range(20):
            assert (await client.get("/health")).status_code == 200
    for _, writer in slow:
        writer.transport.abort()


@pytest.mark.slow
async def test_slow_senders_are_hung_up_on_within_half_a_minute(server: Replica) -> None:
    slow = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(2000)]
    started = time.monotonic()
    for _, writer in slow:
        writer.write(b"GET /health HTTP/1.1\r\nX-A: ")

    async def closed(reader: asyncio.StreamReader) -> float:
        with contextlib.suppress(ConnectionError):
            while await reader.read(1000):
                pass
        return time.monotonic() - started

    ended = await asyncio.wait_for(asyncio.gather(*(closed(reader) for reader, _ in slow)), 60)
    for _, writer in slow:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    assert max(ended) < 35
    await assert_alive(server)
