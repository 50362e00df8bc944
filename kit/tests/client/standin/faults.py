"""The layer before the stand-in: it writes down each request and, when told so, answers wrongly or not at all."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

HTML = b"<!doctype html><html><body><h1>maintenance</h1></body></html>"
HUGE = 10 * 1024 * 1024 + 1


@dataclass(frozen=True)
class Seen:
    """One request as it came in: `port` is `public` or `admin`, `path` is not decoded."""

    port: str
    method: str
    path: str
    query: str
    headers: dict[str, bytes]
    header_names: list[str]
    body: bytes

    @property
    def bearer(self) -> str:
        return self.headers.get("authorization", b"").decode().removeprefix("Bearer ")


class Faults:
    """Wraps an application. `plan` holds the faults of the next requests; `gate` is shut to let requests wait."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.plan: deque[tuple[str, str, dict[str, str]]] = deque()
        self.loop: asyncio.AbstractEventLoop | None = None
        self.gate: asyncio.Event | None = None

    def fail(self, recipe: str, times: int = 1, *, path: str = "", **headers: str) -> None:
        """The next `times` requests whose path ends in `path` get this fault; `_` in a header's name is `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.plan.extend([(recipe, path, named)] * times)

    def seen_at(self, path: str) -> list[Seen]:
        return [request for request in list(self.seen) if request.path.endswith(path)]

    def release(self) -> None:
        """Let waiting requests go on."""
        if self.loop is not None and self.gate is not None:
            self.loop.call_soon_threadsafe(self.gate.set)

    def release_when(self, condition: Callable[[], bool]) -> None:
        """The same, when `condition` has come true; blocks until then, ten seconds at most."""
        for _ in range(5000):
            if condition():
                break
            time.sleep(0.002)
        self.release()

    def around(self, app: Any, port: str) -> Any:
        async def layer(scope: Any, receive: Any, send: Any) -> None:
            body = b""
            while True:
                message = await receive()
                body += message.get("body", b"")
                if not message.get("more_body"):
                    break
            names = [name.decode() for name, _ in scope["headers"]]
            headers = {name.decode(): value for name, value in scope["headers"]}
            path, query = scope["raw_path"].decode(), scope["query_string"].decode()
            self.seen.append(Seen(port, scope["method"], path, query, headers, names, body))
            if self.plan and path.endswith(self.plan[0][1]):
                recipe, _, extra = self.plan.popleft()
                if not await self._misbehave(recipe, extra, send):
                    return
            delivered = False

            async def again() -> dict[str, Any]:
                nonlocal delivered
                if delivered:
                    return await receive()  # type: ignore[no-any-return]
                delivered = True
                return {"type": "http.request", "body": body, "more_body": False}

            await app(scope, again, send)

        return layer

    async def _misbehave(self, recipe: str, extra: dict[str, str], send: Any) -> bool:
        """Do the fault; True when the request shall be served after all."""
        if recipe.startswith("wait"):
            self.gate = self.gate or asyncio.Event()
            await self.gate.wait()
            recipe = recipe.removeprefix("wait").removeprefix(", then ")
        match recipe:
            case "":
                return True
            case "hang":
                self.gate = self.gate or asyncio.Event()
                await self.gate.wait()
                abort(send)
            case "cut":
                abort(send)
            case "cut in the middle":
                await start(send, 200, {"content-length": "1000"})
                await send({"type": "http.response.body", "body": b'{"id":', "more_body": True})
                abort(send)
            case "html":
                await reply(send, 200, HTML, {"content-type": "text/html", **extra})
            case "huge, declared":
                await start(send, 200, {"content-length": str(HUGE)})
                abort(send)
            case "huge, chunked":
                await start(send, 200, {})
                for _ in range(HUGE // 65536 + 1):
                    await send({"type": "http.response.body", "body": b" " * 65536, "more_body": True})
            case "trickle":
                await start(send, 200, {})
                self.gate = self.gate or asyncio.Event()
                while not self.gate.is_set():
                    await send({"type": "http.response.body", "body": b" ", "more_body": True})
                    await asyncio.sleep(0.01)
                abort(send)
            case "redirect":
                await reply(send, 307, b"", {"location": "/stolen", **extra})
            case "compressed":
                await reply(send, 200, gzip.compress(b"{}"), {"content-encoding": "gzip"})
            case "cookie":
                await reply(send, 200, b"{}", {"set-cookie": "session=someone; Path=/"})
            case _:
                status, _, body = recipe.partition(" ")
                await reply(send, int(status), body.encode(), extra)
        return False


def abort(send: Any) -> None:
    """Cut the connection: uvicorn's `send` belongs to an object that knows the transport."""
    send.__self__.transport.abort()


async def start(send: Any, status: int, headers: dict[str, str]) -> None:
    lines = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": lines})


async def reply(send: Any, status: int, body: bytes, headers: dict[str, str]) -> None:
    await start(send, status, {"content-length": str(len(body)), **headers})
    await send({"type": "http.response.body", "body": body})
