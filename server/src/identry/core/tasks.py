"""The end of a task that runs until it is told to stop."""

from __future__ import annotations

import asyncio
from typing import Any


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
