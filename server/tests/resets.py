"""The two steps of a password reset."""

from __future__ import annotations

import secrets
from typing import Any

from harness import Harness, Person
from letters import letters

Reply = Any
NEW = "a much better passphrase"
SENT = {
    "success": True,
    "data": {"message": "if this address has an account, a mail with a link to set a new password is on its way"},
}


def nobody() -> str:
    return f"nobody-{secrets.token_hex(5)}@example.com"


async def request(app: Harness, email: object, ip: str = "", **more: object) -> Reply:
    return await app.http.post(
        "/auth/password-reset/request",
        json={"email": email, **more},
        headers={"X-Forwarded-For": ip or app.fresh_ip()},
    )


async def confirm(app: Harness, token: object, password: object = NEW, ip: str = "") -> Reply:
    return await app.http.post(
        "/auth/password-reset/confirm",
        json={"token": token, "newPassword": password},
        headers={"X-Forwarded-For": ip or app.fresh_ip()},
    )


async def login(app: Harness, person: Person, password: str) -> Reply:
    return await app.http.post(
        "/auth/login",
        json={"email": person.email, "password": password},
        headers={"X-Forwarded-For": app.fresh_ip()},
    )


async def mailed_token(app: Harness, person: Person) -> str:
    reply = await request(app, person.email)
    assert reply.json() == SENT
    return (await letters(app, person.email, "password_reset"))[0].context["token"]


def assert_dead(reply: Reply) -> None:
    assert reply.status_code == 400, reply.text
    error = reply.json()["error"]
    assert error["code"] == "validation_error"
    assert error["message"] == "token: is invalid, was used before or has expired; ask for a new link"
    assert [fault["field"] for fault in error["details"]["fields"]] == ["token"]
