"""Companies that exist when tenants arrive become tenants; and both directions of the migration run."""

from __future__ import annotations

from uuid import UUID, uuid4

import asyncpg
from services.databases import create_database

from identry.core.embedded import EmbeddedPostgres
from identry.core.migrate import migrate_down, migrate_up
from identry.permissions import BUILT_INS

_USER = """
    INSERT INTO users (id, email, full_name, global_role, is_active, approval_status, auth_provider, email_verified,
                       mfa_enabled, token_version, legacy_ids, created_at, updated_at)
    VALUES ($1, $2, 'Ada', 'NONE', true, 'APPROVED', 'password', true, false, 1, '{}', now(), now())
"""
_MEMBERSHIP = """
    INSERT INTO company_memberships (id, user_id, company_id, role, is_active, created_at, updated_at)
    VALUES ($1, $2, $3, 'OWNER', $4, now(), now())
"""


async def test_companies_become_tenants_with_their_members_and_the_built_in_groups(postgres: EmbeddedPostgres) -> None:
    url = await create_database(postgres.url)
    await migrate_up(url)
    db = await asyncpg.connect(url)
    while await db.fetchval("SELECT version FROM schema_migrations") >= 7:
        await migrate_down(url)
    company, people = uuid4(), [uuid4(), uuid4()]
    for user_id, active in zip(people, (True, False), strict=True):
        await db.execute(_USER, user_id, f"{user_id}@example.com")
        await db.execute(_MEMBERSHIP, uuid4(), user_id, company, active)
    await migrate_up(url)
    assert await db.fetchval("SELECT slug FROM tenants WHERE id = $1", company) == str(company)
    members = await db.fetch("SELECT user_id, is_active FROM tenant_members WHERE tenant_id = $1", company)
    found: dict[UUID, bool] = {row["user_id"]: row["is_active"] for row in members}
    assert found == {people[0]: True, people[1]: False}
    groups = await db.fetch("SELECT name, description, permissions, built_in FROM groups WHERE tenant_id = $1", company)
    assert {(g["name"], g["description"], tuple(sorted(g["permissions"])), g["built_in"]) for g in groups} == {
        (b.name, b.description, b.permissions, True) for b in BUILT_INS
    }
    await db.close()
