"""Why may somebody do something, or not: GET /api/v1/rbac/explain."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from tenants import Tenant


async def why(tenant: Tenant, user_id: UUID, permission: str) -> dict[str, Any]:
    status, body = await tenant.ask("GET", f"/rbac/explain?user_id={user_id}&permission={permission}")
    assert status == 200, body
    found: dict[str, Any] = body
    return found


def failed(body: dict[str, Any]) -> list[str]:
    return [check["name"] for check in body["checks"] if not check["passed"]]


async def test_a_grant_names_the_group_and_the_key_that_gives_it(tenant: Tenant) -> None:
    person = await tenant.person("Read only", may=("incidents:*",))
    body = await why(tenant, person.id, "incidents:read")
    assert body["allowed"] is True
    assert body["changes"] == []
    assert {key for group in body["groups"] for key in group["granted_by"]} == {"incidents:*", "incidents:read"}


async def test_a_refusal_says_which_groups_would_do(tenant: Tenant) -> None:
    person = await tenant.person("Read only")
    await tenant.group("settings:*", name="Settings people")
    body = await why(tenant, person.id, "settings.settings.manage")
    assert (body["allowed"], body["permission"]) == (False, "settings:manage")
    assert "groups" in failed(body)
    (change,) = body["changes"]
    assert "Admin or Settings people" in change


async def test_every_gate_is_named_even_where_a_group_would_allow_it(tenant: Tenant) -> None:
    person = await tenant.person("Admin")
    db = tenant.app.db
    await db.execute("UPDATE users SET is_active = false WHERE id = $1", person.id)
    assert failed(await why(tenant, person.id, "users:read"))[0] == "account"
    await db.execute("UPDATE users SET is_active = true, approval_status = 'REJECTED' WHERE id = $1", person.id)
    assert failed(await why(tenant, person.id, "users:read"))[0] == "account"
    await db.execute("UPDATE users SET approval_status = 'APPROVED' WHERE id = $1", person.id)
    assert (await why(tenant, person.id, "users:read"))["allowed"] is True
    assert (await tenant.ask("PATCH", f"/users/{person.id}", {"is_active": False}))[0] == 200
    body = await why(tenant, person.id, "users:read")
    assert (body["allowed"], body["changes"]) == (False, ["activate the user in the tenant"])


async def test_an_owner_is_explained_by_ownership_and_a_plan_by_what_it_names(tenant: Tenant) -> None:
    owner = await tenant.person()
    await tenant.app.join(owner, tenant.id, "OWNER")
    body = await why(tenant, owner.id, "vpn:manage")
    assert body["allowed"] is True
    assert [(group["name"], group["by_ownership"]) for group in body["groups"]] == [("Admin", True)]
    told = {check["name"]: check for check in body["checks"]}
    assert told["grants"]["passed"] is True
    assert told["entitlement"]["passed"] is False


async def test_the_policy_that_stands_in_the_way_is_told(tenant: Tenant) -> None:
    sql = "UPDATE tenants SET auth_policy = 'restricted', mfa_required = true WHERE id = $1"
    await tenant.app.db.execute(sql, tenant.id)
    body = await why(tenant, tenant.admin.id, "users:read")
    (policy,) = [check for check in body["checks"] if check["name"] == "policy"]
    assert "single sign-on" in policy["reason"]
    assert "second factor" in policy["reason"]


async def test_strangers_wrong_keys_and_missing_parameters(tenant: Tenant) -> None:
    assert await tenant.code("GET", f"/rbac/explain?user_id={uuid4()}&permission=users:read") == (404, "not_found")
    stranger = await tenant.app.make_user()
    path = f"/rbac/explain?user_id={stranger.id}&permission=users:read"
    assert await tenant.code("GET", path) == (404, "not_found")
    path = f"/rbac/explain?user_id={tenant.admin.id}&permission=Users"
    assert await tenant.code("GET", path) == (400, "validation_error")
    assert await tenant.code("GET", "/rbac/explain") == (400, "validation_error")
