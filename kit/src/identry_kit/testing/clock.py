"""A clock for tests."""

from __future__ import annotations

import time


class MovableClock:
    """For every argument called `clock` in the kit: call it for seconds; it stands still until a test moves it.

    It starts at `now` (seconds since the epoch), or at the present, so that tokens minted by it are good for code that
    reads the real clock too.
    """

    def __init__(self, now: float | None = None) -> None:
        self.now: float = float(int(time.time())) if now is None else now  # noqa: TID251 - where a test's time begins

    def __call__(self) -> float:
        """The time."""
        return self.now

    def advance(self, seconds: float) -> float:
        """Move by `seconds` (back, when negative); returns the new time."""
        self.now += seconds
        return self.now

    def __repr__(self) -> str:
        return f"MovableClock({self.now!r})"
