"""GET, PUT and DELETE /api/v1/settings/sso: what an administrator sees and sets, and what is refused."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import uuid4

import pytest
from harness import Servers, running
from tenants import Tenant, TenantHeader

from identry.core.secrets import SealError
from identry.records import sso_configs
from identry.records.sso_configs import SsoConfig

SECRET = "canary-client-secret-5c41"
OIDC: dict[str, Any] = {
    "provider": "oidc",
    "issuer": "https://login.acme.com/realms/one",
    "client_id": "identry",
    "client_secret": SECRET,
    "display_name": "Acme",
    "enabled": True,
}


def entra(directory: Any, **more: Any) -> dict[str, Any]:
    """A configuration of a directory."""
    body = {k: v for k, v in OIDC.items() if k != "issuer"}
    return {**body, "provider": "entra", "directory_tenant_id": str(directory), **more}


async def stored(tenant: Tenant) -> SsoConfig:
    found = await sso_configs.find(tenant.app.db, tenant.id)
    assert found is not None
    return found[0]


async def test_what_was_set_is_shown_without_the_secret(tenant: Tenant) -> None:
    assert await tenant.code("GET", "/settings/sso") == (404, "not_found")
    group = await tenant.group("incidents:read")
    status, view = await tenant.ask("PUT", "/settings/sso", {**OIDC, "default_group_ids": [str(group.id)]})
    assert status == 200
    slug = str(tenant.id)
    assert view.pop("updated_at")
    assert view == {
        "provider": "oidc",
        "issuer": "https://login.acme.com/realms/one",
        "directory_tenant_id": None,
        "client_id": "identry",
        "client_secret_set": True,
        "display_name": "Acme",
        "enabled": True,
        "jit": True,
        "default_group_ids": [str(group.id)],
        "redirect_uri": f"https://auth.example.com/api/v1/auth/sso/{slug}/callback",
        "login_url": f"https://auth.example.com/api/v1/auth/sso/{slug}/login",
    }
    status, again = await tenant.ask("GET", "/settings/sso")
    assert (status, again["client_id"]) == (200, "identry")
    assert SECRET not in str(again)


async def test_the_secret_is_sealed_for_its_tenant_and_opens_for_no_other(tenant: Tenant) -> None:
    await tenant.ask("PUT", "/settings/sso", OIDC)
    other = await Tenant(tenant.app).made()
    await other.ask("PUT", "/settings/sso", {**OIDC, "client_secret": "another"})
    mine = await stored(tenant)
    secrets = tenant.app.app.engines.browser.sso.secrets  # type: ignore[union-attr]
    assert secrets.open(mine) == SECRET
    assert SECRET.encode() not in mine.client_secret_encrypted
    assert mine.key_id == secrets.key_id
    await tenant.app.db.execute(
        "UPDATE tenant_oidc_config SET client_secret_encrypted = $2 WHERE tenant_id = $1",
        other.id,
        mine.client_secret_encrypted,
    )
    with pytest.raises(SealError):
        secrets.open(await stored(other))


async def test_an_absent_secret_keeps_the_one_that_is_known(tenant: Tenant) -> None:
    await tenant.ask("PUT", "/settings/sso", OIDC)
    sealed = (await stored(tenant)).client_secret_encrypted
    for body in ({k: v for k, v in OIDC.items() if k != "client_secret"}, {**OIDC, "client_secret": None}):
        status, view = await tenant.ask("PUT", "/settings/sso", {**body, "display_name": "Renamed"})
        assert (status, view["display_name"], view["client_secret_set"]) == (200, "Renamed", True)
        assert (await stored(tenant)).client_secret_encrypted == sealed


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "https://evil.example.net"},
        {"client_id": "another"},
        {"provider": "entra", "issuer": None, "directory_tenant_id": "72f988bf-86f1-41af-91ab-2d7cd011db47"},
    ],
    ids=["issuer", "client", "provider"],
)
async def test_a_secret_is_never_kept_for_another_provider(tenant: Tenant, change: dict[str, Any]) -> None:
    await tenant.ask("PUT", "/settings/sso", OIDC)
    body = {**OIDC, **change, "client_secret": None}
    status, refused = await tenant.ask("PUT", "/settings/sso", body)
    assert (status, refused["error"]["code"]) == (400, "validation_error")
    assert refused["error"]["details"]["fields"][0]["field"] == "client_secret"
    assert (await stored(tenant)).issuer == OIDC["issuer"]


async def test_the_first_time_needs_a_secret(tenant: Tenant) -> None:
    body = {k: v for k, v in OIDC.items() if k != "client_secret"}
    assert await tenant.code("PUT", "/settings/sso", body) == (400, "validation_error")


BAD: list[tuple[dict[str, Any], str]] = [
    ({"issuer": None}, "issuer"),
    ({"issuer": ""}, "issuer"),
    ({"issuer": "login.acme.com"}, "issuer"),
    ({"issuer": "http://login.acme.com"}, "issuer"),
    ({"issuer": "https://user@login.acme.com"}, "issuer"),
    ({"issuer": "https://login.acme.com/?a=b"}, "issuer"),
    ({"issuer": "https://login.acme.com/#x"}, "issuer"),
    ({"issuer": "https://login.acme.com/a b"}, "issuer"),
    ({"issuer": "https://login.acme.com\r\nX: y"}, "issuer"),
    ({"issuer": "javascript:alert(1)"}, "issuer"),
    ({"issuer": "file:///etc/passwd"}, "issuer"),
    ({"issuer": "https://login.acme.com/" + "x" * 500}, "issuer"),
    ({"directory_tenant_id": str(uuid4())}, "directory_tenant_id"),
    ({"provider": "saml"}, "provider"),
    ({"provider": "entra"}, "directory_tenant_id"),
    ({"client_id": ""}, "client_id"),
    ({"client_id": "a\nb"}, "client_id"),
    ({"client_secret": ""}, "client_secret"),
    ({"client_secret": "a\x00b"}, "client_secret"),
    ({"client_secret": "x" * 1025}, "client_secret"),
    ({"display_name": " "}, "display_name"),
    ({"display_name": "x" * 101}, "display_name"),
    ({"enabled": "yes"}, "enabled"),
    ({"enabled": None}, "enabled"),
    ({"default_group_ids": ["x"]}, "default_group_ids"),
    ({"default_group_ids": [str(uuid4()) for _ in range(51)]}, "default_group_ids"),
]


@pytest.mark.parametrize("number", range(len(BAD)))
async def test_bad_input_names_the_field(tenant: Tenant, number: int) -> None:
    change, field = BAD[number]
    status, refused = await tenant.ask("PUT", "/settings/sso", {**OIDC, **change})
    assert (status, refused["error"]["code"]) == (400, "validation_error"), refused
    assert any(fault["field"].startswith(field) for fault in refused["error"]["details"]["fields"]), refused
    assert await sso_configs.find(tenant.app.db, tenant.id) is None


async def test_default_groups_are_the_tenants_own_and_within_the_callers_rights(tenant: Tenant) -> None:
    other = await Tenant(tenant.app).made()
    foreign, strong = await other.group("users:read"), await tenant.group("users:manage")
    for group_id in (foreign.id, uuid4()):
        body = {**OIDC, "default_group_ids": [str(group_id)]}
        assert await tenant.code("PUT", "/settings/sso", body) == (404, "not_found")
    lesser = await tenant.person(may=("settings:manage",))
    body = {**OIDC, "default_group_ids": [str(strong.id)]}
    status, refused = await tenant.ask("PUT", "/settings/sso", body, by=lesser)
    assert (status, refused["error"]["details"]) == (403, {"missing": ["users:manage"]})
    assert (await tenant.ask("PUT", "/settings/sso", body))[0] == 200
    assert await tenant.code("PUT", "/settings/sso", {**body, "jit": True}, by=lesser) == (403, "permission_denied")


async def test_a_default_group_that_is_deleted_is_one_no_more(tenant: Tenant) -> None:
    group = await tenant.group()
    await tenant.ask("PUT", "/settings/sso", {**OIDC, "default_group_ids": [str(group.id)]})
    assert (await tenant.ask("DELETE", f"/rbac/groups/{group.id}"))[0] == 204
    assert (await tenant.ask("GET", "/settings/sso"))[1]["default_group_ids"] == []


async def test_who_may_only_read_changes_nothing_and_who_may_not_read_sees_nothing(tenant: Tenant) -> None:
    await tenant.ask("PUT", "/settings/sso", OIDC)
    reader, nobody = await tenant.person(may=("settings:read",)), await tenant.person()
    assert (await tenant.ask("GET", "/settings/sso", by=reader))[0] == 200
    for method, path in (("PUT", "/settings/sso"), ("DELETE", "/settings/sso"), ("POST", "/settings/sso/test")):
        body = OIDC if method == "PUT" else None
        assert await tenant.code(method, path, body, by=reader) == (403, "permission_denied")
    assert await tenant.code("GET", "/settings/sso", by=nobody) == (403, "permission_denied")


async def test_a_directory_belongs_to_one_tenant(tenant: Tenant) -> None:
    directory, other = uuid4(), await Tenant(tenant.app).made()
    assert (await tenant.ask("PUT", "/settings/sso", entra(directory)))[0] == 200
    assert await other.code("PUT", "/settings/sso", entra(directory)) == (409, "directory_taken")
    assert await sso_configs.find(tenant.app.db, other.id) is None, "nothing is half-written"
    # Only what is enabled holds it.
    assert (await other.ask("PUT", "/settings/sso", entra(directory, enabled=False)))[0] == 200
    assert await other.code("PUT", "/settings/sso", entra(directory)) == (409, "directory_taken")
    providers = tenant.app.app.engines.browser.sso.providers  # type: ignore[union-attr]
    admission = await providers.tenant_of_directory(str(directory))
    assert admission is not None
    assert admission.tenant_id == tenant.id
    assert (await tenant.ask("PUT", "/settings/sso", entra(directory, enabled=False)))[0] == 200
    assert await providers.tenant_of_directory(str(directory)) is None
    assert (await other.ask("PUT", "/settings/sso", entra(directory)))[0] == 200


async def test_of_tenants_that_name_a_directory_at_once_one_gets_it(tenant: Tenant) -> None:
    directory = uuid4()
    sides = [tenant, *[await Tenant(tenant.app).made() for _ in range(7)]]
    answers = await asyncio.gather(*(side.ask("PUT", "/settings/sso", entra(directory)) for side in sides))
    assert sorted(status for status, _ in answers) == [200] + [409] * 7


async def test_it_is_taken_away_and_then_it_is_not_there(tenant: Tenant) -> None:
    assert await tenant.code("DELETE", "/settings/sso") == (404, "not_found")
    assert not await sso_configs.is_enabled(tenant.app.db, tenant.id)
    await tenant.ask("PUT", "/settings/sso", OIDC)
    assert await sso_configs.is_enabled(tenant.app.db, tenant.id)
    await tenant.ask("PUT", "/settings/sso", {**OIDC, "enabled": False})
    assert not await sso_configs.is_enabled(tenant.app.db, tenant.id)
    assert await tenant.ask("DELETE", "/settings/sso") == (204, None)
    assert await tenant.code("GET", "/settings/sso") == (404, "not_found")


async def test_the_only_way_in_stays(tenant: Tenant) -> None:
    await tenant.ask("PUT", "/settings/sso", OIDC)
    await tenant.app.db.execute("UPDATE tenants SET auth_policy = 'restricted' WHERE id = $1", tenant.id)
    assert await tenant.code("DELETE", "/settings/sso") == (409, "only_way_in")
    assert await tenant.code("PUT", "/settings/sso", {**OIDC, "enabled": False}) == (409, "only_way_in")
    assert (await tenant.ask("PUT", "/settings/sso", {**OIDC, "display_name": "Still"}))[0] == 200
    await tenant.app.db.execute("UPDATE tenants SET auth_policy = 'standard' WHERE id = $1", tenant.id)
    assert (await tenant.ask("DELETE", "/settings/sso"))[0] == 204


async def test_the_only_way_in_stays_where_the_deployment_allows_no_other(servers: Servers) -> None:
    guard = TenantHeader()
    async with running(servers, browser=guard) as standard:
        guard.app = standard
        made = await Tenant(standard).made()
        await made.ask("PUT", "/settings/sso", OIDC)
        restricted = {"AUTH_POLICY": "restricted", "AUTH_ALLOWED_EMAIL_DOMAINS": "example.com"}
        for more, status in (({}, 409), ({"MS_CLIENT_ID": "a", "MS_CLIENT_SECRET": "b"}, 204)):
            async with running(servers, browser=guard, **restricted, **more) as app:
                guard.app = made.app = app
                assert (await made.ask("DELETE", "/settings/sso"))[0] == status


async def test_every_change_is_audited_without_the_secret(tenant: Tenant) -> None:
    await tenant.ask("PUT", "/settings/sso", {**OIDC, "enabled": False})
    await tenant.ask("PUT", "/settings/sso", {**OIDC, "enabled": True, "jit": False})
    await tenant.ask("DELETE", "/settings/sso")
    rows = [r for r in await tenant.app.audit(company_id=tenant.id) if r["event"].startswith("sso.")]
    assert [r["event"] for r in rows] == ["sso.config.updated", "sso.config.updated", "sso.config.deleted"]
    assert all(r["actor_user_id"] == tenant.admin.id for r in rows)
    told = [json.loads(r["details"]) for r in rows]
    assert told[0]["enabled"] == {"from": False, "to": False}
    assert told[1] == {"fields": ["enabled", "jit", "client_secret"], "enabled": {"from": False, "to": True}}
    assert SECRET not in str(rows)


async def test_a_deactivated_tenant_has_no_provider(tenant: Tenant) -> None:
    await tenant.ask("PUT", "/settings/sso", entra(directory := uuid4()))
    providers = tenant.app.app.engines.browser.sso.providers  # type: ignore[union-attr]
    found = await providers.find(str(tenant.id))
    assert found is not None
    assert found.directory_id == str(directory)
    assert found.authorization_endpoint == f"https://login.microsoftonline.com/{directory}/oauth2/v2.0/authorize"
    assert SECRET not in repr(found)
    await tenant.app.db.execute("UPDATE tenants SET is_active = false WHERE id = $1", tenant.id)
    assert await providers.find(str(tenant.id)) is None
    assert await providers.tenant_of_directory(str(directory)) is None
    assert await providers.find("no uuid") is None
