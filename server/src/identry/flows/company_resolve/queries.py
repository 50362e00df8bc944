"""Finance's table of companies. It is small: it is read by text, whatever the types of its columns."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from identry.core.db import Executor
from identry.core.foreign_tables import ForeignTable, describe

FIELDS = {
    "id": ("id",),
    "legacyId": ("legacyId", "legacy_id", "oldId"),
    "name": ("name", "companyName"),
}


class FinanceCompanies:
    """Reads companies.

    Args:
        db: the Finance database, read only.
        table: its table of companies.
        renamed: `Company.field` → the name of its column, when it is another than Prisma's.
    """

    def __init__(self, db: Executor, table: str, renamed: Mapping[str, str]) -> None:
        self._db = db
        self._name = table
        self._renamed = {
            field.removeprefix("Company."): column for field, column in renamed.items() if field.startswith("Company.")
        }
        self._table: ForeignTable | None = None

    async def meant_by(self, raw: str) -> list[UUID]:
        """The companies with this id; else those with this legacy id; else those with this name (in any case)."""
        table = await self._described()
        text = f"""
            SELECT {table.column("id")} AS id,
                   lower({table.column("id")}) = lower($1) AS by_id,
                   {table.column("legacyId")} = $1 AS by_legacy_id
            FROM {table.name}
            WHERE lower({table.column("id")}) = lower($1) OR {table.column("legacyId")} = $1
               OR lower(btrim({table.column("name")})) = lower($1)
            LIMIT 100
        """  # noqa: S608 - quoted identifiers
        rows = [row for row in await self._db.fetch(text, raw) if _uuid(row["id"])]
        for how in ("by_id", "by_legacy_id"):
            if exact := [row for row in rows if row[how]]:
                rows = exact
                break
        return sorted({UUID(row["id"]) for row in rows})

    async def exists(self, company_id: UUID) -> bool:
        """Whether there is a company with this id."""
        table = await self._described()
        text = f"SELECT EXISTS (SELECT FROM {table.name} WHERE lower({table.column('id')}) = $1)"  # noqa: S608 - quoted
        return bool(await self._db.fetchval(text, str(company_id)))

    async def _described(self) -> ForeignTable:
        if self._table is None:
            self._table = await describe(self._db, self._name, FIELDS, ("id",), self._renamed)
        return self._table


def _uuid(text: str) -> bool:
    try:
        return bool(UUID(text))
    except ValueError:
        return False
