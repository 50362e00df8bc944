"""How long the machine kept this process from running: no bound of time can ask that of the code under test."""

from __future__ import annotations

import threading
import time
from types import TracebackType

_TICK = 0.02


class Pauses:
    """Watches, from a thread of its own, while its block runs: what blocks the event loop alone is no pause.

    Example:
        with Pauses() as pauses:
            began = time.monotonic()
            …
            assert time.monotonic() - began < 0.5 + pauses.seconds
    """

    def __init__(self) -> None:
        self._seconds = 0.0
        self._longest = 0.0
        self._looked_at = time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="pauses", daemon=True)

    def __enter__(self) -> Pauses:
        self._looked_at = time.monotonic()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    @property
    def seconds(self) -> float:
        """All of them together, one that has only just ended included."""
        return self._seconds + self._since_the_last_look()

    @property
    def longest(self) -> float:
        """The longest of them."""
        return max(self._longest, self._since_the_last_look())

    def _since_the_last_look(self) -> float:
        return max(time.monotonic() - self._looked_at - _TICK, 0.0)

    def _watch(self) -> None:
        while not self._over.wait(_TICK):
            pause = self._since_the_last_look()
            self._seconds += pause
            self._longest = max(self._longest, pause)
            self._looked_at = time.monotonic()
