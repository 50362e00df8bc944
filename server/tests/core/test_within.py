"""A limit of time, on both event loops: they differ in what they look at first after a stall, timers or sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop
from services.stalls import stand_still

from identry.core.within import Within

Loop = Callable[[], asyncio.AbstractEventLoop]


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """Runs a coroutine on a loop of its own."""

    def run(work: Coroutine[Any, Any, Any]) -> Any:
        with asyncio.Runner(loop_factory=request.param) as runner:
            return runner.run(work)

    return run


async def limited(seconds: float, work: Coroutine[Any, Any, Any]) -> Any:
    with Within(seconds):
        return await work


def test_what_takes_too_long_is_ended(run: Any) -> None:
    async def both() -> None:
        for seconds in (0.01, 0.0, -1.0):
            with pytest.raises(TimeoutError):
                await limited(seconds, asyncio.sleep(60))
        assert await limited(60, asyncio.sleep(0, "done")) == "done"

    run(both())


def test_a_cancellation_by_somebody_else_and_an_error_pass(run: Any) -> None:
    async def other() -> None:
        task = asyncio.create_task(limited(60, asyncio.sleep(60)))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()
        both = asyncio.create_task(limited(0, asyncio.sleep(60)))
        await asyncio.sleep(0)
        both.get_loop().call_later(0, both.cancel)  # at the same moment
        await asyncio.wait({both})
        assert both.cancelled() or isinstance(both.exception(), TimeoutError)
        with pytest.raises(LookupError), Within(60):
            raise LookupError
        inner = asyncio.create_task(limited(60, limited(0.01, asyncio.sleep(60))))
        with pytest.raises(TimeoutError):
            await inner

    run(other())


def test_what_arrived_while_the_loop_stood_still_is_in_time_and_what_did_not_is_late(run: Any) -> None:
    async def stall() -> None:
        ours, theirs = socket.socketpair()
        ended, end = socket.socketpair()
        end.close()  # so `ended` can be read at once
        reader, writer = await asyncio.open_connection(sock=ours)
        line = ours.fileno()
        waiting = asyncio.create_task(limited(0.3, reader.readexactly(2)))
        await stand_still(0.4, line, lambda: theirs.send(b"ok"))
        assert await waiting == b"ok"
        waiting = asyncio.create_task(limited(0.05, reader.readexactly(2)))
        await stand_still(0.1, ended.fileno())
        with pytest.raises(TimeoutError):
            await waiting
        writer.close()
        await writer.wait_closed()
        theirs.close()
        ended.close()

    run(stall())
