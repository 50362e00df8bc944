"""Policies in a database, through an SQLAlchemy 2 async engine.

Needs `pip install 'identry-kit[sqlalchemy]'`.

PostgreSQL (asyncpg) is what it is for; SQLite (aiosqlite) does for a laptop. The table is a plain `Table` in a
`MetaData` of yours, so Alembic sees it like any other.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from identry_kit.tiering.memory import wall_clock
from identry_kit.tiering.policy import FeaturePolicy, plain
from identry_kit.tiering.service import MAX_POLICIES

try:
    from sqlalchemy import Column, Dialect, MetaData, Table, Text, select
    from sqlalchemy.dialects import postgresql, sqlite
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.types import DateTime, TypeDecorator, TypeEngine
except ImportError as missing:
    raise ImportError("sqlalchemy is missing: pip install 'identry-kit[sqlalchemy]'") from missing

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["TABLE_NAME", "SQLAlchemyPolicies", "policy_table"]

TABLE_NAME = "feature_policies"
_INSERT: dict[str, Callable[[Table], Any]] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}


class _CellType(TypeDecorator[Any]):
    """JSONB in PostgreSQL; elsewhere text, of which a broken one reads as None and spoils no other row."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(postgresql.JSONB() if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return value if dialect.name == "postgresql" else json.dumps(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        if dialect.name == "postgresql" or value is None:
            return value
        try:
            return json.loads(value)
        except (ValueError, TypeError, RecursionError):
            return None


class _Instant(TypeDecorator[datetime]):
    """timestamptz in PostgreSQL; elsewhere UTC without saying so."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - theirs
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - theirs
        return value if value is None or value.tzinfo is not None else value.replace(tzinfo=UTC)


def policy_table(metadata: MetaData, *, name: str = TABLE_NAME, schema: str | None = None) -> Table:
    """The table of feature policies, put into `metadata` (of your models, for Alembic's autogenerate).

    `feature` text primary key; `category label feature_type` text; `freemium pro enterprise` jsonb; `updated_at`
    timestamptz. All but the last NOT NULL. Called twice for the same name it gives the same table.
    """
    known = metadata.tables.get(name if schema is None else f"{schema}.{name}")
    if known is not None:
        return known
    return Table(
        name,
        metadata,
        Column("feature", Text, primary_key=True),
        Column("category", Text, nullable=False, index=True),
        Column("label", Text, nullable=False),
        Column("feature_type", Text, nullable=False),
        Column("freemium", _CellType, nullable=False),
        Column("pro", _CellType, nullable=False),
        Column("enterprise", _CellType, nullable=False),
        Column("updated_at", _Instant),
        schema=schema,
    )


class SQLAlchemyPolicies:
    """A `PolicyRepository` on `engine`; each method is one statement in a transaction of its own.

    `table` is what `policy_table` made, by default one called `feature_policies`. `clock`, in seconds since the epoch,
    is for `updated_at`. Methods raise `sqlalchemy.exc.DBAPIError`. It keeps nothing in memory.
    """

    def __init__(
        self, engine: AsyncEngine, table: Table | None = None, *, clock: Callable[[], float] = wall_clock
    ) -> None:
        try:
            self._insert = _INSERT[engine.dialect.name]
        except KeyError:
            raise ValueError(f"policies are kept in PostgreSQL or SQLite, not in {engine.dialect.name}") from None
        self._engine = engine
        self.table = policy_table(MetaData()) if table is None else table
        self._columns = [self.table.c[field.name] for field in fields(FeaturePolicy)]
        self._clock = clock

    async def create(self) -> None:
        """Make the table unless it is there; for services without migrations. Several may do it at once."""
        try:
            await self._create()
        except DBAPIError:  # another one may have been quicker, between looking and making
            await self._create()

    async def list(self) -> Sequence[FeaturePolicy]:
        """See `PolicyRepository.list`; by feature, and not many more than `PolicyService` takes."""
        statement = select(*self._columns).order_by(self.table.c.feature).limit(MAX_POLICIES + 1)
        async with self._engine.connect() as connection:
            return [_policy(row) for row in await connection.execute(statement)]

    async def get_by_feature(self, feature: str) -> FeaturePolicy | None:
        """See `PolicyRepository.get_by_feature`."""
        statement = select(*self._columns).where(self.table.c.feature == feature)
        async with self._engine.connect() as connection:
            row = (await connection.execute(statement)).one_or_none()
        return None if row is None else _policy(row)

    async def upsert(self, policy: FeaturePolicy) -> FeaturePolicy:
        """See `PolicyRepository.upsert`."""
        insert = self._insert(self.table).values(self._row(policy))
        others = {column.name: insert.excluded[column.name] for column in self._columns if not column.primary_key}
        statement = insert.on_conflict_do_update(index_elements=[self.table.c.feature], set_=others)
        async with self._engine.begin() as connection:
            return _policy((await connection.execute(statement.returning(*self._columns))).one())

    async def seed_defaults(self, policies: Iterable[FeaturePolicy]) -> None:
        """See `PolicyRepository.seed_defaults`; all of them or none."""
        rows = [self._row(policy) for policy in policies]
        if rows:
            statement = self._insert(self.table).on_conflict_do_nothing(index_elements=[self.table.c.feature])
            async with self._engine.begin() as connection:
                await connection.execute(statement, rows)

    async def _create(self) -> None:
        async with self._engine.begin() as connection:
            await connection.run_sync(lambda sync: self.table.create(sync, checkfirst=True))

    def _row(self, policy: FeaturePolicy) -> dict[str, Any]:
        return {
            "feature": policy.feature,
            "category": policy.category,
            "label": policy.label,
            "feature_type": policy.feature_type,
            "freemium": plain(policy.freemium),
            "pro": plain(policy.pro),
            "enterprise": plain(policy.enterprise),
            "updated_at": datetime.fromtimestamp(self._clock(), UTC),
        }


def _policy(row: Any) -> FeaturePolicy:
    return FeaturePolicy(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for a row as a mapping
