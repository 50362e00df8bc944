"""Tables of a system that is not ours: which columns they have, by which names, safely quoted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from identry.core.db import Executor


class ForeignTableError(Exception):
    """The table is not there, or lacks a column that is needed; the text says so in one line."""


@dataclass(frozen=True, slots=True)
class ForeignTable:
    """A table as it was found.

    Attributes:
        name: quoted, ready for a statement.
        columns: field → its column, quoted; a field without a column is missing.
    """

    name: str
    columns: Mapping[str, str]

    def column(self, field: str, *, cast: str = "text") -> str:
        """The field's column cast to a type, or NULL of that type when the table does not have it."""
        column = self.columns.get(field)
        return f"{column}::{cast}" if column else f"NULL::{cast}"


def quote(name: str) -> str:
    """A table's or column's name as an SQL identifier; a dot parts schema and table."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in name.split("."))


async def describe(
    db: Executor, table: str, fields: Mapping[str, Sequence[str]], required: Sequence[str], renamed: Mapping[str, str]
) -> ForeignTable:
    """Find a table and, for each field, the first of its possible columns.

    Args:
        db: the foreign database.
        table: name without quotes, case as in the database; `schema.table` is possible.
        fields: field → names that its column may have, the likeliest first.
        required: fields that must be there.
        renamed: field → the name of its column, when it is none of those.

    Raises:
        ForeignTableError: no such table, or a required or renamed field has no column.
    """
    rows = await db.fetch(
        """
        SELECT attname::text AS name FROM pg_attribute
        WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped
        """,
        quote(table),
    )
    if not rows:
        raise ForeignTableError(f"there is no table {quote(table)}, or the role may not see it")
    present = {row["name"] for row in rows}
    columns = {}
    for field, usual in fields.items():
        names = (renamed[field],) if field in renamed else usual
        found = next((name for name in names if name in present), None)
        if found is not None:
            columns[field] = quote(found)
        elif field in required or field in renamed:
            raise ForeignTableError(f"{quote(table)} has no column {' or '.join(map(quote, names))}")
    return ForeignTable(quote(table), columns)
