"""Invitations of a tenant, and the browsers of those who accept them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from browser import Browser
from harness import PASSWORD, Harness, Person
from letters import letters
from tenants import Tenant

from identry.records.groups import Group

Reply = Any


@dataclass
class Guest:
    """Somebody who was invited."""

    id: str
    email: str
    token: str


def address(domain: str = "example.com") -> str:
    """An address that nobody has."""
    return f"guest-{secrets.token_hex(6)}@{domain}"


async def newest_token(app: Harness, email: str) -> str:
    """The token of the newest mail to an address."""
    return (await letters(app, email, "tenant_invitation"))[0].context["token"]


async def invite(tenant: Tenant, *groups: Group, email: str = "", by: Person | None = None) -> Guest:
    """Invite an address into groups of the tenant."""
    email = email or address()
    body = {"email": email, "group_ids": [str(group.id) for group in groups]}
    status, made = await tenant.ask("POST", "/users/invite", body, by=by)
    assert status == 201, made
    return Guest(made["id"], email, await newest_token(tenant.app, email))


async def look(app: Harness, token: str) -> Reply:
    """What the page behind the link asks."""
    return await Browser(app).get(f"/invitations/{token}")


async def accept(app: Harness, token: str, password: str = PASSWORD, browser: Browser | None = None) -> Reply:
    """Accept, as the page behind the link does."""
    body = {"password": password, "full_name": "Gil Guest"}
    return await (browser or Browser(app)).post(f"/invitations/{token}/accept", body)
