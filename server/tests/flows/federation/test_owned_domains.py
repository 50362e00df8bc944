"""A tenant that proved to own a domain and wants single sign-on: no password is taken for its addresses."""

from __future__ import annotations

from uuid import uuid4

import pytest
from browser import assert_error
from federation import Federation, Window
from harness import PASSWORD, Harness

from identry.records import users


@pytest.mark.parametrize("upper", [False, True], ids=["as it is", "in capitals"])
async def test_nobody_of_its_domain_registers_with_a_password_on_either_surface(
    there: Federation, app: Harness, window: Window, upper: bool
) -> None:
    owner = await there.tenant(auth_policy="restricted")
    domain = there.verified(owner)
    email = f"{uuid4().hex}@{domain.upper() if upper else domain}"
    body = {"email": email, "password": PASSWORD, "full_name": "Gil"}
    assert_error(await window.post("/register", body), 403, "password_login_disabled")
    platform = await app.http.post("/auth/register", json={"email": email, "password": PASSWORD, "fullName": "Gil"})
    assert (platform.status_code, platform.json()["error"]["code"]) == (403, "password_login_disabled")
    assert await users.find_by_email(app.db, email.lower()) is None


async def test_its_sub_domains_and_those_of_milder_or_closed_owners_register(
    there: Federation, app: Harness, window: Window
) -> None:
    strict = there.verified(await there.tenant(auth_policy="restricted"))
    mild = there.verified(await there.tenant())
    closed = there.verified(await there.tenant(auth_policy="restricted", is_active=False))
    for domain in (f"sub.{strict}", mild, closed, "example.com"):
        body = {"email": f"{uuid4().hex}@{domain}", "password": PASSWORD, "full_name": "Gil"}
        reply = await window.post("/register", body)
        assert reply.status_code == 201, domain
