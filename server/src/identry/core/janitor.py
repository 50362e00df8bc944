"""The house-keeping that nobody waits for: every worker tries it now and then, one of them does it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from identry.core.db import Database, Unavailable
from identry.core.tasks import ended, spread

log = structlog.get_logger("identry.janitor")

_LOCK = 0x1DE28
_AGAIN = 60.0


@dataclass(frozen=True, slots=True)
class Chore:
    """Something to keep in order.

    Attributes:
        name: for the log.
        run: does it and returns how many things it made or removed. It is done again and again, so it must be
            harmless when there is nothing to do, and when another worker did half of it.
    """

    name: str
    run: Callable[[], Awaitable[int]]


class Janitor:
    """Does its chores `first` seconds after the start and then every `interval`, each give or take a fifth."""

    def __init__(self, db: Database, chores: Sequence[Chore], *, first: float = 60.0, interval: float = 3600.0) -> None:
        self._db = db
        self._chores = chores
        self._first = first
        self._interval = interval
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin in the running event loop."""
        self._task = asyncio.create_task(self._run(), name="janitor")

    async def stop(self) -> None:
        """Stop; a chore under way is broken off (each of its statements is whole)."""
        await ended(self._task)
        self._task = None

    async def round(self) -> dict[str, int] | None:
        """Do every chore once; returns what each did. None: another process is at it.

        A chore that fails is logged and does not keep the others from being done.

        Raises:
            Unavailable: the database cannot answer.
        """
        async with self._db.transaction() as tx:
            if not await tx.fetchval("SELECT pg_try_advisory_xact_lock($1)", _LOCK):
                return None
            done = {chore.name: await self._do(chore) for chore in self._chores}
        if any(done.values()):
            log.info("janitor.done", **done)
        return done

    async def _do(self, chore: Chore) -> int:
        try:
            return await chore.run()
        except Unavailable as error:
            log.warning("janitor.postponed", chore=chore.name, reason=str(error))
        except Exception:  # one bad chore must not end the others, nor the task
            log.exception("janitor.failed", chore=chore.name)
        return 0

    async def _run(self) -> None:
        pause = self._first
        while True:
            await asyncio.sleep(spread(pause))
            pause = self._interval
            try:
                await self.round()
            except Unavailable as error:
                log.warning("janitor.postponed", reason=str(error))
                pause = _AGAIN
            except Exception:  # as above
                log.exception("janitor.failed")
