"""Both databases that the SQL layer speaks to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from identry_kit.narration.sql import SQLNarrations


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'narrations.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
async def engine(url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(url)
    yield engine
    await engine.dispose()


@pytest.fixture
async def sql(engine: AsyncEngine, clock: Any) -> SQLNarrations:
    """The layer on an empty table, with a clock that tests move."""
    layer = SQLNarrations(engine, clock=clock)
    await layer.create_table()
    await layer.flush()
    return layer
