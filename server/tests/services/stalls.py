"""A process that stands still at the worst moment: what it waits for arrives meanwhile, and its timers ring first."""

from __future__ import annotations

import asyncio
import select
import socket
import time
from collections.abc import Callable


async def stand_still(seconds: float, line: int, tell: Callable[[], object] = lambda: None) -> None:
    """Hold the event loop up for `seconds`, in the call-back of another socket, and until `line` can be read.

    After such a call-back uvloop looks at its timers, and at other sockets only then; asyncio does it the other way.
    `tell` is called first, to send what arrives meanwhile.
    """
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()

    def hold() -> None:
        loop.remove_reader(ours)
        end = time.monotonic() + seconds
        tell()
        select.select([line], [], [], 10)
        time.sleep(max(end - time.monotonic(), 0))
        held.set()

    held = asyncio.Event()
    with ours, theirs:
        loop.add_reader(ours, hold)
        for _ in range(3):
            await asyncio.sleep(0)  # what was written before is on its way
        theirs.send(b"x")
        await held.wait()
