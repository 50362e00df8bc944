"""Where a tenant wants it, what is sensitive asks for a second factor that was proven a moment ago."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from browser import Browser, assert_error, signed_in
from enrolment import Owner, owner
from harness import PASSWORD, Harness
from tenants import Tenant

from identry.records import groups, tenants
from identry.web.operations import Guard

WANTED = {"current_password": PASSWORD, "new_password": "another horse, another battery"}
LATER = timedelta(minutes=10, seconds=1)


async def careful(app: Harness, found: Owner) -> None:
    await app.db.execute("UPDATE tenants SET mfa_for_changes = true WHERE id = $1", found.tenant_id)


async def change(browser: Browser) -> Any:
    return await browser.post("/password/change", WANTED)


async def test_what_is_sensitive_is_a_list_that_somebody_thought_about(app: Harness) -> None:
    listed = {(o.method, o.path) for o in app.app.operations if o.sensitive}
    writes = {
        (o.method, o.path)
        for o in app.app.operations
        if o.guard is Guard.BROWSER and o.method != "GET" and o.permission
    }
    own = {("POST", "/api/v1/auth/password/change"), ("POST", "/account/password"), ("POST", "/account/password/first")}
    assert listed == {*writes, *own, ("POST", "/account/email")}


async def test_without_the_tenants_wish_nothing_is_asked(app: Harness) -> None:
    found = await owner(app)
    app.clock.advance(LATER)
    assert (await change(found.browser)).status_code == 204


async def test_a_code_opens_it_for_ten_minutes(app: Harness) -> None:
    found = await owner(app)
    await careful(app, found)
    app.clock.advance(LATER)
    reply = await change(found.browser)
    assert_error(reply, 401, "mfa_code_required")
    assert reply.json()["error"]["details"] == {"max_age": 600}
    assert 'error="insufficient_user_authentication"' in reply.headers["www-authenticate"]
    assert (await found.browser.post("/refresh")).status_code == 200
    assert_error(await change(found.browser), 401, "mfa_code_required")
    confirmed = await found.browser.post("/mfa/step-up", {"totp_code": found.later()})
    assert (confirmed.status_code, confirmed.content) == (204, b"")
    assert (await change(found.browser)).status_code == 204
    app.clock.advance(LATER)
    back = {"current_password": WANTED["new_password"], "new_password": "yet another horse battery"}
    assert_error(await found.browser.post("/password/change", back), 401, "mfa_code_required")
    [row] = await app.audit("auth.mfa.stepped_up", target_user_id=found.person.id)
    assert str(row["session_id"])


async def test_a_recovery_code_opens_it_as_well(app: Harness) -> None:
    found = await owner(app)
    await careful(app, found)
    app.clock.advance(LATER)
    assert (await found.browser.post("/mfa/step-up", {"recovery_code": found.codes[5]})).status_code == 204
    assert (await change(found.browser)).status_code == 204


async def test_a_sign_in_or_a_set_up_a_moment_ago_is_enough(app: Harness) -> None:
    found = await owner(app)
    await careful(app, found)
    assert (await change(found.browser)).status_code == 204
    other = await owner(app)
    await careful(app, other)
    app.clock.advance(LATER)
    again = await other.again()
    assert_error(await change(other.browser), 401, "mfa_code_required")
    assert (await change(again)).status_code == 204


async def test_a_code_counts_for_its_own_session_only(app: Harness) -> None:
    found = await owner(app)
    await careful(app, found)
    other = await found.again()
    app.clock.advance(LATER)
    assert (await found.browser.post("/mfa/step-up", {"totp_code": found.later()})).status_code == 204
    assert_error(await change(other), 401, "mfa_code_required")
    assert (await change(found.browser)).status_code == 204


async def test_a_wrong_code_opens_nothing(app: Harness) -> None:
    found = await owner(app)
    await careful(app, found)
    app.clock.advance(LATER)
    assert_error(await found.browser.post("/mfa/step-up", {"totp_code": found.wrong()}), 401, "invalid_code")
    assert_error(await change(found.browser), 401, "mfa_code_required")


async def test_who_has_no_second_factor_is_told_to_set_one_up(app: Harness) -> None:
    browser = await signed_in(app)
    await app.db.execute("UPDATE tenants SET mfa_for_changes = true WHERE id = $1", browser.me["tenant_id"])
    assert_error(await change(browser), 403, "mfa_setup_required")


async def test_whose_factor_has_no_codes_signs_in_again(app: Harness) -> None:
    """A session that began with a factor of another kind (a passkey, an identity provider's)."""
    browser = await signed_in(app)
    await app.db.execute("UPDATE tenants SET mfa_for_changes = true WHERE id = $1", browser.me["tenant_id"])
    sql = "UPDATE sessions SET amr = '{hwk,user,mfa}' WHERE user_id = $1"
    await app.db.execute(sql, browser.me["id"])
    app.clock.advance(LATER)
    assert_error(await change(browser), 401, "reauthentication_required")
    app.clock.advance(-LATER)
    assert (await change(browser)).status_code == 204


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/api/v1/rbac/groups"), ("DELETE", "/api/v1/users/{id}/mfa"), ("PATCH", "/api/v1/users/{id}")],
)
async def test_administration_asks_as_well_and_permission_comes_first(app: Harness, method: str, path: str) -> None:
    found = await owner(app)
    await careful(app, found)
    app.clock.advance(LATER)
    body = {"name": "Night shift", "permissions": []} if "groups" in path else {"full_name": "Somebody Else"}
    headers = {"Authorization": f"Bearer {found.browser.access_token}"}
    arguments = {} if method == "DELETE" else {"json": body}
    url = path.replace("{id}", str(found.person.id))
    reply = await app.http.request(method, url, headers=headers, **arguments)
    assert_error(reply, 403, "permission_denied")
    await make_admin(app, found)
    reply = await app.http.request(method, url, headers=headers, **arguments)
    assert_error(reply, 401, "mfa_code_required")
    assert (await found.browser.post("/mfa/step-up", {"totp_code": found.later()})).status_code == 204
    reply = await app.http.request(method, url, headers=headers, **arguments)
    assert reply.status_code in ({403} if method == "DELETE" else {200, 201}), reply.text


async def make_admin(app: Harness, found: Owner) -> None:
    """Give the owner of a factor every right in their tenant."""
    now = app.clock.now()
    group = groups.Group(found.person.id, found.tenant_id, "All", "", ["*"], False, now, now)
    assert await groups.insert(app.db, group)
    await groups.add_member(app.db, found.tenant_id, group.id, found.person.id, now)
    await tenants.touch(app.db, found.tenant_id)


@pytest.mark.parametrize(
    ("path", "body"),
    [("/mfa/setup", {}), ("/passkeys/register/options", {}), ("/identities/sso/link", None)],
    ids=["app", "passkey", "identity"],
)
async def test_the_provider_of_one_tenant_adds_no_way_into_an_account_that_others_share(
    app: Harness, path: str, body: Any
) -> None:
    person = await app.make_user()
    browser = await signed_in(app, person)
    await app.db.execute("UPDATE sessions SET amr = '{sso_tenant}' WHERE user_id = $1", person.id)
    alone = await browser.post(path, body)
    assert alone.status_code in {200, 404}, alone.text  # 404: this tenant has no provider
    other = await Tenant(app).made()
    await tenants.put_member(app.db, other.id, person.id, is_active=True, now=app.clock.now())
    reply = await browser.post(path, body)
    assert_error(reply, 403, "permission_denied")
    assert "other tenants" in reply.json()["error"]["message"]
