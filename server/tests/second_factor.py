"""Users with a second factor, and the two steps of their sign-in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyotp
from harness import PASSWORD, Harness, Person

from identry.core import recovery_codes, totp
from identry.records import factors

Reply = Any


@dataclass
class Secured:
    """A user with a second factor."""

    person: Person
    secret: str
    codes: list[str]

    def code(self, app: Harness, steps: int = 0) -> str:
        return pyotp.TOTP(self.secret).at(int(app.clock.timestamp()) + 30 * steps)

    def wrong(self, app: Harness) -> str:
        near = {self.code(app, steps) for steps in range(-3, 4)}
        return next(code for code in (f"{n:06}" for n in range(10)) if code not in near)


async def secured(app: Harness, *, codes: bool = False, **fields: Any) -> Secured:
    person = await app.make_user(**fields)
    engines = app.app.engines
    secret = totp.new_secret()
    async with app.db.transaction() as tx:
        sealed = engines.totp_secrets.seal(person.id, secret)
        assert await factors.enrol(tx, person.id, sealed, engines.totp_secrets.key_id, app.clock.now())
        assert await factors.confirm(tx, person.id, sealed, 1, app.clock.now())
    made = engines.recovery_codes.new(person.id) if codes else {}
    hashes = {selector: await engines.passwords.hash(code) for selector, code in made.items()}
    async with app.db.transaction() as tx:
        await factors.replace_codes(tx, person.id, hashes, app.clock)
    return Secured(person, secret, [recovery_codes.shown(code) for code in made.values()])


async def login(app: Harness, person: Person) -> Reply:
    return await app.http.post(
        "/auth/login",
        json={"email": person.email, "password": PASSWORD},
        headers={"X-Forwarded-For": app.fresh_ip()},
    )


async def ticket_for(app: Harness, person: Person) -> str:
    reply = await login(app, person)
    assert reply.status_code == 403, reply.text
    token: str = reply.json()["error"]["details"]["mfaToken"]
    return token


async def verify(app: Harness, ticket: object, code: object, ip: str = "") -> Reply:
    return await app.http.post(
        "/auth/mfa/verify",
        json={"mfaToken": ticket, "code": code},
        headers={"X-Forwarded-For": ip or app.fresh_ip()},
    )


def assert_wrong(reply: Reply) -> None:
    assert reply.status_code == 401, reply.text
    assert reply.json()["error"] == {"code": "unauthorized", "message": "invalid or expired code"}
