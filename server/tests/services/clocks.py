"""Clocks for tests: what the machine does that stands still for a moment is nothing to them."""

from __future__ import annotations

import time

from identry.core.clock import MovableClock

_MOMENT = 0.25


class StillClock(MovableClock):
    """Moves when it is moved, and not while a test waits."""

    def __init__(self) -> None:
        super().__init__()
        self._at = float(int(time.time()))

    def timestamp(self) -> float:
        """The moved instant as seconds since the epoch."""
        return self._at + self._offset


class SteadyClock(MovableClock):
    """Ticks with the real one, but from one look to the next by no more than a moment: longer is a machine's pause."""

    def __init__(self) -> None:
        super().__init__()
        self._at, self._looked_at = time.time(), time.monotonic()

    def timestamp(self) -> float:
        """The moved instant as seconds since the epoch."""
        now = time.monotonic()
        self._at += min(now - self._looked_at, _MOMENT)
        self._looked_at = now
        return self._at + self._offset

    def reset(self) -> None:
        """Back to the real time."""
        super().reset()
        self._at, self._looked_at = time.time(), time.monotonic()
