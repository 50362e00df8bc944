"""Somebody in a browser, at the pages of their own account."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from harness import Harness, Person
from provider.applications import App, application
from provider.page_browser import PageBrowser

from identry.core.ids import uuid7
from identry.records import consents, passkeys
from identry.records.passkeys import Passkey


@dataclass(frozen=True, slots=True)
class Owner:
    """A person, signed in on the pages."""

    person: Person
    browser: PageBrowser


async def owner(app: Harness, **fields: Any) -> Owner:
    """A new one; `fields` as of `make_user`."""
    person, browser = await app.make_user(**fields), PageBrowser(app)
    page = await browser.sign_in(person)
    assert page.path == "/account", page.text
    return Owner(person, browser)


async def elsewhere(app: Harness, person: Person, user_agent: str = "curl/8.5.0") -> str:
    """Sign in on another device, with the platform's API; an access token."""
    told = {"User-Agent": user_agent, "X-Forwarded-For": app.fresh_ip()}
    reply = await app.http.post("/auth/login", json={"email": person.email, "password": person.password}, headers=told)
    assert reply.status_code == 200, reply.text
    token: str = reply.json()["data"]["accessToken"]
    return token


async def is_live(app: Harness, access_token: str) -> bool:
    """Whether a token of the platform still counts."""
    return (await app.http.get("/auth/me", headers={"Authorization": f"Bearer {access_token}"})).status_code == 200


async def granted(app: Harness, person: Person, name: str, *scopes: str, browser_session: Any = None) -> App:
    """An application that the person agreed to, and that holds a grant."""
    made = await application(app, name=name)
    now = app.clock.now()
    await consents.grant(app.db, person.id, made.client.id, list(scopes), now)
    await app.db.execute(
        """
        INSERT INTO sessions (id, user_id, created_at, expires_at, auth_time, amr, token_version, refresh_token_hash,
                              client_id, scopes, browser_session_id)
        VALUES ($1, $2, $3, $4, $3, '{pwd}', 1, $5, $6, $7, $8)
        """,
        uuid7(app.clock),
        person.id,
        now,
        now + timedelta(days=3),
        uuid7(app.clock).bytes * 2,
        made.client.id,
        list(scopes),
        browser_session,
    )
    return made


async def live_grants(app: Harness, made: App) -> int:
    """How many grants of an application are alive."""
    count: int = await app.db.fetchval(
        "SELECT count(*) FROM sessions WHERE client_id = $1 AND revoked_at IS NULL", made.client.id
    )
    return count


async def under_way(app: Harness, person: Person, made: App) -> tuple[bytes, bytes]:
    """An authorization code and an approved device code that the application has not used yet; their hashes."""
    now, code, device = app.clock.now(), uuid7(app.clock).bytes * 2, uuid7(app.clock).bytes * 2
    await app.db.execute(
        """
        INSERT INTO authorization_codes (code_hash, client_id, user_id, session_id, redirect_uri, redirect_uri_given,
                                         scopes, auth_time, amr, token_version, created_at, expires_at)
        VALUES ($1, $2, $3, $4, 'https://app.example.com/back', true, '{openid}', $5, '{pwd}', 1, $5, $6)
        """,
        code,
        made.client.id,
        person.id,
        uuid7(app.clock),
        now,
        now + timedelta(minutes=1),
    )
    await app.db.execute(
        """
        INSERT INTO device_codes (device_code_hash, user_code_hash, client_id, scopes, state, user_id, poll_after,
                                  poll_seconds, created_at, expires_at)
        VALUES ($1, $2, $3, '{openid}', 'approved', $4, $5, 5, $5, $6)
        """,
        device,
        uuid7(app.clock).bytes * 2,
        made.client.id,
        person.id,
        now,
        now + timedelta(minutes=10),
    )
    return code, device


async def kept(app: Harness, person: Person, name: str) -> Passkey:
    """A passkey of somebody, as if it had been added."""
    made = Passkey(
        uuid7(app.clock),
        person.id,
        uuid7(app.clock).bytes,
        bytes(77),
        0,
        uuid7(app.clock),
        ["internal"],
        True,
        True,
        name,
        app.clock.now(),
        None,
    )
    assert await passkeys.insert(app.db, made)
    return made
