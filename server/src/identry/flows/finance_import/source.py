"""Finance as it is at one moment: three tables, each read once, in the order of the users' ids.

All reading happens in one read-only REPEATABLE READ transaction. The memberships come as streams sorted like the users,
so that each batch of users meets its memberships without any index on Finance's side.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from identry.core.db import Database, Executor
from identry.core.foreign_tables import ForeignTable, describe

Row = Mapping[str, Any]

USER_FIELDS = {
    "id": ("id",),
    "email": ("email",),
    "password": ("password", "passwordHash", "hashedPassword"),
    "fullName": ("fullName", "name", "displayName"),
    "phoneNumber": ("phoneNumber", "phone"),
    "profilePictureUrl": ("profilePictureUrl", "profilePicture", "avatarUrl", "image"),
    "authProvider": ("authProvider",),
    "approvalStatus": ("approvalStatus",),
    "isActive": ("isActive", "active"),
    "legacyId": ("legacyId",),
    "createdAt": ("createdAt",),
    "updatedAt": ("updatedAt",),
}
COMPANY_FIELDS = {
    "id": ("id",),
    "userId": ("userId",),
    "companyId": ("companyId",),
    "role": ("role",),
    "isActive": ("isActive", "active"),
    "createdAt": ("createdAt",),
    "updatedAt": ("updatedAt",),
}
UNIT_FIELDS = {**COMPANY_FIELDS, "businessUnitId": ("businessUnitId",)}
_CASTS = {"isActive": "boolean", "createdAt": "timestamptz", "updatedAt": "timestamptz"}
_OPTIONAL = ("isActive", "createdAt", "updatedAt")
_FETCH = 1000


@dataclass(frozen=True, slots=True)
class TableNames:
    """How the tables and, where they differ from Prisma's, their columns (`User.email` → `mail`) are called."""

    users: str = "User"
    companies: str = "CompanyMembership"
    units: str = "BusinessUnitMembership"
    columns: Mapping[str, str] = field(default_factory=dict)

    def renamed(self, table: str) -> dict[str, str]:
        """Field → column, of one table (by its Prisma name)."""
        prefix = f"{table}."
        return {k.removeprefix(prefix): column for k, column in self.columns.items() if k.startswith(prefix)}


@dataclass(frozen=True, slots=True)
class Batch:
    """Some users and their memberships.

    Attributes:
        users: their rows.
        companies, units: rows of memberships by the text of the user's id.
        orphans: memberships (table, row) whose user Finance does not have.
    """

    users: list[Row]
    companies: dict[str, list[Row]]
    units: dict[str, list[Row]]
    orphans: list[tuple[str, Row]]


class _Stream:
    """The rows of one cursor in the order of the user's id, taken up to a given id at a time."""

    def __init__(self, tx: Executor, cursor: str) -> None:
        self._tx = tx
        self._fetch = f"FETCH FORWARD {_FETCH} FROM {cursor}"
        self._rows: list[Row] = []
        self._done = False

    async def up_to(self, last: str | None) -> list[Row]:
        """The next rows whose user's id is not after `last`; None takes the rest."""
        taken: list[Row] = []
        while True:
            if not self._rows and not self._done:
                self._rows = await self._tx.fetch(self._fetch)
                self._done = len(self._rows) < _FETCH
            if not self._rows:
                return taken
            end = next((i for i, row in enumerate(self._rows) if _after(row["userId"], last)), len(self._rows))
            taken += self._rows[:end]
            self._rows = self._rows[end:]
            if self._rows:
                return taken


class Snapshot:
    """Finance at one moment."""

    def __init__(self, tx: Executor, users: ForeignTable, companies: ForeignTable, units: ForeignTable) -> None:
        self._tx = tx
        self._users = users
        self._companies = companies
        self._units = units

    async def count(self) -> tuple[int, int, int]:
        """How many users, company memberships and business-unit memberships there are."""
        tables = (self._users, self._companies, self._units)
        sql = ", ".join(f"(SELECT count(*) FROM {table.name})" for table in tables)  # noqa: S608 - quoted names
        users, companies, units = await self._tx.fetchrow(f"SELECT {sql}") or (0, 0, 0)
        return users, companies, units

    async def has_users(self, ids: list[str]) -> set[str]:
        """Those of the (lower-case) ids that users of Finance have."""
        column = f"lower({self._users.column('id')})"
        sql = f"SELECT {column} AS id FROM {self._users.name} WHERE {column} = ANY($1)"  # noqa: S608 - quoted names
        return {row["id"] for row in await self._tx.fetch(sql, ids)}

    async def batches(self, size: int) -> AsyncIterator[Batch]:
        """Every user with its memberships; after the last users one batch with the orphans that are left."""
        await self._declare("finance_users", self._users, USER_FIELDS, "id")
        await self._declare("finance_companies", self._companies, COMPANY_FIELDS, "userId")
        await self._declare("finance_units", self._units, UNIT_FIELDS, "userId")
        companies, units = _Stream(self._tx, "finance_companies"), _Stream(self._tx, "finance_units")
        while True:
            users: list[Row] = await self._tx.fetch(f"FETCH FORWARD {size} FROM finance_users")
            last = users[-1]["id"] if users else None
            ids = {row["id"] for row in users}
            orphans: list[tuple[str, Row]] = []
            of_companies = _by_user("CompanyMembership", await companies.up_to(last), ids, orphans)
            of_units = _by_user("BusinessUnitMembership", await units.up_to(last), ids, orphans)
            yield Batch(users, of_companies, of_units, orphans)
            if not users:
                return

    async def _declare(self, cursor: str, table: ForeignTable, fields: Mapping[str, object], order: str) -> None:
        columns = ", ".join(f'{table.column(name, cast=_CASTS.get(name, "text"))} AS "{name}"' for name in fields)
        key = f'({table.column(order)}) COLLATE "C"'
        sql = f"DECLARE {cursor} NO SCROLL CURSOR FOR SELECT {columns} FROM {table.name} ORDER BY {key}"  # noqa: S608
        await self._tx.execute(sql)


class FinanceSource:
    """The Finance database.

    Args:
        db: opened read-only, with a long command time-out: the first rows come when the server has sorted its tables.
        names: of tables and columns.
    """

    def __init__(self, db: Database, names: TableNames) -> None:
        self._db = db
        self._names = names

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Snapshot]:
        """One moment of Finance, for as long as the block lasts.

        Raises:
            ForeignTableError: a table or a needed column is not there.
            Rejected: the role may not read one.
            Unavailable: Finance cannot be reached.
        """
        names = self._names
        async with self._db.transaction() as tx:
            await tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            await tx.execute("SET LOCAL TIME ZONE 'UTC'")  # Prisma's timestamps have no zone and mean UTC
            await tx.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            users = await describe(tx, names.users, USER_FIELDS, ("id", "email"), names.renamed("User"))
            needed = tuple(name for name in COMPANY_FIELDS if name not in _OPTIONAL)
            companies = await describe(tx, names.companies, COMPANY_FIELDS, needed, names.renamed("CompanyMembership"))
            units = await describe(
                tx, names.units, UNIT_FIELDS, (*needed, "businessUnitId"), names.renamed("BusinessUnitMembership")
            )
            yield Snapshot(tx, users, companies, units)


def _after(key: str | None, last: str | None) -> bool:
    """Whether a key sorts after `last` as PostgreSQL's "C" collation has it: by bytes, nulls last."""
    if last is None:
        return False
    return key is None or key.encode() > last.encode()


def _by_user(table: str, rows: list[Row], ids: set[str], orphans: list[tuple[str, Row]]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        if row["userId"] in ids:
            found.setdefault(row["userId"], []).append(row)
        else:
            orphans.append((table, row))
    return found
