"""Open invitations and those who accept them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from harness import PASSWORD, Harness, Person
from letters import letters

from identry.records import memberships, users

Reply = Any


@dataclass
class Offer:
    """An open invitation."""

    token: str
    email: str
    company: UUID
    inviter: Person
    id: str


async def offer(
    app: Harness, email: str = "", role: str = "MEMBER", unit: UUID | None = None, inviter_role: str = "OWNER"
) -> Offer:
    company, email = uuid4(), email or f"guest-{secrets.token_hex(6)}@example.com"
    inviter = await app.signed_in()
    await app.join(inviter, company, inviter_role)
    body = {"email": email, "role": role, "businessUnitId": str(unit) if unit else None}
    reply = await app.http.post(f"/internal/companies/{company}/invitations", json=body, headers=inviter.bearer)
    assert reply.status_code == 201, reply.text
    token = (await letters(app, email, "invitation"))[0].context["token"]
    return Offer(token, email, company, inviter, reply.json()["data"]["invitation"]["id"])


async def accept(
    app: Harness, token: object, password: object = PASSWORD, full_name: object = "Gil Guest", ip: str = ""
) -> Reply:
    return await app.http.post(
        "/auth/invitations/accept",
        json={"token": token, "password": password, "fullName": full_name},
        headers={"X-Forwarded-For": ip or app.fresh_ip()},
    )


async def look(app: Harness, token: str) -> Reply:
    return await app.http.get(f"/auth/invitations/{token}")


async def roles(app: Harness, email: str) -> list[tuple[UUID, str, bool]]:
    user = await users.find_by_email(app.db, email)
    return [(m.company_id, m.role, m.is_active) for m in await memberships.companies_of(app.db, user.id)]


def assert_refused(reply: Reply, status: int, code: str) -> None:
    assert (reply.status_code, reply.json()["error"]["code"]) == (status, code), reply.text
