"""Whoever calls the admin port in tests: people with a token of an application, and applications with their own."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from harness import Harness, Person
from provider.applications import App

from identry.core.origin import SYSTEM
from identry.oauth.grants import Opening
from identry.records import app_members, clients, users
from identry.records.clients import Client

MANAGE = "/manage"
"""Before the routes of the admin port in a development server, as the shared application is."""


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def house_client(app: Harness) -> Client:
    """The application of the house itself, at which administrators sign in."""
    found = await clients.find(app.db, "identry-admin")
    assert found is not None
    return found


async def user_token(
    app: Harness, person: Person, client: Client | None = None, *, scopes: tuple[str, ...] = ("api",), age: int = 0
) -> str:
    """An access token of a person at an application (that of the house), whose sign-in is `age` seconds old."""
    user = await users.find(app.db, person.id)
    assert user is not None
    provider = app.app.engines.provider
    assert provider is not None
    opening = Opening(
        client=client or await house_client(app),
        user_id=user.id,
        token_version=user.token_version,
        amr=("pwd",),
        auth_time=app.clock.now() - timedelta(seconds=age),
        scopes=scopes,
    )
    opened = await provider.grants.open(app.db, opening, SYSTEM)
    assert opened is not None
    return (await provider.grants.tokens(opened)).access_token


async def service_token(app: Harness, made: App) -> str:
    """The application's own access token."""
    form = {"grant_type": "client_credentials", **made.credentials}
    reply = await app.http.post("/oauth/token", data=form, headers={"X-Forwarded-For": app.fresh_ip()})
    assert reply.status_code == 200, reply.text
    token: str = reply.json()["access_token"]
    return token


async def administrator(app: Harness, role: str = "PLATFORM_SUPERADMIN", **token: Any) -> tuple[Person, dict[str, str]]:
    """A new administrator of the platform, and the header of a fresh sign-in."""
    person = await app.make_user(global_role=role)
    return person, bearer(await user_token(app, person, **token))


async def member(app: Harness, made: App, role: str, **fields: Any) -> Person:
    """A new member of an application."""
    person = await app.make_user(**fields)
    now = app.clock.now()
    assert await app_members.insert(app.db, made.client.id, person.id, role, invite_sent=False, now=now)
    return person


async def number_of(app: Harness, person: Person) -> int:
    found = await users.number_of(app.db, person.id)
    assert found is not None
    return found
