"""Identities of the caller: shown, linked on proof of both sides, removed but for the last way in."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import UUID, uuid4

import pytest
from browser import assert_error, settle
from federation import PERSONAL, Federation, Window, federation, guid, link, someone
from harness import Person, Servers


async def signed_in(there: Federation, window: Window, **fields: Any) -> Person:
    """Somebody of some tenant, signed in with a password."""
    person = await there.app.make_user(**fields)
    await settle(there.app, person, await there.tenant())
    await window.password(person)
    return person


async def linked(there: Federation, window: Window, account: Any, **query: str) -> dict[str, str]:
    """Link as the account page does; returns what the app's page is told."""
    there.entra.who = account
    return await window.come_back(await window.prove(await window.link(**query)))


async def listed(window: Window) -> list[dict[str, Any]]:
    reply = await window.get("/identities")
    assert reply.status_code == 200, reply.text
    found: list[dict[str, Any]] = reply.json()["data"]
    return found


async def test_whoever_proves_both_links_any_directorys_identity(there: Federation, window: Window) -> None:
    person = await signed_in(there, window)
    account = someone(PERSONAL, "somebody.else@outlook.example")

    assert await linked(there, window, account, return_to="/account") == {
        "linked": "microsoft",
        "return_to": "/account",
    }

    [identity] = await listed(window)
    assert identity["email"] == "somebody.else@outlook.example"
    assert (identity["provider"], identity["last_login_at"]) == ("microsoft", None)
    assert (await window.get("/me")).json()["auth_methods"] == ["password", "microsoft"]
    assert [mail["template"] for mail in await there.app.mails(person.email)] == ["identity_linked"]
    [row] = await there.app.audit("identity.linked", target_user_id=person.id)
    assert json.loads(row["details"])["by"] == "account page"
    assert (await Window(there).sign_in(account))["user"]["id"] == str(person.id)
    assert (await listed(window))[0]["last_login_at"] is not None


async def test_linking_signs_nobody_in_and_opens_no_session(there: Federation, window: Window) -> None:
    person = await signed_in(there, window)
    sessions = "SELECT count(*) FROM sessions WHERE user_id = $1"
    before = await there.app.db.fetchval(sessions, person.id)
    assert set(await linked(there, window, someone(guid()))) == {"linked"}
    assert await there.app.db.fetchval(sessions, person.id) == before


async def test_linking_again_changes_nothing(there: Federation, window: Window) -> None:
    person = await signed_in(there, window)
    account = someone(guid())
    await linked(there, window, account)
    assert await linked(there, window, account) == {"linked": "microsoft"}
    assert len(await listed(window)) == 1
    assert len(await there.app.mails(person.email)) == 1


async def test_an_identity_of_another_account_stays_there(there: Federation, window: Window) -> None:
    account = someone(guid())
    other = Window(there)
    await signed_in(there, other)
    await linked(there, other, account)
    await signed_in(there, window)

    assert await linked(there, window, account) == {"error": "account_link_required"}

    assert await listed(window) == []
    assert len(await listed(other)) == 1


async def test_of_two_accounts_that_link_one_identity_at_once_one_has_it(there: Federation) -> None:
    windows = [Window(there) for _ in range(6)]
    there.entra.who = someone(guid())
    urls = []
    for window in windows:
        await signed_in(there, window)
        urls.append(await window.prove(await window.link()))
    found = await asyncio.gather(*(w.come_back(url) for w, url in zip(windows, urls, strict=True)))
    assert sorted(map(str, found)) == [*["{'error': 'account_link_required'}"] * 5, "{'linked': 'microsoft'}"]


async def test_linking_needs_a_recent_sign_in(there: Federation, window: Window) -> None:
    await signed_in(there, window)
    there.app.clock.advance(601)
    reply = await window.post("/identities/microsoft/link")
    assert_error(reply, 401, "reauthentication_required")
    assert reply.json()["error"]["details"] == {"max_age": 600}
    assert "insufficient_user_authentication" in reply.headers["www-authenticate"]


async def test_a_tenants_own_provider_alone_adds_no_way_into_an_account_that_others_share(
    there: Federation, window: Window
) -> None:
    """Whoever runs that provider can sign in there as anybody of the tenant, but not get into other tenants by it."""
    person = await signed_in(there, window)
    as_tenant = "UPDATE sessions SET amr = ARRAY['sso_tenant', 'mfa'] WHERE user_id = $1"
    await there.app.db.execute(as_tenant, person.id)
    assert (await window.post("/identities/microsoft/link")).status_code == 200
    await settle(there.app, person, await there.tenant(), is_active=False)
    assert_error(await window.post("/identities/microsoft/link"), 403, "permission_denied")


async def test_a_refresh_is_no_recent_sign_in(there: Federation, window: Window) -> None:
    await signed_in(there, window)
    there.app.clock.advance(601)
    window.access_token = (await window.post("/refresh")).json()["access_token"]
    assert_error(await window.post("/identities/microsoft/link"), 401, "reauthentication_required")


async def test_linking_ends_in_the_browser_in_which_it_began(there: Federation, window: Window) -> None:
    """Somebody sends their own callback to another person's browser, or takes theirs."""
    person = await signed_in(there, window)
    there.entra.who = someone(guid())
    url = await window.prove(await window.link())
    victim = Window(there)
    await signed_in(there, victim)
    await victim.link()
    assert await victim.come_back(url) == {"error": "state_invalid"}
    assert await listed(victim) == []
    assert await window.come_back(url) == {"linked": "microsoft"}
    assert len(await there.app.mails(person.email)) == 1


ENDS = {
    "logged out": "UPDATE sessions SET revoked_at = now() WHERE user_id = $1",
    "password changed elsewhere": "UPDATE users SET token_version = token_version + 1 WHERE id = $1",
}


@pytest.mark.parametrize("sql", ENDS.values(), ids=ENDS.keys())
async def test_a_link_dies_with_its_session(sql: str, there: Federation, window: Window) -> None:
    person = await signed_in(there, window)
    there.entra.who = someone(guid())
    url = await window.prove(await window.link())
    await there.app.db.execute(sql, person.id)
    assert await window.come_back(url) == {"error": "state_invalid"}
    assert await there.app.db.fetchval("SELECT count(*) FROM identities WHERE user_id = $1", person.id) == 0


async def test_a_deactivated_account_gets_no_identity(there: Federation, window: Window) -> None:
    person = await signed_in(there, window)
    there.entra.who = someone(guid())
    url = await window.prove(await window.link())
    await there.app.db.execute("UPDATE users SET is_active = false WHERE id = $1", person.id)
    assert await window.come_back(url) == {"error": "account_inactive"}


async def test_a_pending_link_goes_with_its_account(there: Federation, window: Window) -> None:
    person = await signed_in(there, window)
    there.entra.who = someone(guid())
    url = await window.prove(await window.link())
    await there.app.db.execute("DELETE FROM users WHERE id = $1", person.id)
    assert await window.come_back(url) == {"error": "state_invalid"}


async def test_the_cookie_of_the_link_is_set_and_nobody_else_may_begin_one(there: Federation, window: Window) -> None:
    await signed_in(there, window)
    reply = await window.post("/identities/microsoft/link")
    assert reply.headers["set-cookie"].startswith("__Host-identry_login=")
    assert_error(await Window(there).post("/identities/microsoft/link"), 401, "invalid_token")


async def test_an_identity_is_removed(there: Federation, window: Window) -> None:
    person = await signed_in(there, window)
    account = someone(guid())
    await linked(there, window, account)
    [identity] = await listed(window)

    assert (await window.delete(f"/identities/{identity['id']}")).status_code == 204

    assert await listed(window) == []
    assert (await window.get("/me")).json()["auth_methods"] == ["password"]
    assert (await there.app.mails(person.email))[0]["template"] == "identity_removed"
    assert len(await there.app.audit("identity.unlinked", target_user_id=person.id)) == 1
    assert await Window(there).arrive(account) == {"error": "tenant_unknown"}
    assert_error(await window.delete(f"/identities/{identity['id']}"), 404, "not_found")


async def test_nobody_removes_the_identity_of_somebody_else(there: Federation, window: Window) -> None:
    other = Window(there)
    await signed_in(there, other)
    await linked(there, other, someone(guid()))
    [identity] = await listed(other)
    await signed_in(there, window)
    assert_error(await window.delete(f"/identities/{identity['id']}"), 404, "not_found")
    assert_error(await window.delete(f"/identities/{uuid4()}"), 404, "not_found")
    assert len(await listed(other)) == 1


async def test_the_last_way_in_stays(there: Federation, window: Window) -> None:
    await there.tenant(tid := guid())
    await window.sign_in(someone(tid))
    [identity] = await listed(window)
    assert_error(await window.delete(f"/identities/{identity['id']}"), 409, "last_sign_in_method")
    await linked(there, window, someone(PERSONAL))
    assert (await window.delete(f"/identities/{identity['id']}")).status_code == 204
    [left] = await listed(window)
    assert_error(await window.delete(f"/identities/{left['id']}"), 409, "last_sign_in_method")


async def test_of_two_last_identities_removed_at_once_one_stays(there: Federation, window: Window) -> None:
    await there.tenant(tid := guid())
    await window.sign_in(someone(tid))
    for _ in range(5):
        await linked(there, window, someone(guid()))
    replies = await asyncio.gather(*(window.delete(f"/identities/{row['id']}") for row in await listed(window)))
    assert sorted(reply.status_code for reply in replies) == [*[204] * 5, 409]
    assert len(await listed(window)) == 1


async def test_a_password_is_no_way_in_where_the_tenant_wants_single_sign_on(there: Federation, window: Window) -> None:
    tid = guid()
    tenant_id = await there.tenant(tid, auth_policy="restricted")
    person = await there.app.make_user()
    await settle(there.app, person, tenant_id)
    account = someone(tid)
    await link(there, person, account)
    await window.sign_in(account)
    [identity] = await listed(window)
    assert_error(await window.delete(f"/identities/{identity['id']}"), 409, "last_sign_in_method")


async def test_single_sign_on_works_where_passwords_do_not(servers: Servers) -> None:
    env = {"AUTH_POLICY": "restricted", "AUTH_ALLOWED_EMAIL_DOMAINS": "example.com"}
    async with federation(servers, **env) as there:
        await there.tenant(tid := guid())
        window = Window(there)
        body = await window.sign_in(someone(tid))
        assert UUID(body["user"]["id"])
        assert (await window.post("/refresh")).status_code == 200
        [identity] = await listed(window)
        assert_error(await window.delete(f"/identities/{identity['id']}"), 409, "last_sign_in_method")
