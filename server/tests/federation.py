"""Signing in at a provider, as a browser and the app in it do, and what tenants say of directories and domains."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID, uuid4

import httpx2
from browser import API, APP, JSON, tenant
from harness import Harness, Person, Servers, running
from services.entra import CLIENT_ID, CLIENT_SECRET, Account, Entra
from wire import KeptConnections

from identry.core.ids import uuid7
from identry.core.outbound import JsonClient
from identry.federation.provider import Admission, Provider
from identry.federation.reach import PlatformKeys, Reach, TenantProviders
from identry.records import identities
from identry.records.identities import Identity

LEAVING = "__Host-identry_login"
PERSONAL = "9188040d-6c67-4c5b-b112-36a304b66dad"
"""The directory of personal Microsoft accounts."""


class Said:
    """What tenants said: the seam that their configuration fills."""

    def __init__(self) -> None:
        self.directories: dict[str, Admission] = {}
        self.domains: dict[str, UUID] = {}
        self.providers: dict[str, Provider] = {}

    async def tenant_of_directory(self, tid: str) -> Admission | None:
        return self.directories.get(tid)

    async def tenant_of_domain(self, domain: str) -> UUID | None:
        return self.domains.get(domain)

    async def find(self, key: str) -> Provider | None:
        return self.providers.get(key)

    def all(self, reach: Reach) -> TenantProviders:
        """As the application wants it."""
        return TenantProviders(self, self, reach)


@asynccontextmanager
async def federation(servers: Servers, **env: str) -> AsyncIterator[Federation]:
    """An application of a test's own, and a provider of its own."""
    entra, said = Entra(), Said()
    url = await entra.start()
    reach = Reach(JsonClient(), PlatformKeys())
    settings = {"MS_CLIENT_ID": CLIENT_ID, "MS_CLIENT_SECRET": CLIENT_SECRET, "MS_AUTHORITY_URL": url, **env}
    try:
        async with running(servers, tenants=said.all(reach), **settings) as harness:
            entra.now = harness.clock.timestamp
            yield Federation(harness, entra, said)
    finally:
        await entra.stop()


def guid() -> str:
    """A directory's or an object's id."""
    return str(uuid4())


def someone(tid: str, email: str | None = None, **claims: Any) -> Account:
    """Somebody of a directory, with an address that nobody had before."""
    return Account(tid, guid(), email or f"p-{secrets.token_hex(6)}@example.com", claims=claims)


@dataclass
class Federation:
    """An application, the provider it asks, and what tenants said."""

    app: Harness
    entra: Entra
    said: Said

    async def tenant(self, tid: str = "", *, jit: bool = True, groups: tuple[UUID, ...] = (), **fields: Any) -> UUID:
        """A new tenant; with `tid`, whose directory that is."""
        tenant_id = await tenant(self.app, **fields)
        if tid:
            self.said.directories[tid] = Admission(tenant_id, jit, groups)
        return tenant_id

    def verified(self, tenant_id: UUID) -> str:
        """A domain that this tenant proved to own."""
        domain = f"d-{secrets.token_hex(6)}.example.com"
        self.said.domains[domain] = tenant_id
        return domain

    async def refusals(self, *known: dict[str, Any]) -> list[dict[str, Any]]:
        """What the audit log says of refused sign-ins, without those that were known."""
        seen = {row["id"] for row in known}
        return [row for row in await self.app.audit("auth.login.failed") if row["id"] not in seen]


@dataclass
class Window:
    """One browser with the app in it.

    Attributes:
        cookies: by name; attributes are tested where they are set.
        access_token: what the app keeps in memory.
    """

    there: Federation
    cookies: dict[str, str] = field(default_factory=dict)
    access_token: str = ""
    me: dict[str, Any] = field(default_factory=dict)

    async def leave(self, **query: str) -> str:
        """Navigate to the start; returns where the browser is sent."""
        reply = await self.get("/microsoft/login", **query)
        assert reply.status_code == 302, reply.text
        return str(reply.headers["location"])

    async def prove(self, url: str) -> str:
        """Sign in at the provider; returns the callback's URL, as the browser is sent there."""
        async with httpx2.AsyncClient(transport=KeptConnections()) as http:
            reply = await http.get(url)
        assert reply.status_code == 302, reply.text
        return str(reply.headers["location"])

    async def come_back(self, url: str) -> dict[str, str]:
        """Navigate to the callback; returns what the app's page is told."""
        reply = await self.callback(url)
        assert reply.status_code == 302, reply.text
        return told(reply)

    async def callback(self, url: str) -> httpx2.Response:
        """The answer of the callback."""
        return await self.get("/microsoft/callback", **dict(parse_qsl(urlsplit(url).query, keep_blank_values=True)))

    async def arrive(self, account: Account | None, **query: str) -> dict[str, str]:
        """From the start to the app's page."""
        self.there.entra.who = account
        return await self.come_back(await self.prove(await self.leave(**query)))

    async def exchange(self, code: str, **headers: str) -> httpx2.Response:
        """The app's page sends the code."""
        reply = await self._take(
            await self.there.app.http.post(
                f"{API}/exchange", json={"code": code}, headers={**self._headers(), **JSON, **headers}
            )
        )
        if reply.status_code == 200 and "access_token" in reply.json():
            self.access_token, self.me = reply.json()["access_token"], reply.json()["user"]
        return reply

    async def sign_in(self, account: Account, **query: str) -> dict[str, Any]:
        """The whole way; returns the answer of the exchange."""
        arrived = await self.arrive(account, **query)
        assert "code" in arrived, arrived
        reply = await self.exchange(arrived["code"])
        assert reply.status_code == 200, reply.text
        body: dict[str, Any] = reply.json()
        return body

    async def password(self, person: Person) -> Window:
        """Sign in the old way."""
        reply = await self.post("/login", {"email": person.email, "password": person.password})
        assert reply.status_code == 200, reply.text
        self.access_token, self.me = reply.json()["access_token"], reply.json()["user"]
        return self

    async def link(self, **query: str) -> str:
        """Begin to link; returns where the browser goes."""
        reply = await self.post("/identities/microsoft/link", **query)
        assert reply.status_code == 200, reply.text
        return str(reply.json()["authorization_url"])

    async def get(self, path: str, **query: str) -> httpx2.Response:
        return await self._take(
            await self.there.app.http.get(f"{API}{path}", params=query or None, headers=self._headers())
        )

    async def post(self, path: str, json: Any = None, **query: str) -> httpx2.Response:
        return await self._take(
            await self.there.app.http.post(
                f"{API}{path}", params=query or None, json=json, headers={**self._headers(), **JSON}
            )
        )

    async def delete(self, path: str) -> httpx2.Response:
        return await self.there.app.http.delete(f"{API}{path}", headers=self._headers())

    def _headers(self) -> dict[str, str]:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return {
            "X-Forwarded-For": self.there.app.fresh_ip(),
            "Origin": APP,
            **({"Cookie": cookies} if cookies else {}),
            **({"Authorization": f"Bearer {self.access_token}"} if self.access_token else {}),
        }

    async def _take(self, reply: httpx2.Response) -> httpx2.Response:
        """Keep and drop cookies as a browser does."""
        for line in reply.headers.get_list("set-cookie"):
            for name, morsel in SimpleCookie(line).items():
                if morsel["max-age"] == "0":
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value
        return reply


async def link(there: Federation, person: Person, account: Account) -> None:
    """Give a person an identity, as if it had been linked on the account page."""
    now = there.app.clock.now()
    key = (f"{there.entra.url}/{account.tid}/v2.0", account.tid, account.oid)
    row = Identity(uuid7(there.app.clock), person.id, "entra", *key, account.email, account.name, now, None)
    assert await identities.insert(there.app.db, row)


def told(reply: httpx2.Response) -> dict[str, str]:
    """What a redirect to the app says; fails when it leads anywhere else."""
    location = str(reply.headers["location"])
    assert location.startswith(f"{APP}/auth/callback?"), location
    return dict(parse_qsl(urlsplit(location).query))
