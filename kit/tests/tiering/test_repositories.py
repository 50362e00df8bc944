"""One suite for every repository: in memory, SQLite, PostgreSQL."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import MetaData, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine

from identry_kit.tiering import (
    FeaturePolicy,
    PolicyRepository,
    PolicyService,
    marshal_access,
)
from identry_kit.tiering.sqlalchemy import SQLAlchemyPolicies, policy_table

Defaults = tuple[FeaturePolicy, ...]


async def test_an_empty_repository(repository: PolicyRepository) -> None:
    assert list(await repository.list()) == []
    assert await repository.get_by_feature("ai_narration") is None
    await repository.seed_defaults([])


async def test_what_was_seeded_is_listed_by_feature(
    repository: PolicyRepository, defaults: Defaults, clock: Any
) -> None:
    await repository.seed_defaults(reversed(defaults))
    now = datetime.fromtimestamp(clock(), UTC)
    assert list(await repository.list()) == [replace(policy, updated_at=now) for policy in defaults]


async def test_seeding_keeps_what_is_there(repository: PolicyRepository, defaults: Defaults) -> None:
    await repository.seed_defaults(defaults[:1])
    changed = await repository.upsert(replace(defaults[0], freemium=marshal_access(True)))
    await repository.seed_defaults([*defaults, replace(defaults[1], label="a second one")])
    assert await repository.get_by_feature("ai_narration") == changed
    exports = await repository.get_by_feature("export_limit")
    assert exports is not None
    assert exports.label == "Monthly Exports"


async def test_upsert_replaces_every_column_and_tells_when(
    repository: PolicyRepository, defaults: Defaults, clock: Any
) -> None:
    await repository.upsert(defaults[0])
    clock.advance(60)
    new = replace(defaults[1], feature="ai_narration", label="Ünïcode ✓ '\"; --")
    stored = await repository.upsert(new)
    assert stored == replace(new, updated_at=datetime.fromtimestamp(clock(), UTC))
    assert await repository.get_by_feature("ai_narration") == stored


async def test_replicas_may_create_and_seed_at_once(engine: AsyncEngine, defaults: Defaults) -> None:
    tables = [policy_table(MetaData(), name="feature_policies_race") for _ in range(4)]
    replicas = [SQLAlchemyPolicies(engine, table) for table in tables]

    async def start(replica: SQLAlchemyPolicies) -> None:
        await replica.create()
        await replica.seed_defaults(defaults)

    await asyncio.gather(*map(start, replicas))
    assert len(await replicas[0].list()) == 2
    async with engine.begin() as connection:
        await connection.run_sync(tables[0].drop)


async def test_a_table_in_ones_own_metadata_and_schema(engine: AsyncEngine, defaults: Defaults) -> None:
    metadata = MetaData()
    table = policy_table(metadata, name="plans", schema="billing")
    assert policy_table(metadata, name="plans", schema="billing") is table
    assert list(metadata.tables) == ["billing.plans"]
    async with engine.begin() as connection:
        await connection.execute(text("CREATE SCHEMA billing"))
        await connection.run_sync(metadata.create_all)
        columns = await connection.run_sync(lambda sync: inspect(sync).get_columns("plans", schema="billing"))
    assert {column["name"]: str(column["type"]) for column in columns} == {
        "feature": "TEXT",
        "category": "TEXT",
        "label": "TEXT",
        "feature_type": "TEXT",
        "freemium": "JSONB",
        "pro": "JSONB",
        "enterprise": "JSONB",
        "updated_at": "TIMESTAMP",
    }
    policies = SQLAlchemyPolicies(engine, table)
    await policies.seed_defaults(defaults)
    async with engine.begin() as connection:
        await connection.execute(text("ALTER TABLE billing.plans ADD COLUMN ours int"))
    assert len(await policies.list()) == 2
    async with engine.begin() as connection:
        await connection.execute(text("DROP SCHEMA billing CASCADE"))


BROKEN = ["{", "", "null", "[]", '"x"', '{"allowed": "yes"}', '{"allowed": 1}', "[" * 100_000]


@pytest.mark.parametrize("broken", BROKEN)
async def test_a_broken_cell_denies_and_spoils_no_other_row(
    sqlite_policies: SQLAlchemyPolicies, defaults: Defaults, broken: str
) -> None:
    await sqlite_policies.seed_defaults([*defaults, replace(defaults[0], feature="other")])
    async with sqlite_policies._engine.begin() as connection:
        await connection.execute(
            text("UPDATE feature_policies SET pro = :cell WHERE feature = 'ai_narration'"), {"cell": broken}
        )
    service = PolicyService(sqlite_policies)
    assert not await service.is_allowed("ai_narration", "pro")
    assert await service.is_allowed("ai_narration", "enterprise")
    assert await service.is_allowed("other", "pro")


@pytest.mark.parametrize("cell", ["null", "[]", "true", '{"limit": -2}', '{"limit": 5.0}', '{"limit": 1e30}'])
async def test_a_wrong_cell_in_postgresql_is_no_limit(
    pg_policies: SQLAlchemyPolicies, defaults: Defaults, cell: str
) -> None:
    await pg_policies.seed_defaults(defaults)
    async with pg_policies._engine.begin() as connection:
        await connection.execute(
            text("UPDATE feature_policies SET pro = cast(:cell AS jsonb) WHERE feature = 'export_limit'"),
            {"cell": cell},
        )
    service = PolicyService(pg_policies)
    assert await service.numeric_limit("export_limit", "pro") == 0
    assert await service.numeric_limit("export_limit", "enterprise") == -1


def test_other_databases_are_refused_at_once() -> None:
    dialect = SimpleNamespace(name="mysql")
    with pytest.raises(ValueError, match="PostgreSQL or SQLite, not in mysql"):
        SQLAlchemyPolicies(SimpleNamespace(dialect=dialect))  # type: ignore[arg-type]


def test_without_sqlalchemy_the_error_names_the_extra() -> None:
    code = """
import sys
sys.modules["sqlalchemy"] = None
from identry_kit import tiering, sqllog
for ask in (lambda: __import__("identry_kit.tiering.sqlalchemy"), lambda: sqllog.SQLLog().attach(None)):
    try:
        ask()
    except ImportError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert all("pip install 'identry-kit[sqlalchemy]'" in line for line in lines)
