"""A circuit breaker: while Redis is away nobody waits for it, and one background probe looks whether it is back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from identry.core.tasks import apart, ended

log = structlog.get_logger(__name__)


class Breaker:
    """Closed, until `threshold` failures in a row; then open, until `probe` succeeds.

    While open, `probe` (which raises when Redis still cannot answer, and limits its own time) runs every `interval`
    seconds, so no request pays for finding out. Opening and closing are logged once each.
    """

    def __init__(
        self, probe: Callable[[], Awaitable[None]], *, threshold: int = 3, interval: float = 1.0, name: str = "redis"
    ) -> None:
        self._probe = probe
        self._threshold = threshold
        self._interval = interval
        self._name = name
        self._failures = 0
        self._probing: asyncio.Task[None] | None = None

    @property
    def is_open(self) -> bool:
        """True while calls should not even be tried."""
        return self._probing is not None

    def succeeded(self) -> None:
        """Note a call that was answered."""
        self._failures = 0

    def failed(self, error: BaseException) -> None:
        """Note one failure; `error` gives its type to the log, never its text."""
        self._failures += 1
        if self._failures >= self._threshold and self._probing is None:
            log.error("kv.unavailable", engine=self._name, error=type(error).__name__, failures=self._failures)
            self._probing = apart(self._probe_until_answered(), "kv-probe")

    async def close(self) -> None:
        """Stop probing."""
        await ended(self._probing)
        self._probing = None

    async def _probe_until_answered(self) -> None:
        loop = asyncio.get_running_loop()
        opened_at = loop.time()
        while True:
            await asyncio.sleep(self._interval)
            try:
                await self._probe()
            except Exception:  # noqa: S112 - still away: that was logged when the breaker opened
                continue
            break
        self._failures = 0
        self._probing = None
        log.info("kv.recovered", engine=self._name, outage_seconds=round(loop.time() - opened_at, 1))
