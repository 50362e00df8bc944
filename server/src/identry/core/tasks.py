"""Tasks beside the requests: their beginning, how long they pause, and the end of one that runs until told to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextvars import Context
from typing import Any, TypeVar

from identry.core.secrets import random_below

T = TypeVar("T")


def apart(work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
    """A task that serves no request, whoever happened to cause it.

    It has neither that request's log fields nor its time at the database (`core/turns.py`), and keeps nothing of it.
    """
    return asyncio.get_running_loop().create_task(work, name=name, context=Context())


def spread(seconds: float) -> float:
    """About as long, a fifth more or less: what is done again and again is not done by all servers at once."""
    return seconds * (800 + random_below(401)) / 1000


async def ended(task: asyncio.Task[Any] | None) -> None:
    """Cancel a task and wait until it is over; None: there is none. Who waits can be cancelled like anybody.

    Raises:
        Whatever the task had failed with before.
    """
    if task is None:
        return
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.result()
