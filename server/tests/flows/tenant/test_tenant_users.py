"""The people of a tenant under /api/v1/users (contracts/browser-api.md §9)."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

from tenants import Tenant

from identry.records import groups, memberships, tenants


async def test_the_list_goes_by_name_in_pages_and_can_be_searched(tenant: Tenant) -> None:
    for name in ("Bea", "Ada", "Cleo"):
        await tenant.person(full_name=f"{name} Person")
    status, body = await tenant.ask("GET", "/users?page_size=2&search=person")
    assert status == 200
    assert [person["full_name"] for person in body["data"]] == ["Ada Person", "Bea Person"]
    assert (body["page"], body["page_size"], body["total_count"]) == (1, 2, 4)  # with the administrator, Test Person
    _, body = await tenant.ask("GET", "/users?search=Cleo")
    assert [person["groups"] for person in body["data"]] == [[]]


async def test_a_person_has_groups_and_both_states(tenant: Tenant) -> None:
    status, body = await tenant.ask("GET", f"/users/{tenant.admin.id}")
    assert (status, body["is_active"], body["account_active"]) == (200, True, True)
    assert [group["name"] for group in body["groups"]] == ["Admin"]
    await tenant.app.db.execute("UPDATE users SET is_active = false WHERE id = $1", (other := await tenant.person()).id)
    _, body = await tenant.ask("GET", f"/users/{other.id}")
    assert (body["is_active"], body["account_active"]) == (True, False)


async def test_an_ended_membership_loses_its_rights_and_the_company_and_comes_back_without_a_role(
    tenant: Tenant,
) -> None:
    person = await tenant.person("Read only")
    await tenant.app.join(person, tenant.id, "MANAGER")
    assert (await tenant.ask("GET", "/users", by=person))[0] == 200
    status, body = await tenant.ask("PATCH", f"/users/{person.id}", {"is_active": False})
    assert (status, body["is_active"]) == (200, False)
    assert (await tenant.ask("GET", "/users", by=person))[0] == 401
    company = await memberships.find_company(tenant.app.db, tenant.id, person.id)
    assert company is not None
    assert company.is_active is False
    status, body = await tenant.ask("PATCH", f"/users/{person.id}", {"is_active": True})
    assert (status, [group["name"] for group in body["groups"]]) == (200, ["Read only"])
    assert (await tenant.ask("GET", "/users", by=person))[0] == 200
    company = await memberships.find_company(tenant.app.db, tenant.id, person.id)
    assert company is not None
    assert company.is_active is False
    events = [row["event"] for row in await tenant.app.audit(company_id=tenant.id, target_user_id=person.id)]
    assert events == ["membership.company.updated", "tenant.member.updated", "tenant.member.updated"]


async def test_who_is_taken_out_leaves_every_group_and_keeps_the_account(tenant: Tenant) -> None:
    person = await tenant.person("Read only", may=("users:read",))
    assert await tenant.ask("DELETE", f"/users/{person.id}") == (204, None)
    _, body = await tenant.ask("GET", f"/users/{person.id}")
    assert (body["is_active"], body["groups"], body["account_active"]) == (False, [], True)


async def test_a_name_is_changed_only_where_the_account_is_this_tenants_alone(tenant: Tenant) -> None:
    person = await tenant.person()
    status, body = await tenant.ask("PATCH", f"/users/{person.id}", {"full_name": " Ada L "})
    assert (status, body["full_name"]) == (200, "Ada L")
    other = await Tenant(tenant.app).made()
    await tenants.put_member(tenant.app.db, other.id, person.id, is_active=False, now=tenant.app.clock.now())
    path, wanted = f"/users/{person.id}", {"full_name": "Eve"}
    assert await tenant.code("PATCH", path, wanted) == (403, "permission_denied")
    staff = await tenant.person(global_role="PLATFORM_MODERATOR")
    assert await tenant.code("PATCH", f"/users/{staff.id}", wanted) == (403, "permission_denied")


async def test_nobody_ends_their_own_membership_or_that_of_who_may_do_more(tenant: Tenant) -> None:
    await tenant.person("Admin")
    assert await tenant.code("PATCH", f"/users/{tenant.admin.id}", {"is_active": False}) == (403, "permission_denied")
    assert await tenant.code("DELETE", f"/users/{tenant.admin.id}") == (403, "permission_denied")
    lesser = await tenant.person(may=("users:*",))
    for body in ({"is_active": False}, {"full_name": "Eve"}):
        code = await tenant.code("PATCH", f"/users/{tenant.admin.id}", body, by=lesser)
        assert code == (403, "permission_denied")
    assert await tenant.code("DELETE", f"/users/{tenant.admin.id}", by=lesser) == (403, "permission_denied")


async def test_an_empty_change_and_wrong_fields_are_refused(tenant: Tenant) -> None:
    path = f"/users/{tenant.admin.id}"
    for body in ({}, {"full_name": ""}, {"full_name": "a\nb"}, {"is_active": "no"}):
        assert await tenant.code("PATCH", path, body) == (400, "validation_error"), body
    for body in ({}, {"group_ids": "x"}, {"group_ids": ["x"]}, {"group_ids": [str(uuid4())] * 501}):
        assert await tenant.code("PUT", f"{path}/groups", body) == (400, "validation_error")


async def test_groups_are_set_to_exactly_those_named(tenant: Tenant) -> None:
    person, group = await tenant.person("Read only"), await tenant.group("incidents:read", name="Z")
    path = f"/users/{person.id}/groups"
    status, body = await tenant.ask("PUT", path, {"group_ids": [str(group.id), str(group.id)]})
    assert (status, [g["name"] for g in body["groups"]]) == (200, ["Z"])
    assert await tenant.code("PUT", path, {"group_ids": [str(uuid4())]}) == (404, "not_found")
    status, body = await tenant.ask("PUT", path, {"group_ids": []})
    assert (status, body["groups"]) == (200, [])
    events = [row["event"] for row in await tenant.app.audit(company_id=tenant.id, target_user_id=person.id)]
    assert sorted(events) == ["rbac.member.added", "rbac.member.removed", "rbac.member.removed"]


async def test_nobody_raises_themselves(tenant: Tenant) -> None:
    lesser = await tenant.person(may=("rbac:*",))
    own = (await groups.of_user(tenant.app.db, tenant.id, lesser.id))[0]
    for name in ("Admin", "Read only"):
        wanted = {"group_ids": [str(own.id), str((await tenant.built_in(name)).id)]}
        assert await tenant.code("PUT", f"/users/{lesser.id}/groups", wanted, by=lesser) == (403, "permission_denied")
    raised = {"name": "mine", "permissions": ["rbac:*", "users:read"]}
    assert await tenant.code("PUT", f"/rbac/groups/{own.id}", raised, by=lesser) == (403, "permission_denied")


async def test_a_tenant_keeps_its_last_administrator(tenant: Tenant) -> None:
    path = f"/users/{tenant.admin.id}/groups"
    assert await tenant.code("PUT", path, {"group_ids": []}) == (409, "last_admin")
    where = f"/rbac/groups/{(await tenant.built_in('Admin')).id}/members/{tenant.admin.id}"
    assert await tenant.code("DELETE", where) == (409, "last_admin")
    sleeper = await tenant.person("Admin")
    await tenant.app.db.execute("UPDATE users SET is_active = false WHERE id = $1", sleeper.id)
    assert await tenant.code("DELETE", where) == (409, "last_admin")
    await tenant.app.db.execute("UPDATE users SET is_active = true WHERE id = $1", sleeper.id)
    assert (await tenant.ask("DELETE", where))[0] == 204


async def test_administrators_who_remove_one_another_at_once_leave_one(tenant: Tenant) -> None:
    admins = [tenant.admin, *[await tenant.person("Admin") for _ in range(5)]]
    group = await tenant.built_in("Admin")
    pairs = zip(admins, admins[1:] + admins[:1], strict=True)
    answers = await asyncio.gather(
        *(
            tenant.ask("DELETE", f"/users/{victim.id}", by=by)
            if i % 2
            else tenant.ask("DELETE", f"/rbac/groups/{group.id}/members/{victim.id}", by=by)
            for i, (by, victim) in enumerate(pairs)
        ),
        *(tenant.ask("DELETE", f"/rbac/groups/{group.id}/members/{who.id}", by=who) for who in admins),
    )
    assert {status for status, _ in answers} <= {204, 401, 403, 404, 409}
    assert await groups.count_members(tenant.app.db, tenant.id, group.id) >= 1


async def test_who_owns_the_company_is_in_admin_as_long_as_that_lasts(tenant: Tenant) -> None:
    owner = await tenant.person()
    await tenant.app.join(owner, tenant.id, "OWNER")
    _, body = await tenant.ask("GET", f"/users/{owner.id}")
    assert [group["name"] for group in body["groups"]] == ["Admin"]
    assert (await tenant.ask("GET", "/rbac/groups", by=owner))[0] == 200
    admin = await tenant.built_in("Admin")
    where = f"/rbac/groups/{admin.id}/members/{owner.id}"
    assert (await tenant.ask("GET", where))[1]["by_ownership"] is True
    assert await tenant.code("DELETE", where) == (409, "owner_is_admin")
    assert await tenant.code("PUT", f"/users/{owner.id}/groups", {"group_ids": []}) == (409, "owner_is_admin")
    assert await tenant.code("PATCH", f"/users/{owner.id}", {"is_active": False}) == (409, "owner_is_admin")
    assert await tenant.code("DELETE", f"/users/{owner.id}") == (409, "owner_is_admin")
    assert (await tenant.ask("DELETE", f"/rbac/groups/{admin.id}/members/{tenant.admin.id}"))[0] == 204
    await tenant.app.join(owner, tenant.id, "MEMBER")
    assert (await tenant.ask("GET", "/rbac/groups", by=owner))[0] == 403


async def test_the_first_company_membership_makes_the_tenant(tenant: Tenant) -> None:
    app, company_id = tenant.app, uuid4()
    staff = await app.signed_in(global_role="PLATFORM_ADMIN")
    owner = await app.signed_in()
    reply = await app.http.post(
        f"/internal/companies/{company_id}/memberships",
        json={"userId": str(owner.id), "role": "OWNER"},
        headers=staff.bearer,
    )
    assert reply.status_code == 201
    home = await tenants.home_of(app.db, owner.id)
    assert home is not None
    assert (home.id, home.slug, home.is_active) == (company_id, str(company_id), True)
    assert [group.name for group, _ in await groups.of_tenant(app.db, company_id)] == ["Admin", "Read only"]
    found = Tenant(app, company_id)
    assert (await found.ask("GET", "/users", by=owner))[1]["total_count"] == 1
    ended = {"userId": str(owner.id), "role": "MEMBER", "isActive": False}
    second = await app.signed_in()
    for body in ({"userId": str(second.id), "role": "OWNER"}, ended):
        await app.http.post(f"/internal/companies/{company_id}/memberships", json=body, headers=staff.bearer)
    assert (await found.ask("GET", "/users", by=owner))[0] == 401
    assert await tenants.home_of(app.db, owner.id) is None


async def test_company_memberships_and_groups_written_at_once_never_wait_for_each_other(tenant: Tenant) -> None:
    staff = await tenant.app.signed_in(global_role="PLATFORM_ADMIN")
    people = [await tenant.person() for _ in range(4)]
    group = await tenant.group("incidents:read")

    async def company(user_id: UUID, role: str) -> int:
        reply = await tenant.app.http.post(
            f"/internal/companies/{tenant.id}/memberships",
            json={"userId": str(user_id), "role": role},
            headers=staff.bearer,
        )
        return reply.status_code

    async def groups_of(user_id: UUID, *group_ids: UUID) -> int:
        body = {"group_ids": [str(group_id) for group_id in group_ids]}
        return (await tenant.ask("PUT", f"/users/{user_id}/groups", body))[0]

    for role in ("MEMBER", "MANAGER", "VIEWER"):
        answers = await asyncio.gather(
            *(company(person.id, role) for person in people),
            *(groups_of(person.id, group.id) for person in people),
            *(groups_of(person.id) for person in reversed(people)),
        )
        assert set(answers) <= {200, 201}


async def test_a_company_membership_that_is_opened_again_brings_no_groups_back(tenant: Tenant) -> None:
    person = await tenant.person("Admin")
    staff = await tenant.app.signed_in(global_role="PLATFORM_ADMIN")
    assert (await tenant.ask("PATCH", f"/users/{person.id}", {"is_active": False}))[0] == 200
    reply = await tenant.app.http.post(
        f"/internal/companies/{tenant.id}/memberships",
        json={"userId": str(person.id), "role": "MEMBER"},
        headers=staff.bearer,
    )
    assert reply.status_code == 201
    _, body = await tenant.ask("GET", f"/users/{person.id}")
    assert (body["is_active"], body["groups"]) == (True, [])
    assert (await tenant.ask("PATCH", f"/users/{person.id}", {"full_name": "P"}))[0] == 200
    group = await tenant.group("incidents:read")
    assert (await tenant.ask("PUT", f"/users/{person.id}/groups", {"group_ids": [str(group.id)]}))[0] == 200
    body_of = {"userId": str(person.id), "role": "MANAGER"}
    path = f"/internal/companies/{tenant.id}/memberships"
    assert (await tenant.app.http.post(path, json=body_of, headers=staff.bearer)).status_code == 200
    _, body = await tenant.ask("GET", f"/users/{person.id}")
    assert [g["id"] for g in body["groups"]] == [str(group.id)], "a member keeps them"
