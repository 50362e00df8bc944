"""People in tenants, and a browser: the cookie is kept by hand, because the test's port is not https."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from http.cookies import SimpleCookie
from typing import Any
from uuid import UUID, uuid4

import httpx2
from harness import PASSWORD, Harness, Person

from identry.records import tenants
from identry.records.tenants import Tenant

APP = "https://app.example.com"
API = "/api/v1/auth"
JSON = {"Content-Type": "application/json"}


async def tenant(app: Harness, **fields: Any) -> UUID:
    """A new active tenant; `fields` replace those of the row."""
    tenant_id, now = uuid4(), app.clock.now()
    row: dict[str, Any] = {
        "id": tenant_id,
        "slug": f"t-{tenant_id.hex[:12]}",
        "name": "Acme",
        "is_active": True,
        "auth_policy": "standard",
        "allowed_email_domains": [],
        "mfa_required": False,
        "access_version": 1,
        "created_at": now,
        "updated_at": now,
    }
    assert await tenants.insert(app.db, Tenant(**{**row, **fields}))
    return tenant_id


async def settle(
    app: Harness, person: Person, tenant_id: UUID, *, is_active: bool = True, now: datetime | None = None
) -> None:
    """Make a person a member of a tenant."""
    await tenants.put_member(app.db, tenant_id, person.id, is_active=is_active, now=now or app.clock.now())


@dataclass
class Browser:
    """One browser at the app's page.

    Attributes:
        origin: of the page; empty: the header is not sent.
        cookie: the refresh cookie it holds.
        access_token: what the app keeps in memory.
    """

    app: Harness
    origin: str = APP
    cookie: str = ""
    device: str = ""
    access_token: str = ""
    ip: str = ""
    me: dict[str, Any] = field(default_factory=dict)

    async def post(self, path: str, json: Any = None, **headers: str) -> httpx2.Response:
        """POST below `/api/v1/auth`, as a page's script would."""
        return await self._take(
            await self.app.http.post(f"{API}{path}", json=json, headers={**self._headers(), **JSON, **headers})
        )

    async def get(self, path: str) -> httpx2.Response:
        return await self.app.http.get(f"{API}{path}", headers=self._headers())

    async def delete(self, path: str) -> httpx2.Response:
        return await self.app.http.delete(f"{API}{path}", headers=self._headers())

    async def login(self, person: Person, password: str = PASSWORD) -> httpx2.Response:
        return await self.post("/login", {"email": person.email, "password": password})

    def _headers(self) -> dict[str, str]:
        kept = {"refresh_token": self.cookie, "__Host-identry_device": self.device}
        cookies = "; ".join(f"{name}={value}" for name, value in kept.items() if value)
        return {
            "X-Forwarded-For": self.ip or self.app.fresh_ip(),
            **({"Origin": self.origin} if self.origin else {}),
            **({"Cookie": cookies} if cookies else {}),
            **({"Authorization": f"Bearer {self.access_token}"} if self.access_token else {}),
        }

    async def _take(self, reply: httpx2.Response) -> httpx2.Response:
        """Do with the answer what a browser and its app do."""
        for line in reply.headers.get_list("set-cookie"):
            for name, morsel in SimpleCookie(line).items():
                setattr(self, "cookie" if name == "refresh_token" else "device", morsel.value)
        if reply.status_code in {200, 201} and "access_token" in reply.json():
            self.access_token, self.me = reply.json()["access_token"], reply.json()["user"]
        return reply


async def signed_in(app: Harness, person: Person | None = None, tenant_id: UUID | None = None) -> Browser:
    """A browser in which a (new) person of a (new) tenant is signed in."""
    person = person or await app.make_user()
    await settle(app, person, tenant_id or await tenant(app))
    browser = Browser(app)
    reply = await browser.login(person)
    assert reply.status_code == 200, reply.text
    return browser


def assert_error(reply: httpx2.Response, status: int, code: str) -> None:
    """The surface's error: its envelope and nothing else."""
    assert reply.status_code == status, reply.text
    assert set(reply.json()) == {"error"}
    assert reply.json()["error"]["code"] == code, reply.text
    assert reply.headers["cache-control"] == "no-store"
