"""How the people of a tenant sign in: GET and PUT /api/v1/settings/auth (contracts/browser-api.md §5, §6.1, §7)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from browser import Browser, assert_error
from harness import Servers, running
from tenants import Tenant, TenantHeader

from identry.records import tenants

AUTH = "/settings/auth"
AS_BORN: dict[str, Any] = {
    "auth_policy": "standard",
    "allowed_email_domains": [],
    "mfa_required": False,
    "mfa_for_changes": False,
}
MICROSOFT = {"MS_CLIENT_ID": "id", "MS_CLIENT_SECRET": "secret"}


@asynccontextmanager
async def a_tenant(servers: Servers, **env: str) -> AsyncIterator[Tenant]:
    """A tenant of a deployment with these variables."""
    guard = TenantHeader()
    async with running(servers, browser=guard, **env) as app:
        guard.app = app
        yield await Tenant(app).made()


async def fault(tenant: Tenant, **wanted: Any) -> dict[str, str]:
    """The faulty fields of a change that is refused."""
    status, answer = await tenant.ask("PUT", AUTH, {**AS_BORN, **wanted})
    assert (status, answer["error"]["code"]) == (400, "validation_error"), answer
    return {f["field"]: f["rule"] for f in answer["error"]["details"]["fields"]}


async def test_a_tenant_is_born_with_what_the_deployment_demands(tenant: Tenant) -> None:
    assert await tenant.ask("GET", AUTH) == (200, AS_BORN)


async def test_settings_are_replaced_and_audited_with_what_changed(tenant: Tenant) -> None:
    wanted = {**AS_BORN, "allowed_email_domains": ["ACME.com", "*.Bücher.example", "acme.com"], "mfa_required": True}
    stored = {**wanted, "allowed_email_domains": ["acme.com", "*.xn--bcher-kva.example"]}
    before = await tenants.find(tenant.app.db, tenant.id)
    assert await tenant.ask("PUT", AUTH, wanted) == (200, stored)
    assert await tenant.ask("GET", AUTH) == (200, stored)
    after = await tenants.find(tenant.app.db, tenant.id)
    assert before is not None
    assert after is not None
    assert after.access_version > before.access_version, "what is remembered of rights counts no more"
    assert await tenant.ask("PUT", AUTH, wanted) == (200, stored)
    [row] = await tenant.app.audit("tenant.settings.updated", company_id=tenant.id)
    assert row["actor_user_id"] == tenant.admin.id
    assert json.loads(row["details"]) == {
        "allowed_email_domains": {"from": [], "to": stored["allowed_email_domains"]},
        "mfa_required": {"from": False, "to": True},
    }


async def test_reading_and_changing_are_permissions_of_their_own(tenant: Tenant) -> None:
    reader, stranger = await tenant.person(may=("settings:read",)), await tenant.person("Read only", may=("users:*",))
    manager = await tenant.person(may=("settings:manage",))
    assert (await tenant.ask("GET", AUTH, by=reader))[0] == 200
    assert (await tenant.ask("GET", AUTH, by=stranger))[0] == 200, "Read only has settings:read"
    assert await tenant.code("GET", AUTH, by=manager) == (403, "permission_denied")
    assert (await tenant.ask("PUT", AUTH, AS_BORN, by=manager))[0] == 200
    for person in (reader, stranger):
        status, answer = await tenant.ask("PUT", AUTH, AS_BORN, by=person)
        assert (status, answer["error"]["details"]) == (403, {"required": "settings:manage"})
    assert (await tenant.app.http.get(f"/api/v1{AUTH}")).status_code == 401
    assert (await tenant.app.http.put(f"/api/v1{AUTH}", json=AS_BORN)).status_code == 401


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ({}, {"auth_policy": "required", "allowed_email_domains": "required", "mfa_required": "required"}),
        ({**AS_BORN, "auth_policy": "open"}, {"auth_policy": "enum"}),
        ({**AS_BORN, "auth_policy": None, "mfa_required": "yes"}, {"auth_policy": "type", "mfa_required": "type"}),
        ({**AS_BORN, "allowed_email_domains": "acme.com"}, {"allowed_email_domains": "type"}),
        ({**AS_BORN, "allowed_email_domains": ["acme.com", "a b"]}, {"allowed_email_domains[1]": "format"}),
        ({**AS_BORN, "allowed_email_domains": ["*"]}, {"allowed_email_domains[0]": "format"}),
        ({**AS_BORN, "allowed_email_domains": ["a.*.com"]}, {"allowed_email_domains[0]": "format"}),
        ({**AS_BORN, "allowed_email_domains": ["a@acme.com"]}, {"allowed_email_domains[0]": "format"}),
        ({**AS_BORN, "allowed_email_domains": ["acme.com\r\nx"]}, {"allowed_email_domains[0]": "format"}),
        ({**AS_BORN, "allowed_email_domains": ["acme.com"] * 101}, {"allowed_email_domains": "length"}),
    ],
    ids=["empty", "policy", "types", "no list", "space", "star", "inner star", "address", "line", "many"],
)
async def test_a_bad_body_is_400_and_changes_nothing(tenant: Tenant, body: Any, faults: dict[str, str]) -> None:
    status, answer = await tenant.ask("PUT", AUTH, body)
    assert status == 400
    assert {f["field"]: f["rule"] for f in answer["error"]["details"]["fields"]} == faults
    assert await tenant.ask("GET", AUTH) == (200, AS_BORN)


async def test_single_sign_on_only_is_refused_while_nobody_could_get_in(tenant: Tenant) -> None:
    refused = await tenant.code("PUT", AUTH, {**AS_BORN, "auth_policy": "restricted"})
    assert refused == (409, "no_sign_in")
    assert await tenant.ask("GET", AUTH) == (200, AS_BORN)


async def test_with_microsoft_sign_in_it_is_taken_and_can_be_loosened_again(servers: Servers) -> None:
    async with a_tenant(servers, **MICROSOFT) as tenant:
        restricted = {**AS_BORN, "auth_policy": "restricted"}
        assert await tenant.ask("PUT", AUTH, restricted) == (200, restricted)
        assert await tenant.ask("PUT", AUTH, AS_BORN) == (200, AS_BORN)


async def test_nothing_is_looser_than_a_deployment_that_restricts(servers: Servers) -> None:
    env = {"AUTH_POLICY": "restricted", "AUTH_ALLOWED_EMAIL_DOMAINS": "acme.com,*.acme.org", "MFA_REQUIRED": "true"}
    guard = TenantHeader()
    async with running(servers, browser=guard) as app:
        guard.app = app
        tenant = await Tenant(app).made()
        async with running(servers, browser=guard, **env) as strict:
            guard.app = strict
            tenant = _at(strict, tenant)
            floor = {**AS_BORN, "auth_policy": "restricted", "mfa_required": True}
            assert await tenant.ask("GET", AUTH) == (200, floor)
            assert await fault(tenant) == {"auth_policy": "policy", "mfa_required": "policy"}
            wanted = {**floor, "allowed_email_domains": ["acme.com", "x.acme.org", "*.x.acme.org", "*.acme.org"]}
            assert await tenant.ask("PUT", AUTH, wanted) == (200, wanted)
            outside = ["acme.org", "*.acme.com", "acme.com.evil.com", "notacme.org", "*.org"]
            assert await fault(tenant, **{**floor, "allowed_email_domains": ["acme.com", *outside]}) == {
                f"allowed_email_domains[{n}]": "policy" for n in range(1, len(outside) + 1)
            }


def _at(app: Any, tenant: Tenant) -> Tenant:
    """The same tenant, asked at another server."""
    found = Tenant(app, tenant.id)
    found.admin = tenant.admin
    return found


async def test_a_demanded_factor_counts_at_the_next_sign_in_and_refresh_and_throws_nobody_out(tenant: Tenant) -> None:
    person, browser = await tenant.person(), Browser(tenant.app)
    assert (await browser.login(person)).status_code == 200
    assert browser.me["must_enroll_mfa"] is False
    assert (await tenant.ask("PUT", AUTH, {**AS_BORN, "mfa_required": True}))[0] == 200
    assert (await tenant.ask("GET", AUTH))[0] == 200, "whoever changed it goes on"
    assert_error(await browser.post("/refresh"), 401, "token_revoked")
    assert (await Browser(tenant.app).login(person)).json()["mfa_setup_required"] is True
    assert (await tenant.ask("PUT", AUTH, AS_BORN))[0] == 200
    assert (await Browser(tenant.app).login(person)).status_code == 200


async def test_a_closed_tenant_changes_nothing(tenant: Tenant) -> None:
    await tenant.app.db.execute("UPDATE tenants SET is_active = false WHERE id = $1", tenant.id)
    assert await tenant.code("PUT", AUTH, AS_BORN) == (403, "permission_denied")


async def test_codes_for_changes_are_asked_for_by_setting(servers: Servers) -> None:
    async with a_tenant(servers) as tenant:
        silent = {name: value for name, value in AS_BORN.items() if name != "mfa_for_changes"}
        assert await tenant.ask("PUT", AUTH, silent) == (200, AS_BORN)
        assert await tenant.ask("PUT", AUTH, {**AS_BORN, "mfa_for_changes": True}) == (
            200,
            {**AS_BORN, "mfa_for_changes": True},
        )
        found = await tenants.find(tenant.app.db, tenant.id)
        assert found is not None
        assert found.mfa_for_changes
        # From now on it is asked for here as well, and this administrator has no second factor.
        status, body = await tenant.ask("PUT", AUTH, silent)
        assert (status, body["error"]["code"]) == (403, "mfa_setup_required")
