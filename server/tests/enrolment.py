"""Second factors set up as people do it: through the browser surface."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pyotp
from browser import Browser, settle, tenant
from harness import Harness, Person


@dataclass
class Owner:
    """Somebody with an authenticator app, in the browser that set it up."""

    app: Harness
    person: Person
    browser: Browser
    tenant_id: UUID
    secret: str
    codes: list[str]

    def code(self, steps: int = 0) -> str:
        return code_of(self.app, self.secret, steps)

    def wrong(self) -> str:
        return wrong_code(self.app, self.secret)

    def later(self) -> str:
        """A code that was not used yet."""
        self.app.clock.advance(60)
        return self.code()

    async def again(self) -> Browser:
        """Another browser in which the owner signs in, with both factors."""
        browser = Browser(self.app)
        ticket = (await browser.login(self.person)).json()["session_token"]
        reply = await browser.post("/mfa/verify", {"session_token": ticket, "totp_code": self.later()})
        assert reply.status_code == 200, reply.text
        return browser


def code_of(app: Harness, secret: str, steps: int = 0) -> str:
    return pyotp.TOTP(secret).at(int(app.clock.timestamp()) + 30 * steps)


def wrong_code(app: Harness, secret: str) -> str:
    near = {code_of(app, secret, steps) for steps in range(-3, 4)}
    return next(code for code in (f"{n:06}" for n in range(10)) if code not in near)


async def newcomer(app: Harness, **fields: Any) -> tuple[Person, UUID]:
    """Somebody of a tenant without a second factor; `fields` of the tenant, `user` those of the person."""
    person = await app.make_user(**fields.pop("user", {}))
    home = await tenant(app, **fields)
    await settle(app, person, home)
    return person, home


async def demanded(app: Harness, person: Person) -> str:
    """The ticket of a sign-in that a demand for a second factor stopped."""
    reply = await Browser(app).login(person)
    assert reply.status_code == 200, reply.text
    assert reply.json()["mfa_setup_required"] is True
    token: str = reply.json()["session_token"]
    return token


async def begun(browser: Browser, session_token: str | None = None) -> str:
    """A set-up is begun; its secret."""
    reply = await browser.post("/mfa/setup", {"session_token": session_token} if session_token else {})
    assert reply.status_code == 200, reply.text
    secret: str = reply.json()["secret"]
    return secret


async def owner(app: Harness, **fields: Any) -> Owner:
    """Somebody who set an app up from their account."""
    person, home = await newcomer(app, **fields)
    browser = Browser(app)
    assert (await browser.login(person)).status_code == 200
    secret = await begun(browser)
    reply = await browser.post("/mfa/enable", {"totp_code": code_of(app, secret)})
    assert reply.status_code == 200, reply.text
    return Owner(app, person, browser, home, secret, reply.json()["recovery_codes"])


async def events_of(app: Harness, person: Person, prefix: str = "auth.mfa.") -> list[str]:
    """Audit events about a person, oldest first."""
    rows = await app.audit(target_user_id=person.id)
    return [row["event"] for row in rows if row["event"].startswith(prefix)]


async def somebody_waits(app: Harness) -> None:
    """Come back when a statement of the application waits for a row that a test holds."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    for _ in range(1000):
        if await app.db.fetchval(waiting):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("nobody waits for a lock")
