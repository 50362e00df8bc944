"""People of applications: what they do over HTTP, each from an address of their own."""

from __future__ import annotations

import secrets
from typing import Any

from harness import PASSWORD, Harness, Person
from provider.applications import App, application

from identry.records import app_members

Reply = Any


def somebody() -> str:
    """An address that nobody has."""
    return f"new-{secrets.token_hex(6)}@example.com"


async def public_app(app: Harness, **values: Any) -> App:
    """A public application."""
    return await application(app, auth_method="none", **values)


async def post(app: Harness, path: str, body: object, ip: str = "", **headers: str) -> Reply:
    """A request from an address of its own, unless `ip` names one."""
    return await app.http.post(path, json=body, headers={"X-Forwarded-For": ip or app.fresh_ip(), **headers})


async def sign_up(app: Harness, made: App, email: str = "", ip: str = "", **fields: object) -> Reply:
    """Somebody signs up at an application."""
    body = {"name": "Ada Lovelace", "email": email or somebody(), "password": PASSWORD}
    return await post(app, "/api/auth/signup", {**body, "client_id": made.client.client_id, **fields}, ip)


async def verify(app: Harness, token: str, ip: str = "") -> Reply:
    """Somebody follows the link of the mail."""
    return await app.http.get(
        "/api/auth/verify-email", params={"token": token}, headers={"X-Forwarded-For": ip or app.fresh_ip()}
    )


async def log_in(
    app: Harness, made: App, email: str, password: str = PASSWORD, ip: str = "", **fields: object
) -> Reply:
    """Somebody signs in at an application."""
    body = {"email": email, "password": password, "app_client_id": made.client.client_id, **fields}
    return await post(app, "/api/auth/login", body, ip)


async def member(app: Harness, made: App, role: str = "user", **fields: Any) -> Person:
    """A new person who is a member of an application."""
    person = await app.make_user(**fields)
    await app_members.insert(app.db, made.client.id, person.id, role, invite_sent=False, now=app.clock.now())
    return person


async def user_row(app: Harness, email: str) -> dict[str, Any]:
    """What the database says of an address."""
    row = await app.db.fetchrow("SELECT * FROM users WHERE email = $1", email)
    assert row is not None
    return dict(row)
