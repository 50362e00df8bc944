"""A server that speaks both providers' protocols to their official clients, over a real socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from identry_kit.aigateway import AIGateway, for_test

KEY = "sk-test-0123456789"


@dataclass
class Seen:
    """One request as it came over the wire."""

    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class Provider:
    """Answers `text` in the protocol of the path, unless told to misbehave."""

    url: str = ""
    text: Any = "hello"
    status: int = 200
    raw: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    hang: bool = False
    seen: list[Seen] = field(default_factory=list)
    waiting: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await self._answer(reader, writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        body = json.loads(await reader.readexactly(int(headers.get("content-length", 0))) or b"null")
        headers = {name: line.split(": ", 1)[1] for line in head[1:] if line for name in [line.split(":")[0].lower()]}
        self.seen.append(Seen(head[0].split(" ")[1], headers, body))
        self.waiting.set()
        if self.hang:
            await reader.read()
            return
        answer = self.raw if self.raw is not None else json.dumps(self.answer(self.seen[-1].path)).encode()
        more = "".join(
            f"{name}: {value}\r\n" for name, value in ({"content-type": "application/json"} | self.headers).items()
        )
        writer.write(
            f"HTTP/1.1 {self.status} X\r\n{more}content-length: {len(answer)}\r\nconnection: close\r\n\r\n".encode()
            + answer
        )
        await writer.drain()

    def answer(self, path: str) -> Any:
        if self.status != 200:
            return {"type": "error", "error": {"type": "some_error", "message": "as the provider says"}}
        if path == "/v1/messages":
            blocks = [{"type": "thinking", "thinking": "hm", "signature": ""}, {"type": "text", "text": self.text}]
            usage = {"input_tokens": 1, "output_tokens": 1}
            return {"id": "m", "type": "message", "role": "assistant", "content": blocks, "model": "m", "usage": usage}
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": self.text}}
        return {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}


@pytest.fixture(scope="session")
async def one_server() -> AsyncIterator[Provider]:
    provider = Provider()
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0)
    provider.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield provider
    server.close()
    await server.wait_closed()


@pytest.fixture
def provider(one_server: Provider) -> Provider:
    """The server, as good as new."""
    one_server.__init__(one_server.url)  # type: ignore[misc]  # its fields' defaults again
    return one_server


@pytest.fixture(scope="session")
async def gateways() -> AsyncIterator[Any]:
    """`gateways(provider, name, **changes)`: opening an official client costs more than a test, so they are kept."""
    made: dict[str, AIGateway] = {}

    def make(provider: Provider, name: str, **changes: Any) -> AIGateway:
        config = replace(for_test(name, KEY, provider.url).config, **changes)
        return made.setdefault(f"{config}{config.api_key}", AIGateway(config))

    yield make
    for gateway in made.values():
        await gateway.aclose()


@pytest.fixture
def ask(provider: Provider, gateways: Any) -> Any:
    """`await ask(name, **changes)`: one call to the server."""

    async def ask(name: str, **changes: Any) -> str:
        text: str = await gateways(provider, name, **changes).call("say hello")
        return text

    return ask
