"""The platform in figures. Source: contracts/provider-api.md §12 `/dashboard/*`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from identry.core.clock import Clock
from identry.core.db import Database
from identry.core.ids import uuid7_at
from identry.flows.dashboard import queries
from identry.flows.dashboard.queries import Activity, Day, Stats, Usage

Check = Callable[[], Awaitable[object]]
MOST_APPS = 500
_PATIENCE = 2.0


@dataclass(frozen=True, slots=True)
class Health:
    """One dependency: `ok`, or what failed; and how long it took, in seconds."""

    status: str
    latency: float


class Dashboard:
    """Counts.

    Args:
        checks: name of a dependency → a call that raises when it is down; None: not configured.
    """

    def __init__(self, db: Database, clock: Clock, checks: Mapping[str, Check | None]) -> None:
        self._db = db
        self._clock = clock
        self._checks = checks
        self._started = clock.now()

    async def stats(self) -> Stats:
        """The platform now, and its last 24 hours."""
        now = self._clock.now()
        day = now - timedelta(days=1)
        return await queries.stats(self._db, now, day, _first_id(day))

    async def trends(self, days: int) -> list[Day]:
        """Sign-ins of the last days (UTC), today among them, the oldest first."""
        today = self._clock.now().astimezone(UTC).date()
        wanted = [today - timedelta(days=ago) for ago in reversed(range(days))]
        return await queries.trends(self._db, [(day, _begin(day), _begin(day + timedelta(days=1))) for day in wanted])

    async def usage(self) -> tuple[list[Usage], int]:
        """The newest `MOST_APPS` applications, their sign-ins of the last 30 days, and how many there are."""
        now = self._clock.now()
        found = await queries.usage(self._db, now, _first_id(now - timedelta(days=30)), MOST_APPS)
        return found, len(found) if len(found) < MOST_APPS else await queries.count_apps(self._db)

    async def activity(self, limit: int) -> list[Activity]:
        """What happened last."""
        return await queries.activity(self._db, limit)

    async def health(self) -> tuple[dict[str, Health], timedelta]:
        """Every dependency that is configured, and for how long this process has run."""
        named = {name: check for name, check in self._checks.items() if check is not None}
        found = await asyncio.gather(*(self._asked(check) for check in named.values()))
        return dict(zip(named, found, strict=True)), self._clock.now() - self._started

    async def _asked(self, check: Check) -> Health:
        begin = self._clock.timestamp()
        try:
            async with asyncio.timeout(_PATIENCE):
                await check()
        except TimeoutError:
            status = "timeout"
        except Exception as error:  # whatever it is, the dependency is not well, and that is the answer
            status = f"failed: {type(error).__name__}"
        else:
            status = "ok"
        return Health(status, self._clock.timestamp() - begin)


def _first_id(moment: datetime) -> UUID:
    return uuid7_at(int(moment.timestamp() * 1000))


def _begin(day: date) -> UUID:
    return _first_id(datetime(day.year, day.month, day.day, tzinfo=UTC))
