"""Month by month partitions of the tables whose UUIDv7 key holds their time; old months are dropped, not deleted.

A lock that is not granted within half a second (a dump reads the table) is given up and tried again by the next
round: a waiting ACCESS EXCLUSIVE lock would hold up every request behind it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg
import structlog

from identry.core.db import Database, affected
from identry.core.ids import uuid7_at

log = structlog.get_logger("identry.partitions")

_LOCK = 0x1DE27  # any constant that no other advisory lock of this database uses
_AHEAD = 2
_PATIENCE = "SET LOCAL lock_timeout = '500ms'"
_EXISTS = "SELECT EXISTS (SELECT FROM pg_class WHERE relname = $1 AND relnamespace = current_schema()::regnamespace)"
_SCAN_SECONDS = 120.0
_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Partitioned:
    """A table that is partitioned by month.

    Attributes:
        name: of the parent.
        storage: how its partitions are made.
        needed: which rows of an old month must stay until a later round; $1 is the instant that is compared with.
    """

    name: str
    storage: str = ""
    needed: str = ""


# Sessions are updated in place at every refresh: free room on each page keeps those updates HOT. One whose horizon is
# not past is kept, however old: REFRESH_TOKEN_TTL may have been longer when it was opened.
SESSIONS = Partitioned("sessions", "WITH (fillfactor = 70)", "expires_at > $1")
AUDIT = Partitioned("auth_audit_logs")


def month_of(moment: datetime, offset: int = 0) -> datetime:
    """The first instant of a month, `offset` months away from that of `moment`."""
    index = moment.year * 12 + moment.month - 1 + offset
    return datetime(index // 12, index % 12 + 1, 1, tzinfo=UTC)


async def ensure(db: Database, now: datetime) -> int:
    """Create this month's partition and the next two of every table, where they are missing; returns how many.

    One that cannot be made now is logged and left to the next round; its rows go to the default partition.

    Raises:
        Unavailable: the database cannot answer.
    """
    months = [month_of(now, offset) for offset in range(_AHEAD + 1)]
    wanted = {_name(table, month): (table, month) for table in (SESSIONS, AUDIT) for month in months}
    rows = await db.fetch("SELECT name FROM unnest($1::text[]) AS name WHERE to_regclass(name) IS NULL", list(wanted))
    made = [await _create(db, *wanted[row["name"]]) for row in rows]
    return sum(made)


async def drop_before(db: Database, table: Partitioned, before: datetime, *, ended: datetime | None = None) -> int:
    """Drop every month of `table` that was over before an instant and holds nothing that is still needed.

    `ended` is the `$1` of `table.needed`; `before` when None. Rows of that age in the default partition are deleted.
    Returns the number of partitions and of such rows.

    Raises:
        Unavailable: the database cannot answer.
    """
    rows = await db.fetch(
        """
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = $1::regclass AND c.relname ~ '_[0-9]{4}_[0-9]{2}$' AND c.relname < $2
        ORDER BY c.relname
        """,
        table.name,
        _name(table, month_of(before)),
    )
    horizon = [ended or before] if table.needed else []
    dropped = [await _drop(db, row["relname"], table.needed, horizon) for row in rows]
    return sum(dropped) + await _sweep_default(db, table, before, horizon)


def _name(table: Partitioned, month: datetime) -> str:
    return f"{table.name}_{month:%Y_%m}"


def _bound(edge: datetime) -> str:
    """The smallest UUID of an instant, of whatever version."""
    whole = str(uuid7_at(int(edge.timestamp() * 1000)))
    return f"{whole[:13]}-0000-0000-000000000000"


async def _create(db: Database, table: Partitioned, month: datetime) -> bool:
    name = _name(table, month)
    try:
        async with db.transaction() as tx:
            await tx.execute(_PATIENCE)
            await tx.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            # Not to_regclass: its cache may be older than the wait for the lock.
            if await tx.fetchval(_EXISTS, name):
                return False
            await tx.execute(
                f"CREATE TABLE {name} PARTITION OF {table.name}"
                f" FOR VALUES FROM ('{_bound(month)}') TO ('{_bound(month_of(month, 1))}') {table.storage}"
            )
    except asyncpg.CheckViolationError:
        log.warning("partitions.month_in_default", table=table.name, month=f"{month:%Y-%m}")
    except asyncpg.LockNotAvailableError:
        log.warning("partitions.locked", table=name)
    else:
        return True
    return False


async def _drop(db: Database, name: str, needed: str, horizon: list[datetime]) -> bool:
    if needed:
        question = f"SELECT EXISTS (SELECT FROM {name} WHERE {needed})"  # noqa: S608 - constant condition, name of the catalogue
        async with db.connection(limit=_SCAN_SECONDS) as connection:  # a whole month is read
            if await connection.fetchval(question, *horizon):
                return False
    try:
        async with db.transaction() as tx:
            await tx.execute(_PATIENCE)
            await tx.execute(f"DROP TABLE IF EXISTS {name}")
    except asyncpg.LockNotAvailableError:
        log.warning("partitions.locked", table=name)
        return False
    log.info("partitions.dropped", table=name)
    return True


async def _sweep_default(db: Database, table: Partitioned, before: datetime, horizon: list[datetime]) -> int:
    """Rows that were written while their month had no partition."""
    default, total, deleted = f"{table.name}_default", 0, _BATCH
    spared = f"AND NOT ({table.needed.replace('$1', '$2')})" if table.needed else ""
    while deleted == _BATCH:
        statement = (
            f"DELETE FROM {default} WHERE id IN"  # noqa: S608 - constant names and condition
            f" (SELECT id FROM {default} WHERE id < $1 {spared} LIMIT {_BATCH})"
        )
        deleted = affected(await db.execute(statement, uuid7_at(int(before.timestamp() * 1000)), *horizon))
        total += deleted
    return total
