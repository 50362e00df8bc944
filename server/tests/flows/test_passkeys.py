"""A person's own passkeys: seen, renamed, removed; never the last way in, never a factor that is demanded."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from authenticator import Device, KeyBrowser, b64, client_data, with_device
from browser import assert_error, settle, tenant
from harness import Harness, Servers, running
from letters import letters

from identry.core.ids import uuid7
from identry.records import identities, passkey_challenges
from identry.records.identities import Identity


async def only(browser: KeyBrowser) -> dict[str, Any]:
    [shown] = (await browser.get("/passkeys")).json()["data"]
    found: dict[str, Any] = shown
    return found


async def test_the_list_has_what_a_browser_needs_to_forget_the_others(app: Harness) -> None:
    browser, _, device = await with_device(app)
    await browser.register(Device(), "Phone")
    reply = (await browser.get("/passkeys")).json()
    assert [passkey["name"] for passkey in reply["data"]] == ["Laptop", "Phone"]
    assert reply["rp_id"] == "app.example.com"
    assert reply["user_handle"] == b64(device.handle)


async def test_who_never_had_a_passkey_has_no_handle(app: Harness) -> None:
    person = await app.make_user()
    await settle(app, person, await tenant(app))
    browser = KeyBrowser(app)
    await browser.login(person)
    assert (await browser.get("/passkeys")).json() == {"data": [], "rp_id": "app.example.com", "user_handle": None}


async def test_a_passkey_gets_another_name(app: Harness) -> None:
    browser, person, _ = await with_device(app)
    shown = await only(browser)
    reply = await browser.patch(f"/passkeys/{shown['id']}", {"name": " Blue key "})
    assert reply.status_code == 200
    assert reply.json() == {**shown, "name": "Blue key"} == await only(browser)
    [row] = await app.audit("auth.passkey.renamed", target_user_id=person.id)
    assert row["session_id"] is not None


@pytest.mark.parametrize("name", ["", "  ", "x" * 81, "a\nb", None, 5])
async def test_what_is_no_name_is_refused(app: Harness, name: Any) -> None:
    browser, _, _ = await with_device(app)
    reply = await browser.patch(f"/passkeys/{(await only(browser))['id']}", {"name": name})
    assert_error(reply, 400, "validation_error")


async def test_nobody_touches_the_passkeys_of_others(app: Harness) -> None:
    browser, _, device = await with_device(app)
    stranger, _, _ = await with_device(app)
    shown = await only(browser)
    for target in (shown["id"], uuid4()):
        assert_error(await stranger.patch(f"/passkeys/{target}", {"name": "mine"}), 404, "not_found")
        assert_error(await stranger.delete(f"/passkeys/{target}"), 404, "not_found")
    assert await only(browser) == shown
    assert (await KeyBrowser(app).sign_in(device)).status_code == 200


async def test_a_removed_passkey_signs_nobody_in_and_the_other_sessions_end(app: Harness) -> None:
    browser, person, device = await with_device(app)
    elsewhere, half = KeyBrowser(app), KeyBrowser(app)
    assert (await elsewhere.sign_in(device)).status_code == 200
    options = await half.options("login")
    assert (await browser.delete(f"/passkeys/{(await only(browser))['id']}")).status_code == 204
    assert (await browser.get("/passkeys")).json()["data"] == []
    reply = await half.post("/passkeys/login", {"credential": device.signed(options)})
    assert_error(reply, 401, "invalid_credentials")
    assert_error(await elsewhere.get("/me"), 401, "token_revoked")
    assert_error(await elsewhere.post("/refresh"), 401, "token_revoked")
    assert (await browser.post("/refresh")).status_code == 200
    [letter] = await letters(app, person.email, "passkey_removed")
    assert letter.context["passkey_name"] == "Laptop"
    [row] = await app.audit("auth.passkey.removed", target_user_id=person.id)
    assert row["outcome"] == "success"


async def test_removing_needs_a_recent_sign_in(app: Harness) -> None:
    browser, _, _ = await with_device(app)
    shown = await only(browser)
    app.clock.advance(timedelta(minutes=10, seconds=1))
    assert_error(await browser.delete(f"/passkeys/{shown['id']}"), 401, "reauthentication_required")
    assert await only(browser) == shown


async def test_of_two_removals_one_finds_it(app: Harness) -> None:
    browser, person, _ = await with_device(app)
    path = f"/passkeys/{(await only(browser))['id']}"
    replies = await asyncio.gather(*(browser.delete(path) for _ in range(10)))
    assert sorted(reply.status_code for reply in replies) == [204, *[404] * 9]
    assert len(await letters(app, person.email, "passkey_removed")) == 1


async def test_the_last_way_in_stays(app: Harness) -> None:
    browser, person, _ = await with_device(app)
    await app.db.execute("UPDATE users SET password_hash = NULL WHERE id = $1", person.id)
    shown = await only(browser)
    assert_error(await browser.delete(f"/passkeys/{shown['id']}"), 409, "last_sign_in_method")
    assert await only(browser) == shown
    assert await letters(app, person.email, "passkey_removed") == []
    await browser.register(Device(), "Phone")
    assert (await browser.delete(f"/passkeys/{shown['id']}")).status_code == 204


async def test_of_the_last_two_ways_in_removed_at_once_one_stays(app: Harness) -> None:
    browser, person, _ = await with_device(app)
    await browser.register(Device(), "Phone")
    await app.db.execute("UPDATE users SET password_hash = NULL WHERE id = $1", person.id)
    both = [passkey["id"] for passkey in (await browser.get("/passkeys")).json()["data"]]
    replies = await asyncio.gather(*(browser.delete(f"/passkeys/{one}") for one in both))
    assert sorted(reply.status_code for reply in replies) == [204, 409]


async def test_with_single_sign_on_a_passkey_is_not_the_last_way_in(app: Harness) -> None:
    browser, person, _ = await with_device(app)
    await app.db.execute("UPDATE users SET password_hash = NULL WHERE id = $1", person.id)
    shown = await only(browser)
    assert_error(await browser.delete(f"/passkeys/{shown['id']}"), 409, "last_sign_in_method")
    now = app.clock.now()
    row = (uuid7(app.clock), person.id, "entra", "https://login.example.com/t/v2.0", "t", f"o-{person.id}")
    identity = Identity(*row, None, None, now, None)
    assert await identities.insert(app.db, identity)
    assert (await browser.delete(f"/passkeys/{(await only(browser))['id']}")).status_code == 204


async def test_the_last_factor_stays_where_one_is_demanded(app: Harness) -> None:
    browser, person, _ = await with_device(app)
    await app.db.execute("UPDATE tenants SET mfa_required = true WHERE id = $1", browser.me["tenant_id"])
    shown = await only(browser)
    assert_error(await browser.delete(f"/passkeys/{shown['id']}"), 403, "mfa_required_by_policy")
    assert await only(browser) == shown
    await app.db.execute("UPDATE users SET mfa_enabled = true WHERE id = $1", person.id)
    assert (await browser.delete(f"/passkeys/{shown['id']}")).status_code == 204


async def test_a_deployment_that_demands_a_factor_keeps_the_last_one(servers: Servers) -> None:
    async with running(servers) as app:
        browser, _person, device = await with_device(app)
    async with running(servers, MFA_REQUIRED="true") as app:
        browser = KeyBrowser(app)
        assert (await browser.sign_in(device)).status_code == 200
        reply = await browser.delete(f"/passkeys/{(await only(browser))['id']}")
        assert_error(reply, 403, "mfa_required_by_policy")


async def test_a_relying_party_above_the_app_is_what_keys_are_bound_to(servers: Servers) -> None:
    async with running(servers, WEBAUTHN_RP_ID="example.com") as app:
        browser, _, device = await with_device(app, device=Device(rp_id="example.com"))
        assert (await browser.options("login"))["rpId"] == "example.com"
        assert (await browser.sign_in(device)).status_code == 200
        beside = KeyBrowser(app, origin="https://cloud.example.com")
        options = await beside.options("login")
        data = client_data("get", options["challenge"], origin="https://cloud.example.com")
        reply = await beside.post("/passkeys/login", {"credential": device.signed(options, data=data)})
        assert reply.status_code == 200, reply.text


async def test_an_app_without_a_domain_has_no_passkeys(servers: Servers) -> None:
    async with running(servers, APP_BASE_URL="http://127.0.0.1:5173") as app:
        reply = await KeyBrowser(app).post("/passkeys/login/options")
        assert reply.status_code == 404


async def test_old_challenges_are_swept_out(app: Harness) -> None:
    await KeyBrowser(app).options("login")
    app.clock.advance(timedelta(minutes=6))
    assert await passkey_challenges.prune(app.db, app.clock.now()) >= 1
    assert await app.db.fetchval("SELECT count(*) FROM passkey_challenges WHERE expires_at < $1", app.clock.now()) == 0
