"""Months made ahead, dropped when over, on a real PostgreSQL, at year ends and with clocks that are far off."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from services.databases import migrated_database

from identry.core import partitions
from identry.core.db import Database
from identry.core.embedded import EmbeddedPostgres
from identry.core.ids import uuid7_at
from identry.core.partitions import AUDIT, SESSIONS, month_of


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.fixture
async def db(postgres: EmbeddedPostgres) -> AsyncIterator[Database]:
    """A database of its own, so that months of other years are nobody else's."""
    database = await Database.connect(await migrated_database(postgres.url), patience=30)
    yield database
    await database.close()


async def months(db: Database, table: str) -> list[str]:
    rows = await db.fetch(
        "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
        " WHERE i.inhparent = $1::regclass ORDER BY 1",
        table,
    )
    return [row["relname"].removeprefix(f"{table}_") for row in rows]


async def add_event(db: Database, when: datetime) -> str:
    """Write an event of an instant; returns the partition that took it."""
    row_id = uuid7_at(int(when.timestamp() * 1000), secrets.randbits(74))
    await db.execute(
        "INSERT INTO auth_audit_logs (id, occurred_at, event, actor_type, outcome)"
        " VALUES ($1, $2, 'x', 'system', 'success')",
        row_id,
        when,
    )
    name: str = await db.fetchval("SELECT tableoid::regclass::text FROM auth_audit_logs WHERE id = $1", row_id)
    return name.removeprefix("auth_audit_logs_")


async def add_session(db: Database, when: datetime, expires_at: datetime) -> None:
    row_id = uuid7_at(int(when.timestamp() * 1000), secrets.randbits(74))
    await db.execute(
        "INSERT INTO sessions (id, user_id, created_at, expires_at, auth_time, amr, token_version, refresh_token_hash)"
        " VALUES ($1, $1, $2, $3, $2, '{pwd}', 1, 'x')",
        row_id,
        when,
        expires_at,
    )


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-01-31T23:59:59.999", ["2026_01", "2026_02", "2026_03"]),
        ("2026-11-01", ["2026_11", "2026_12", "2027_01"]),
        ("2026-12-31T23:59:59", ["2026_12", "2027_01", "2027_02"]),
        ("2028-02-29", ["2028_02", "2028_03", "2028_04"]),
        ("2199-12-01", ["2199_12", "2200_01", "2200_02"]),
    ],
)
async def test_this_month_and_the_next_two_exist(db: Database, now: str, expected: list[str]) -> None:
    assert await partitions.ensure(db, at(now)) == 6
    for table in ("sessions", "auth_audit_logs"):
        assert await months(db, table) == [*expected, "default"]
    assert await partitions.ensure(db, at(now)) == 0


async def test_months_meet_without_gap_or_overlap(db: Database) -> None:
    await partitions.ensure(db, at("2026-11-15"))
    millisecond = timedelta(milliseconds=1)
    for month in ("2026-11-01", "2026-12-01", "2027-01-01"):
        first = at(month)
        assert await add_event(db, first) == f"{first:%Y_%m}"
        assert await add_event(db, month_of(first, 1) - millisecond) == f"{first:%Y_%m}"
    assert await add_event(db, at("2026-11-01") - millisecond) == "default"
    assert await add_event(db, at("2027-02-01")) == "default"


async def test_ids_of_a_clock_far_ahead_land_in_the_default_partition_and_do_no_harm(db: Database) -> None:
    await partitions.ensure(db, at("2026-05-10"))
    assert await add_event(db, at("2026-08-20")) == "default"  # this replica's clock is three months fast
    assert await partitions.ensure(db, at("2026-06-10")) == 1  # August of the sessions; not that of the events
    assert "2026_08" not in await months(db, "auth_audit_logs")
    assert await add_event(db, at("2026-08-21")) == "default"
    assert await partitions.ensure(db, at("2026-07-10")) == 2  # September as always


async def test_eight_workers_starting_at_once_make_each_month_once(db: Database) -> None:
    made = await asyncio.gather(*(partitions.ensure(db, at("2026-05-10")) for _ in range(8)))
    assert sum(made) == 6


async def test_a_table_that_is_being_read_is_left_alone_quickly(db: Database) -> None:
    async with db.connection() as dump:
        await dump.execute("BEGIN")
        await dump.execute("LOCK TABLE auth_audit_logs_default IN ACCESS SHARE MODE")
        async with asyncio.timeout(30):
            assert await partitions.ensure(db, at("2026-05-10")) == 3  # the sessions' own
        await dump.execute("ROLLBACK")
    assert await partitions.ensure(db, at("2026-05-10")) == 3


async def test_months_before_an_instant_are_dropped_that_of_the_instant_stays(db: Database) -> None:
    await partitions.ensure(db, at("2026-01-10"))
    await partitions.ensure(db, at("2026-04-10"))
    for month in range(1, 7):
        await add_event(db, at(f"2026-{month:02}-15"))
    assert await partitions.drop_before(db, AUDIT, at("2026-03-20")) == 2
    assert await months(db, "auth_audit_logs") == ["2026_03", "2026_04", "2026_05", "2026_06", "default"]
    assert await db.fetchval("SELECT count(*) FROM auth_audit_logs") == 4
    assert await months(db, "sessions") == [f"2026_{n:02}" for n in range(1, 7)] + ["default"]


async def test_a_month_goes_over_the_year_s_end(db: Database) -> None:
    await partitions.ensure(db, at("2026-11-10"))
    assert await partitions.drop_before(db, AUDIT, at("2027-01-01")) == 2
    assert await months(db, "auth_audit_logs") == ["2027_01", "default"]


async def test_a_month_with_a_session_that_still_counts_is_kept(db: Database) -> None:
    await partitions.ensure(db, at("2026-01-10"))
    await add_session(db, at("2026-01-20"), expires_at=at("2026-12-20"))  # opened under a longer REFRESH_TOKEN_TTL
    await add_session(db, at("2026-02-20"), expires_at=at("2026-03-20"))
    assert await partitions.drop_before(db, SESSIONS, at("2026-06-01"), ended=at("2026-07-01")) == 2
    assert await months(db, "sessions") == ["2026_01", "default"]
    assert await partitions.drop_before(db, SESSIONS, at("2026-12-01"), ended=at("2026-12-21")) == 1


async def test_old_rows_of_the_default_partition_go_too(db: Database) -> None:
    for day in range(1, 29):
        await add_event(db, at(f"2025-03-{day:02}"))
    await add_session(db, at("2025-03-01"), expires_at=at("2025-04-01"))
    await add_session(db, at("2025-03-02"), expires_at=at("2026-04-01"))
    assert await partitions.drop_before(db, AUDIT, at("2025-03-15")) == 14
    assert await partitions.drop_before(db, SESSIONS, at("2025-06-01"), ended=at("2025-07-01")) == 1
    assert await db.fetchval("SELECT count(*) FROM sessions") == 1
