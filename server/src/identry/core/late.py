"""Libraries that few workers ever need: loaded when the first asks for them, in a thread.

Loading one takes a tenth of a second: too long for the event loop, on which everybody else waits meanwhile, and for the
start of workers that go without it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Late:
    """`await late()`: from then on `load` has been done, and what it imports costs nothing to import again.

    Of many who come at once one loads and the others wait.

    Args:
        load: imports; called in a thread, and again by whoever comes after it failed.
    """

    def __init__(self, load: Callable[[], None]) -> None:
        self._load = load
        self._loaded = False
        self._turn = asyncio.Lock()

    async def __call__(self) -> None:
        """Load it unless that was done."""
        if self._loaded:
            return
        async with self._turn:
            if not self._loaded:
                await asyncio.to_thread(self._load)
                self._loaded = True
