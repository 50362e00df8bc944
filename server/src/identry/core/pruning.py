"""Deleting what has expired, without holding anybody up."""

from __future__ import annotations

from datetime import datetime

from identry.core.db import Executor, affected


async def prune_expired(db: Executor, table: str, key: str, before: datetime, *, batch: int = 1000) -> int:
    """Delete the rows whose `expires_at` lies before an instant; returns how many.

    One statement for each `batch` of rows, so that no lock lasts; a row that somebody holds is left for the next time.
    `table` and its primary key `key` are written into the statement: constants of the calling code.
    """
    sql = f"""
        DELETE FROM {table} WHERE {key} IN
            (SELECT {key} FROM {table} WHERE expires_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)
    """  # noqa: S608 - constant names
    total, deleted = 0, batch
    while deleted == batch:
        deleted = affected(await db.execute(sql, before, batch))
        total += deleted
    return total
