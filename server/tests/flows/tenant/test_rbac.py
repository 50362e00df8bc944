"""Groups and permissions under /api/v1/rbac (contracts/browser-api.md §9)."""

from __future__ import annotations

from uuid import uuid4

from tenants import Tenant

from identry.permissions import BUILT_INS, CATALOGUE
from identry.records import groups


async def test_the_catalogue_lists_every_permission_with_its_halves(tenant: Tenant) -> None:
    status, body = await tenant.ask("GET", "/rbac/permissions")
    assert status == 200
    assert {p["key"] for p in body["permissions"]} == set(CATALOGUE)
    assert {"incidents:delete", "vpn:manage", "users:invite", "rbac:manage"} <= set(CATALOGUE)
    assert all(p["key"] == f"{p['resource']}:{p['action']}" and p["module"] and p["label"] for p in body["permissions"])


async def test_a_new_tenant_has_admin_and_read_only(tenant: Tenant) -> None:
    _, body = await tenant.ask("GET", "/rbac/groups")
    found = {group["name"]: group for group in body["groups"]}
    assert found["Admin"]["permissions"] == ["*"]
    assert found["Admin"]["built_in"] is True
    assert found["Admin"]["member_count"] == 1
    read_only = found["Read only"]["permissions"]
    assert all(key.endswith(":read") for key in read_only)
    assert not {"maintenance:read", "vpn:read", "backup:read"} & set(read_only)
    assert "incidents:read" in read_only


async def test_tenants_made_by_the_migration_have_the_groups_of_the_catalogue(tenant: Tenant) -> None:
    from importlib import resources

    sql = (resources.files("identry") / "migrations/000007_tenants.up.sql").read_text()
    for built_in in BUILT_INS:
        assert f"'{built_in.name}', '{built_in.description}'" in sql
        assert all(f"'{key}'" in sql for key in built_in.permissions)
    assert sql.count(":read'") == len(BUILT_INS[1].permissions)


async def test_a_group_is_made_changed_and_deleted_and_each_is_audited(tenant: Tenant) -> None:
    wanted = {"name": " Service desk ", "description": "calls", "permissions": ["incidents:*", "settings.users.read"]}
    status, made = await tenant.ask("POST", "/rbac/groups", wanted)
    assert status == 201
    assert made["name"] == "Service desk"
    assert made["permissions"] == ["incidents:*", "users:read"]
    path = f"/rbac/groups/{made['id']}"
    status, changed = await tenant.ask("PUT", path, {"name": "Desk", "permissions": ["incidents:read"]})
    assert (status, changed["name"], changed["permissions"]) == (200, "Desk", ["incidents:read"])
    assert await tenant.ask("GET", path) == (200, changed)
    assert await tenant.ask("DELETE", path) == (204, None)
    assert await tenant.code("GET", path) == (404, "not_found")
    events = [row["event"] for row in await tenant.app.audit(company_id=tenant.id, actor_user_id=tenant.admin.id)]
    assert [e for e in events if e.startswith("rbac.")] == [
        "rbac.group.created",
        "rbac.group.updated",
        "rbac.group.deleted",
    ]


async def test_a_name_is_taken_in_every_case(tenant: Tenant) -> None:
    await tenant.group(name="Night shift")
    group = await tenant.group(name="Day shift")
    body = {"name": "NIGHT SHIFT", "permissions": []}
    assert await tenant.code("POST", "/rbac/groups", body) == (409, "group_exists")
    assert await tenant.code("PUT", f"/rbac/groups/{group.id}", body) == (409, "group_exists")
    assert (await tenant.ask("PUT", f"/rbac/groups/{group.id}", {"name": "DAY SHIFT", "permissions": []}))[0] == 200


async def test_what_is_no_permission_is_refused_by_name(tenant: Tenant) -> None:
    for key in ("In:read", "a b", "*:read", "inc*", "a:*:b", "**", "ä:read", "x" * 101):
        status, code = await tenant.code("POST", "/rbac/groups", {"name": f"n {key}"[:50], "permissions": [key]})
        assert (status, code) == (400, "validation_error"), key


async def test_built_in_groups_stay_as_they_are(tenant: Tenant) -> None:
    for name in ("Admin", "Read only"):
        path = f"/rbac/groups/{(await tenant.built_in(name)).id}"
        assert await tenant.code("PUT", path, {"name": "Other", "permissions": []}) == (409, "group_built_in")
        assert await tenant.code("DELETE", path) == (409, "group_built_in")


async def test_a_right_counts_for_the_very_next_request(tenant: Tenant) -> None:
    group = await tenant.group()
    person = await tenant.person()
    status, body = await tenant.ask("GET", "/users", by=person)
    assert (status, body["error"]["code"]) == (403, "permission_denied")
    assert body["error"]["details"] == {"required": "users:read"}
    path = f"/rbac/groups/{group.id}"
    assert (await tenant.ask("PUT", f"{path}/members/{person.id}"))[0] == 204
    assert (await tenant.ask("GET", "/users", by=person))[0] == 403
    assert (await tenant.ask("PUT", path, {"name": "a", "permissions": ["users:*"]}))[0] == 200
    assert (await tenant.ask("GET", "/users", by=person))[0] == 200
    assert (await tenant.ask("DELETE", f"{path}/members/{person.id}"))[0] == 204
    assert (await tenant.ask("GET", "/users", by=person))[0] == 403


async def test_a_write_of_another_process_is_seen_by_the_version_and_else_after_half_a_minute(tenant: Tenant) -> None:
    person = await tenant.person(may=("rbac:read",))
    unversioned = {"x-unversioned": "1"}
    assert (await tenant.ask("GET", "/rbac/groups", by=person, headers=unversioned))[0] == 200
    group = next(g for g in await groups.of_user(tenant.app.db, tenant.id, person.id))
    await groups.remove_member(tenant.app.db, tenant.id, group.id, person.id)
    from identry.records import tenants

    await tenants.touch(tenant.app.db, tenant.id)
    assert (await tenant.ask("GET", "/rbac/groups", by=person, headers=unversioned))[0] == 200
    assert (await tenant.ask("GET", "/rbac/groups", by=person))[0] == 403
    await groups.add_member(tenant.app.db, tenant.id, group.id, person.id, tenant.app.clock.now())
    assert (await tenant.ask("GET", "/rbac/groups", by=person, headers=unversioned))[0] == 403
    tenant.app.clock.advance(31)
    assert (await tenant.ask("GET", "/rbac/groups", by=person, headers=unversioned))[0] == 200


async def test_nobody_gives_or_takes_more_than_they_have(tenant: Tenant) -> None:
    lesser = await tenant.person(may=("rbac:*", "incidents:*"))
    body = {"name": "g", "permissions": ["incidents:read", "settings:manage"]}
    status, refused = await tenant.ask("POST", "/rbac/groups", body, by=lesser)
    assert (status, refused["error"]["code"]) == (403, "permission_denied")
    assert refused["error"]["details"] == {"missing": ["settings:manage"]}
    strong = await tenant.group("settings:manage", "incidents:read")
    path = f"/rbac/groups/{strong.id}"
    weaker = {"name": "g", "permissions": ["incidents:read"]}
    assert await tenant.code("PUT", path, weaker, by=lesser) == (403, "permission_denied")
    assert await tenant.code("DELETE", path, by=lesser) == (403, "permission_denied")
    for verb in ("PUT", "DELETE"):
        where = f"/rbac/groups/{(await tenant.built_in('Admin')).id}/members/{tenant.admin.id}"
        assert await tenant.code(verb, where, by=lesser) == (403, "permission_denied")
    assert await tenant.code("PUT", f"{path}/members/{lesser.id}", by=lesser) == (403, "permission_denied")
    assert (await tenant.ask("POST", "/rbac/groups", {"name": "h", "permissions": ["incidents:read"]}, by=lesser))[
        0
    ] == 201


async def test_wildcards_of_all_parts_are_more_than_the_parts(tenant: Tenant) -> None:
    parts = tuple(key for key in CATALOGUE if key.startswith("incidents:"))
    lesser = await tenant.person(may=("rbac:*", *parts))
    body = {"name": "w", "permissions": ["incidents:*"]}
    assert await tenant.code("POST", "/rbac/groups", body, by=lesser) == (403, "permission_denied")


async def test_a_member_of_a_group_is_told_from_others(tenant: Tenant) -> None:
    admin_group = await tenant.built_in("Admin")
    person = await tenant.person()
    status, body = await tenant.ask("GET", f"/rbac/groups/{admin_group.id}/members/{tenant.admin.id}")
    assert (status, body["by_ownership"]) == (200, False)
    for user_id in (person.id, uuid4()):
        where = f"/rbac/groups/{admin_group.id}/members/{user_id}"
        assert await tenant.code("GET", where) == (404, "not_found")
        assert await tenant.code("DELETE", where) == (404, "not_found")
    stranger = await tenant.app.make_user()
    assert await tenant.code("PUT", f"/rbac/groups/{admin_group.id}/members/{stranger.id}") == (404, "not_found")


async def test_a_closed_tenant_and_a_deactivated_caller_change_nothing(tenant: Tenant) -> None:
    await tenant.app.db.execute("UPDATE tenants SET is_active = false WHERE id = $1", tenant.id)
    assert await tenant.code("POST", "/rbac/groups", {"name": "x", "permissions": []}) == (403, "permission_denied")
