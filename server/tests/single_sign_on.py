"""A tenant with an identity provider of its own, and a browser that signs in with it."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID, uuid4

import httpx2
from browser import APP, Browser, settle
from federation import Window
from harness import Harness, Person
from services.openid_provider import OpenIdProvider, go_through

from identry import tenancy
from identry.records import domains, groups
from identry.records.domains import Domain


@dataclass
class Acme:
    """A tenant, its administrator's browser, and its provider.

    Attributes:
        admin: signed in with a password.
        slug: the tenant's short name.
        client: ours at the provider.
    """

    app: Harness
    provider: OpenIdProvider
    id: UUID = field(default_factory=uuid4)
    slug: str = field(default_factory=lambda: f"acme-{secrets.token_hex(5)}")
    admin: Browser = field(init=False)
    client: dict[str, str] = field(default_factory=dict)

    @property
    def callback(self) -> str:
        """Where the provider sends browsers back to."""
        return f"https://auth.example.com/api/v1/auth/sso/{self.slug}/callback"

    async def made(self, **config: Any) -> Acme:
        """Create it, register a client at the provider, set it up over HTTP."""
        await tenancy.create(self.app.db, self.app.clock, self.id, slug=self.slug, name="Acme")
        person = await self.app.make_user()
        await settle(self.app, person, self.id)
        admins = next(g for g, _ in await groups.of_tenant(self.app.db, self.id) if g.name == groups.ADMIN)
        await groups.add_member(self.app.db, self.id, admins.id, person.id, self.app.clock.now())
        self.admin = Browser(self.app)
        assert (await self.admin.login(person)).status_code == 200
        self.client = self.provider.client(self.callback, client_id=f"identry-{self.slug}")
        status, body = await self.configure(**config)
        assert status == 200, body
        return self

    async def configure(self, **fields: Any) -> tuple[int, Any]:
        """PUT /settings/sso, with the provider's own data unless `fields` say otherwise."""
        known = {k: self.client[k] for k in ("client_id", "client_secret")}
        body = {"provider": "oidc", "issuer": self.provider.issuer, "display_name": "Acme", "enabled": True, **known}
        return await self.settings("PUT", "sso", {**body, **fields})

    async def settings(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """A request of the administrator below /api/v1/settings."""
        reply = await self.app.http.request(
            method,
            f"/api/v1/settings/{path}",
            headers={"Authorization": f"Bearer {self.admin.access_token}", "Origin": APP},
            **({} if body is None else {"json": body}),
        )
        return reply.status_code, reply.json() if reply.content else None

    async def domain(self) -> str:
        """A domain that the tenant has verified."""
        name, now = f"d-{secrets.token_hex(5)}.com", self.app.clock.now()
        assert await domains.insert(self.app.db, Domain(self.id, name, "token", now, now))
        return name

    async def refusal(self) -> tuple[str, str]:
        """What the audit log says of the tenant's last refused sign-in: error and reason."""
        rows = [json.loads(row["details"] or "{}") for row in await self.app.audit("auth.login.failed")]
        last = [details for details in rows if details.get("provider") == str(self.id)][-1]
        return last["error"], last["reason"]

    def someone(self, email: str | None = None, *, verified: bool = True, **claims: Any) -> str:
        """Somebody with an account at the provider; returns the subject."""
        subject = f"s-{secrets.token_hex(6)}"
        told = {"email": email or f"{subject}@example.com", "email_verified": verified, "name": "Ada Lovelace"}
        self.provider.account(subject, **{**told, **claims})
        return subject


@dataclass
class SsoWindow(Window):
    """A browser at the tenant's own sign-in."""

    there: Acme  # type: ignore[assignment]  # what a window needs of it is `app`

    async def leave(self, **query: str) -> str:
        reply = await self.get(f"/sso/{self.there.slug}/login", **query)
        assert reply.status_code == 302, reply.text
        return str(reply.headers["location"])

    async def callback(self, url: str) -> httpx2.Response:
        return await self.get(
            f"/sso/{self.there.slug}/callback", **dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
        )

    async def go(self, subject: str, **query: str) -> str:
        """From the start through the provider's pages to the callback's URL."""
        return await go_through(await self.leave(**query), subject, stop=self.there.callback)

    async def arrive_as(self, subject: str, **query: str) -> dict[str, str]:
        """From the start to the app's page; returns what that is told."""
        return await self.come_back(await self.go(subject, **query))

    async def sign_in_as(self, subject: str, **query: str) -> dict[str, Any]:
        """The whole way; returns the answer of the exchange."""
        arrived = await self.arrive_as(subject, **query)
        assert "code" in arrived, (arrived, await self.there.refusal())
        reply = await self.exchange(arrived["code"])
        assert reply.status_code == 200, reply.text
        body: dict[str, Any] = reply.json()
        return body


async def member(acme: Acme, **fields: Any) -> Person:
    """Somebody of the tenant who has a password."""
    person = await acme.app.make_user(**fields)
    await settle(acme.app, person, acme.id)
    return person
