"""`SQLNarrations` on PostgreSQL and on SQLite: the same promises."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import MetaData, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from identry_kit.narration import Narration, NarrationCache, NarrationCacher
from identry_kit.narration.sql import SQLNarrations, narration_table

A, B = UUID(int=1), UUID(int=2)
ONE, TWO = Narration("one", {"model": "m", "ms": [1, 2]}), Narration("two")


async def test_it_keeps_by_tenant_and_key(sql: SQLNarrations) -> None:
    layer: NarrationCacher = sql
    await layer.put(A, "k", ONE)
    await layer.put(B, "k", TWO)
    assert [await layer.get(tenant, "k") for tenant in (A, str(A), B)] == [ONE, ONE, TWO]
    assert await layer.get(A, "other") is None
    assert await layer.size() == 2


async def test_a_new_value_replaces_the_old_with_a_new_time(sql: SQLNarrations, clock: Any) -> None:
    await sql.put(A, "k", ONE)
    clock.advance(86_000)
    await sql.put(A, "k", TWO)
    clock.advance(86_400)
    assert await sql.get(A, "k") == TWO
    clock.advance(0.01)
    assert await sql.get(A, "k") is None


async def test_a_sweep_deletes_what_is_over(sql: SQLNarrations, clock: Any) -> None:
    await sql.put(A, "old", ONE)
    clock.advance(86_401)
    await sql.put(A, "new", TWO)
    assert (await sql.size(), await sql.sweep(), await sql.size()) == (2, 1, 1)
    assert await sql.get(A, "new") == TWO


async def test_flush_forgets_one_tenant_or_all(sql: SQLNarrations) -> None:
    for tenant in (A, B):
        await sql.put(tenant, "k", ONE)
    await sql.flush(A)
    assert (await sql.get(A, "k"), await sql.get(B, "k")) == (None, ONE)
    await sql.flush()
    assert await sql.size() == 0


@pytest.mark.parametrize("narrative", ["a\0b", "\ud800", "'; DROP TABLE narration_cache; --", "é😀", "", "x" * 60_000])
async def test_any_text_is_kept_as_it_is(sql: SQLNarrations, narrative: str) -> None:
    output = Narration(narrative, {"note": narrative})
    await sql.put(narrative.encode("ascii", "ignore").decode().replace("\0", "")[:100], "':k", output)
    cached = await sql.get(narrative.encode("ascii", "ignore").decode().replace("\0", "")[:100], "':k")
    assert cached == output


async def test_a_row_that_cannot_be_read_is_no_row(sql: SQLNarrations, engine: AsyncEngine) -> None:
    await sql.put(A, "k", ONE)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE narration_cache SET body = 'rubbish'"))
    assert await sql.get(A, "k") is None


async def test_many_writers_of_one_key_leave_one_row(sql: SQLNarrations) -> None:
    await asyncio.gather(*(sql.put(A, "k", Narration(str(number))) for number in range(10)))
    assert await sql.size() == 1
    found = await sql.get(A, "k")
    assert found is not None
    assert found.narrative in set("0123456789")


async def test_below_a_memory_it_survives_a_restart(sql: SQLNarrations) -> None:
    runs = []

    async def make() -> Narration:
        runs.append(1)
        return ONE

    for _ in range(2):
        cache = NarrationCache(below=sql)
        assert await cache.get_or_make(A, "k", make) == ONE
    assert len(runs) == 1


async def test_a_table_that_is_missing_costs_a_cache_and_nothing_else(
    engine: AsyncEngine, caplog: pytest.LogCaptureFixture
) -> None:
    missing = SQLNarrations(engine, table=narration_table(MetaData(), "never_created"))
    cache = NarrationCache(below=missing)

    async def make() -> str:
        return "made"

    assert (await cache.get_or_make(A, "k", make)).narrative == "made"
    assert "going on without it" in caplog.text


async def test_a_table_of_ones_own_metadata(engine: AsyncEngine) -> None:
    metadata = MetaData()
    table = narration_table(metadata, "our_narrations")
    layer = SQLNarrations(engine, table=table)
    await layer.create_table()
    await layer.create_table()
    await layer.put(A, "k", ONE)
    assert await layer.get(A, "k") == ONE
    assert list(metadata.tables) == ["our_narrations"]


def test_another_database_is_refused() -> None:
    class Elsewhere:
        dialect = type("Dialect", (), {"name": "mysql"})

    with pytest.raises(ValueError, match="not mysql"):
        SQLNarrations(Elsewhere())  # type: ignore[arg-type]  # no driver of another database is installed


def test_its_repr_shows_no_address() -> None:
    secret = create_async_engine("postgresql+asyncpg://user:secret@127.0.0.1/db")
    assert "secret" not in repr(SQLNarrations(secret))


def test_without_sqlalchemy_the_extra_is_named() -> None:
    code = (
        "import sys; sys.modules['sqlalchemy'] = None; import identry_kit.narration; import identry_kit.narration.sql"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install 'identry-kit[sqlalchemy]'" in done.stderr.splitlines()[-1]
