"""docs/kit/sqllog.md is run as it stands, its database replaced by the one at hand."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from identry.core.embedded import EmbeddedPostgres

GUIDE = Path(__file__).parents[3] / "docs" / "kit" / "sqllog.md"
BLOCKS = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)


def run(number: int, old: str = "", new: str = "") -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": __name__}
    exec(compile(BLOCKS[number].replace(old, new), str(GUIDE), "exec"), names)
    return names


def test_every_block_is_run_below() -> None:
    assert len(BLOCKS) == 3


async def test_an_engine(postgres_url: str, caplog: pytest.LogCaptureFixture) -> None:
    names = run(0, "postgresql+asyncpg://localhost/orders", postgres_url)
    async with names["engine"].connect() as connection:
        await connection.execute(text("SELECT pg_sleep(0.201)"))
    slow = [record for record in caplog.records if "pg_sleep" in record.sql]  # type: ignore[attr-defined]
    assert [(record.levelname, record.getMessage()) for record in slow] == [("WARNING", "slow sql query")]
    await names["engine"].dispose()


def test_nothing_found(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="identry_kit.sql")
    names = run(1)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [("DEBUG", "sql not found")]
    names["engine"].dispose()


async def test_asyncpg(postgres: EmbeddedPostgres, caplog: pytest.LogCaptureFixture) -> None:
    pool = await run(2, "postgresql://localhost/orders", postgres.url)["start"]()
    assert await pool.fetchval("SELECT 1") == 1
    await pool.close()
    assert not [record for record in caplog.records if record.levelno > logging.WARNING]
