"""Month by month partitions of the tables whose UUIDv7 key holds their time; old months are dropped, not deleted."""

from __future__ import annotations

from datetime import UTC, datetime

import asyncpg
import structlog

from identry.core.db import Database
from identry.core.ids import uuid7_at

log = structlog.get_logger("identry.partitions")

_LOCK = 0x1DE27  # any constant that no other advisory lock of this database uses
_AHEAD = 2

# Sessions are updated in place at every refresh: free room on each page keeps those updates HOT.
TABLES = {"sessions": "WITH (fillfactor = 70)", "auth_audit_logs": ""}


def month_of(moment: datetime, offset: int = 0) -> datetime:
    """The first instant of a month, `offset` months away from that of `moment`."""
    index = moment.year * 12 + moment.month - 1 + offset
    return datetime(index // 12, index % 12 + 1, 1, tzinfo=UTC)


async def ensure(db: Database, now: datetime) -> None:
    """Create this month's partition and the next two of every table, where they are missing."""
    for table, storage in TABLES.items():
        for offset in range(_AHEAD + 1):
            await _create(db, table, storage, month_of(now, offset), month_of(now, offset + 1))


async def _create(db: Database, table: str, storage: str, start: datetime, end: datetime) -> None:
    name = f"{table}_{start:%Y_%m}"
    low, high = (uuid7_at(int(edge.timestamp() * 1000)).int >> 64 for edge in (start, end))
    bounds = [f"{edge >> 32:08x}-{edge >> 16 & 0xFFFF:04x}-0000-0000-000000000000" for edge in (low, high)]
    try:
        async with db.transaction() as tx:
            await tx.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            if await tx.fetchval("SELECT to_regclass($1) IS NOT NULL", name):
                return
            sql = (
                f"CREATE TABLE {name} PARTITION OF {table} FOR VALUES FROM ('{bounds[0]}') TO ('{bounds[1]}') {storage}"
            )
            await tx.execute(sql)
    except asyncpg.CheckViolationError:
        log.warning(
            "rows of this month are in the default partition; it stays there", table=table, month=f"{start:%Y-%m}"
        )


async def drop_before(db: Database, table: str, before: datetime) -> list[str]:
    """Drop every monthly partition that ended before an instant; returns their names."""
    last = f"{table}_{month_of(before):%Y_%m}"
    rows = await db.fetch(
        """
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = $1::regclass AND c.relname ~ '_[0-9]{4}_[0-9]{2}$' AND c.relname < $2
        """,
        table,
        last,
    )
    names = [row["relname"] for row in rows]
    for name in names:
        await db.execute(f"DROP TABLE IF EXISTS {name}")
    return names
