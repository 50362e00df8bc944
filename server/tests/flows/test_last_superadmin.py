"""The last active PLATFORM_SUPERADMIN stays, in a database of its own where there are few."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from harness import Harness, Person, Servers, running
from services.databases import migrated_database


@pytest.fixture(scope="module")
async def lonely(servers: Servers) -> AsyncIterator[Harness]:
    """An application on an empty database."""
    url = await migrated_database(servers.postgres_url)
    async with running(Servers(url, servers.redis_url)) as harness:
        yield harness


async def patch(app: Harness, caller: Person, target: Person, **fields: Any) -> Any:
    return await app.http.patch(f"/internal/users/{target.id}", json=fields, headers=caller.bearer)


async def test_the_last_superadmin_is_neither_demoted_nor_deactivated_nor_deleted(lonely: Harness) -> None:
    only = await lonely.signed_in(global_role="PLATFORM_SUPERADMIN")
    await lonely.make_user(global_role="PLATFORM_SUPERADMIN", is_active=False)
    await lonely.make_user(global_role="PLATFORM_SUPERADMIN", approval_status="REJECTED")
    for fields in (
        {"globalRole": "PLATFORM_ADMIN"},
        {"isActive": False},
        {"approvalStatus": "REJECTED"},
        {"approvalStatus": "PENDING"},
        {"isActive": False, "globalRole": "NONE"},
    ):
        reply = await patch(lonely, only, only, **fields)
        assert (reply.status_code, reply.json()["error"]["code"]) == (409, "conflict"), fields
    assert (await lonely.http.delete(f"/internal/users/{only.id}", headers=only.bearer)).status_code == 403
    assert (await lonely.http.get("/auth/me", headers=only.bearer)).status_code == 200


async def test_superadmins_removing_one_another_at_once_leave_one(lonely: Harness) -> None:
    for _ in range(10):
        await lonely.db.execute("UPDATE users SET global_role = 'NONE'")
        people = [await lonely.signed_in(global_role="PLATFORM_SUPERADMIN") for _ in range(3)]
        pairs = zip(people, people[1:] + people[:1], strict=True)
        replies = await asyncio.gather(*(patch(lonely, a, b, globalRole="NONE") for a, b in pairs))
        left = await lonely.db.fetchval("SELECT count(*) FROM users WHERE global_role = 'PLATFORM_SUPERADMIN'")
        assert left >= 1
        assert {reply.status_code for reply in replies} <= {200, 401, 403, 409}
        assert sum(reply.status_code == 200 for reply in replies) == 3 - left
