"""Changes that are asked for at once go together; with PostgreSQL: `flows/test_refresh_together.py`."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar

import pytest

from identry.core.batches import Batches

WHO: ContextVar[str] = ContextVar("who")


class Store:
    """Makes changes when it is let, and notes in whose name."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.gate = asyncio.Event()
        self.away = False
        self._batches: Batches[str, str] = Batches(self._send)

    async def _send(self, changes: list[str]) -> dict[bytes, str]:
        self.told.append(f"{WHO.get()} sends {' '.join(changes)}")
        await self.gate.wait()
        if self.away:
            raise ConnectionError
        return {change.encode(): change.upper() for change in changes}

    async def change(self, name: str) -> str | None:
        """As one request of this name."""
        WHO.set(name)
        return await self._batches(name.encode(), name)


@pytest.fixture
async def under_way() -> tuple[Store, list[asyncio.Task[str | None]]]:
    """A store with as many statements under way as may be, and more that wait."""
    store, tasks = Store(), []
    for name in ("a", "b"):
        tasks.append(asyncio.create_task(store.change(name)))
        while len(store.told) < len(tasks):
            await asyncio.sleep(0)
    tasks += [asyncio.create_task(store.change(name)) for name in ("d", "c")]
    await asyncio.sleep(0)
    return store, tasks


async def test_who_waits_leaves_in_its_own_name_and_not_in_that_of_who_left_before(
    under_way: tuple[Store, list[asyncio.Task[str | None]]],
) -> None:
    store, tasks = under_way
    store.gate.set()
    assert await asyncio.gather(*tasks) == ["A", "B", "D", "C"]
    assert store.told == ["a sends a", "b sends b", "d sends c d"]


async def test_an_outage_is_told_to_those_that_were_under_way_and_the_next_leave(
    under_way: tuple[Store, list[asyncio.Task[str | None]]],
) -> None:
    store, tasks = under_way
    store.away = True
    store.gate.set()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(one) for one in found] == [ConnectionError] * 4
    store.away = False
    assert await store.change("e") == "E"
