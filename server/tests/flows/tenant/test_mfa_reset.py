"""DELETE /api/v1/users/{id}/mfa: an administrator takes a lost second factor off a person of the tenant."""

from __future__ import annotations

import asyncio
import json
from uuid import uuid4

import pytest
from harness import Harness, Person
from letters import letters
from second_factor import Secured, login, secured, ticket_for, verify
from tenants import Tenant

from identry.records import factors, groups, tenants, users


async def lost(tenant: Tenant, *group_names: str, may: tuple[str, ...] = (), **fields: object) -> Secured:
    """A member of the tenant with a second factor, and recovery codes."""
    app = tenant.app
    found = await secured(app, codes=True, **fields)
    now = app.clock.now()
    await tenants.put_member(app.db, tenant.id, found.person.id, is_active=True, now=now)
    chosen = [await tenant.built_in(name) for name in group_names] + ([await tenant.group(*may)] if may else [])
    for group in chosen:
        await groups.add_member(app.db, tenant.id, group.id, found.person.id, now)
    return found


def path_of(person: Person) -> str:
    return f"/users/{person.id}/mfa"


async def still_on(app: Harness, found: Secured) -> bool:
    user = await users.find(app.db, found.person.id)
    return bool(user.mfa_enabled) and await factors.count_codes(app.db, user.id) == len(found.codes)


async def test_it_removes_factor_and_codes_and_ends_every_session(tenant: Tenant) -> None:
    app = tenant.app
    found = await lost(tenant, "Read only")
    signed_in = await verify(app, await ticket_for(app, found.person), found.code(app))
    bearer = {"Authorization": f"Bearer {signed_in.json()['data']['accessToken']}"}
    waiting = await ticket_for(app, found.person)
    assert await tenant.ask("DELETE", path_of(found.person)) == (204, None)
    assert not (await users.find(app.db, found.person.id)).mfa_enabled
    assert await factors.find(app.db, found.person.id) is None
    assert await factors.count_codes(app.db, found.person.id) == 0
    assert (await app.http.get("/auth/me", headers=bearer)).status_code == 401
    refresh = {"refreshToken": signed_in.json()["data"]["refreshToken"]}
    assert (await app.http.post("/auth/refresh", json=refresh)).status_code == 401
    assert (await verify(app, waiting, found.code(app, 1))).status_code == 401
    assert (await login(app, found.person)).status_code == 200
    [row] = await app.audit("auth.mfa.reset", target_user_id=found.person.id)
    assert (row["actor_user_id"], row["company_id"]) == (tenant.admin.id, tenant.id)
    assert json.loads(row["details"]) == {"revokedSessions": 1}
    assert len(await letters(app, found.person.email, "mfa_reset")) == 1


async def test_where_it_is_demanded_the_next_sign_in_sets_one_up(tenant: Tenant) -> None:
    app = tenant.app
    found = await lost(tenant)
    await app.db.execute("UPDATE tenants SET mfa_required = true WHERE id = $1", tenant.id)
    assert (await tenant.ask("DELETE", path_of(found.person)))[0] == 204
    reply = await login(app, found.person)
    assert (reply.status_code, reply.json()["error"]["code"]) == (403, "mfa_setup_required")


async def test_it_needs_the_permission(tenant: Tenant) -> None:
    found = await lost(tenant)
    for may in ((), ("users:read",), ("users:invite",), ("rbac:manage",)):
        by = await tenant.person(may=may)
        assert await tenant.code("DELETE", path_of(found.person), by=by) == (403, "permission_denied")
    assert await still_on(tenant.app, found)


@pytest.mark.parametrize("theirs", [("*",), ("users:*",), ("settings:manage",)])
async def test_nobody_resets_the_factor_of_somebody_who_may_more(tenant: Tenant, theirs: tuple[str, ...]) -> None:
    found = await lost(tenant, may=theirs)
    by = await tenant.person(may=("users:read", "users:manage"))
    status, body = await tenant.ask("DELETE", path_of(found.person), by=by)
    assert (status, body["error"]["code"]) == (403, "permission_denied")
    assert body["error"]["details"]["missing"] == list(theirs)
    assert await still_on(tenant.app, found)
    assert (await tenant.ask("DELETE", path_of(found.person)))[0] == 204


async def test_nobody_resets_their_own(tenant: Tenant) -> None:
    app = tenant.app
    person = await tenant.person("Admin")
    sealed = app.app.engines.totp_secrets.seal(person.id, "A" * 32)
    await factors.enrol(app.db, person.id, sealed, "k", app.clock.now())
    await factors.confirm(app.db, person.id, sealed, 1, app.clock.now())
    assert await tenant.code("DELETE", path_of(person), by=person) == (403, "permission_denied")
    assert (await users.find(app.db, person.id)).mfa_enabled


@pytest.mark.parametrize("role", ["PLATFORM_MODERATOR", "PLATFORM_ADMIN", "PLATFORM_SUPERADMIN"])
async def test_platform_staff_are_not_a_tenants_to_reset(tenant: Tenant, role: str) -> None:
    found = await lost(tenant, global_role=role)
    assert await tenant.code("DELETE", path_of(found.person)) == (403, "permission_denied")
    assert await still_on(tenant.app, found)


async def test_a_member_of_another_tenant_as_well_is_not_this_ones_to_reset(tenant: Tenant) -> None:
    found = await lost(tenant)
    other = await Tenant(tenant.app).made()
    await tenants.put_member(tenant.app.db, other.id, found.person.id, is_active=True, now=tenant.app.clock.now())
    for side in (tenant, other):
        assert await side.code("DELETE", path_of(found.person)) == (403, "permission_denied")
    assert await still_on(tenant.app, found)


async def test_people_of_other_tenants_and_nobody_are_404(tenant: Tenant) -> None:
    other = await Tenant(tenant.app).made()
    found = await lost(other)
    stranger = await secured(tenant.app)
    for user_id in (found.person.id, stranger.person.id, uuid4()):
        assert await tenant.code("DELETE", f"/users/{user_id}/mfa") == (404, "not_found")
    assert await still_on(tenant.app, found)
    assert await tenant.code("DELETE", "/users/not-a-uuid/mfa") == (400, "validation_error")


async def test_without_a_factor_it_is_a_conflict(tenant: Tenant) -> None:
    person = await tenant.person()
    assert await tenant.code("DELETE", path_of(person)) == (409, "mfa_not_enabled")
    assert (await tenant.app.http.get("/auth/me", headers=person.bearer)).status_code == 200


async def test_of_twenty_resets_at_once_one_tells_the_person(tenant: Tenant) -> None:
    found = await lost(tenant)
    replies = await asyncio.gather(*(tenant.ask("DELETE", path_of(found.person)) for _ in range(20)))
    assert sorted(status for status, _ in replies) == [204] + [409] * 19
    assert len(await letters(tenant.app, found.person.email, "mfa_reset")) == 1
