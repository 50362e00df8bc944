"""Two ports, one thread: what the stand-in runs on."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn


class _Server(uvicorn.Server):
    """A server that leaves the process's signals alone."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listening() -> socket.socket:
    # asyncio turns Nagle's delay off (40 ms per answer) only for sockets that say that they are TCP.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    listening.listen(2048)
    return listening


@contextmanager
def running(*apps: Any) -> Iterator[tuple[list[str], asyncio.AbstractEventLoop]]:
    """Serve each application on a port of its own; yields their addresses and the loop they run in."""
    sockets = [_listening() for _ in apps]
    servers = [
        _Server(uvicorn.Config(app, log_config=None, lifespan="off", ws="none", http="h11", loop="asyncio"))
        for app in apps
    ]
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        await asyncio.gather(*(server.serve([listening]) for server, listening in zip(servers, sockets, strict=True)))

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run, name="standin", daemon=True)
    thread.start()
    yield [f"http://127.0.0.1:{listening.getsockname()[1]}" for listening in sockets], loop
    for server in servers:
        server.should_exit = True
        server.force_exit = True
    thread.join()
    for listening in sockets:
        listening.close()
