"""What only a real server and a raw socket can show: connections that end when they should."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn

from identry_kit.httpware import Timeout, standard_stack


async def app(scope: Any, receive: Any, send: Any) -> None:
    """`/read` reads the body; `/half` fails and `/stuck` hangs in the middle of an answer."""
    if scope["path"] == "/read":
        while (await receive()).get("more_body"):
            pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["path"] == "/half":
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise LookupError
    if scope["path"] == "/stuck":
        await Timeout(stuck, 0.05)(scope, receive, send)
    await send({"type": "http.response.body", "body": b"done"})


async def stuck(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.body", "body": b"half", "more_body": True})
    await asyncio.sleep(60)


@pytest.fixture
async def port() -> AsyncIterator[int]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        stack = standard_stack(app, max_body=1000)
        config = uvicorn.Config(stack, log_config=None, lifespan="off", ws="none", http="h11")
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve([listening]))
        while not server.started:
            await asyncio.sleep(0.01)
        yield listening.getsockname()[1]
        server.should_exit = True
        await task


async def talk(port: int, *parts: bytes) -> bytes:
    """Send the parts, then read until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for part in parts:
        writer.write(part)
        await writer.drain()
    async with asyncio.timeout(20):
        answer = await reader.read()
    writer.close()
    return answer


async def test_a_declared_body_over_the_limit_is_refused_before_it_is_sent(port: int) -> None:
    answer = await talk(port, b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 1000001\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer.lower()


async def test_a_chunked_body_is_cut_off_at_the_limit(port: int) -> None:
    head = b"POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = await talk(port, head, *[b"64\r\n" + b"x" * 100 + b"\r\n"] * 11)
    assert answer.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("path", [b"/half", b"/stuck"])
async def test_an_answer_that_breaks_off_is_visibly_incomplete(port: int, path: bytes) -> None:
    answer = await talk(port, b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"half" in answer
    assert not answer.endswith(b"0\r\n\r\n")


async def test_a_good_answer_keeps_the_connection(port: int) -> None:
    request = b"GET /fine HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /fine HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert (await talk(port, request, last)).count(b"done") == 2
