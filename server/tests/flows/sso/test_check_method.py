"""POST /api/v1/auth/check-method with verified domains: it says what the domain's tenant says, and nothing of users."""

from __future__ import annotations

import secrets
from typing import Any
from uuid import UUID

from browser import tenant as make_tenant
from harness import Harness, Servers, running

from identry.records import domains, sso_configs
from identry.records.domains import Domain
from identry.records.sso_configs import SsoConfig

MICROSOFT = {"MS_CLIENT_ID": "a", "MS_CLIENT_SECRET": "b"}


async def verified(app: Harness, tenant_id: UUID, *, proven: bool = True) -> str:
    """A domain of a tenant."""
    domain, now = f"d-{secrets.token_hex(5)}.com", app.clock.now()
    assert await domains.insert(app.db, Domain(tenant_id, domain, "token", now, now if proven else None))
    return domain


async def configured(app: Harness, tenant_id: UUID, **fields: Any) -> None:
    """A provider of a tenant."""
    now = app.clock.now()
    row = {
        "tenant_id": tenant_id,
        "provider": "oidc",
        "issuer": "https://login.acme.com",
        "directory_tenant_id": None,
        "client_id": "identry",
        "client_secret_encrypted": b"sealed",
        "key_id": "k",
        "display_name": "Acme",
        "enabled": True,
        "jit": True,
        "created_at": now,
        "updated_at": now,
    }
    await sso_configs.put(app.db, SsoConfig(**{**row, **fields}), [])


async def asked(app: Harness, email: str) -> Any:
    reply = await app.http.post(
        "/api/v1/auth/check-method", json={"email": email}, headers={"X-Forwarded-For": app.fresh_ip()}
    )
    return reply.json() if reply.status_code == 200 else (reply.status_code, reply.json()["error"]["code"])


PASSWORD = {"methods": ["password"], "preferred": "password", "sso": None}


async def test_a_verified_domain_offers_its_tenants_provider(app: Harness) -> None:
    tenant_id = await make_tenant(app, slug=(slug := f"acme-{secrets.token_hex(4)}"))
    domain = await verified(app, tenant_id)
    assert await asked(app, f"ada@{domain}") == PASSWORD
    await configured(app, tenant_id)
    expected = {
        "methods": ["password", "oidc"],
        "preferred": "oidc",
        "sso": {"login_url": f"https://auth.example.com/api/v1/auth/sso/{slug}/login", "display_name": "Acme"},
    }
    for email in (f"ada@{domain}", f"nobody@{domain.upper()}", f" Ada@{domain} "):
        assert await asked(app, email) == expected
    for email in (f"ada@sub.{domain}", f"ada@x{domain}", f"ada@{domain}.", f"{domain}@example.com"):
        assert await asked(app, email) == PASSWORD


async def test_claimed_disabled_and_inactive_offer_nothing(app: Harness) -> None:
    claimed, off, closed = [await make_tenant(app) for _ in range(3)]
    domain = await verified(app, claimed, proven=False)
    await configured(app, claimed)
    assert await asked(app, f"ada@{domain}") == PASSWORD
    domain = await verified(app, off)
    await configured(app, off, enabled=False)
    assert await asked(app, f"ada@{domain}") == PASSWORD
    domain = await verified(app, closed)
    await configured(app, closed)
    await app.db.execute("UPDATE tenants SET is_active = false WHERE id = $1", closed)
    assert await asked(app, f"ada@{domain}") == PASSWORD


async def test_the_answer_is_the_same_whether_or_not_somebody_exists(app: Harness) -> None:
    tenant_id = await make_tenant(app)
    domain = await verified(app, tenant_id)
    await configured(app, tenant_id)
    person = await app.make_user(email=f"known-{secrets.token_hex(4)}@{domain}")
    assert await asked(app, person.email) == await asked(app, f"unknown@{domain}")
    known = await app.make_user()
    assert await asked(app, known.email) == await asked(app, "unknown@example.com") == PASSWORD


async def test_a_restricted_tenant_offers_single_sign_on_alone(servers: Servers) -> None:
    for more, own, methods in (
        ({}, True, ["oidc"]),
        (MICROSOFT, True, ["oidc"]),
        (MICROSOFT, False, ["microsoft"]),
        ({}, False, ["password"]),
    ):
        async with running(servers, **more) as app:
            tenant_id = await make_tenant(app, auth_policy="restricted")
            domain = await verified(app, tenant_id)
            if own:
                await configured(app, tenant_id)
            answer = await asked(app, f"ada@{domain}")
            assert (answer["methods"], answer["preferred"]) == (methods, methods[0])
            elsewhere = (await asked(app, "ada@example.com"))["methods"]
            assert elsewhere == (["password", "microsoft"] if more else ["password"])


async def test_a_restricted_deployment_still_says_no(servers: Servers) -> None:
    async with running(servers, AUTH_POLICY="restricted", AUTH_ALLOWED_EMAIL_DOMAINS="example.com") as app:
        assert await asked(app, "ada@example.com") == (403, "password_login_disabled")
