"""The time, as a constructor argument. Nothing else in the house asks the operating system for it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What a service needs of the time."""

    def now(self) -> datetime:
        """The instant, timezone-aware, UTC."""

    def timestamp(self) -> float:
        """The same instant as seconds since the epoch."""


class SystemClock:
    """The operating system's clock."""

    def now(self) -> datetime:
        """The current instant, UTC."""
        return datetime.now(UTC)

    def timestamp(self) -> float:
        """Seconds since the epoch."""
        return time.time()


class MovableClock:
    """A clock that tests (and only tests) move; it ticks with the real one plus an offset."""

    def __init__(self) -> None:
        self._offset = 0.0

    def now(self) -> datetime:
        """The moved instant, UTC."""
        return datetime.fromtimestamp(self.timestamp(), UTC)

    def timestamp(self) -> float:
        """The moved instant as seconds since the epoch."""
        return time.time() + self._offset

    def advance(self, by: timedelta | float) -> None:
        """Move forward (or, with a negative value, back) by `by`, seconds when a number."""
        self._offset += by.total_seconds() if isinstance(by, timedelta) else by

    def reset(self) -> None:
        """Back to the real time."""
        self._offset = 0.0
