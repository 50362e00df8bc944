"""A sign-in under way belongs to one browser and works once; so does its code (SECURITY §2 rows 15, 42, 44)."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest
from browser import API, APP, JSON, assert_error
from federation import LEAVING, Federation, Window, federation, guid, someone
from harness import Harness, Servers

from identry.core.secrets import token_hash
from identry.records import pending_logins


async def back(there: Federation, window: Window) -> str:
    """The URL of the callback, for somebody who would be let in."""
    await there.tenant(tid := guid())
    there.entra.who = someone(tid)
    return await window.prove(await window.leave())


async def test_a_browser_without_the_cookie_is_refused_and_the_right_one_still_gets_in(
    there: Federation, window: Window
) -> None:
    url = await back(there, window)
    assert await Window(there).come_back(url) == {"error": "state_invalid"}
    assert set(await window.come_back(url)) == {"code"}


async def test_a_browser_with_a_sign_in_of_its_own_is_refused(there: Federation, window: Window) -> None:
    url = await back(there, window)
    other = Window(there)
    own = await other.leave()
    assert await other.come_back(url) == {"error": "state_invalid"}
    assert set(await other.come_back(await other.prove(own))) == {"code"}


async def test_of_two_windows_that_begin_at_once_the_later_one_gets_in_whichever_comes_back_first(
    there: Federation, window: Window
) -> None:
    earlier = await back(there, window)
    later = await window.prove(await window.leave())
    assert await window.come_back(earlier) == {"error": "state_invalid"}
    code = (await window.come_back(later))["code"]
    assert await window.come_back(later) == {"error": "state_invalid"}
    assert (await window.exchange(code)).status_code == 200


async def test_a_cookie_that_comes_twice_is_no_cookie(there: Federation, window: Window) -> None:
    url = await back(there, window)
    planted = {"Cookie": f"{LEAVING}={window.cookies[LEAVING]}; {LEAVING}=planted"}
    reply = await there.app.http.get(
        f"{API}/microsoft/callback", params=dict(parse_qsl(urlsplit(url).query)), headers=planted
    )
    assert reply.headers["location"] == f"{APP}/auth/callback?error=state_invalid"


async def test_a_callback_works_once(there: Federation, window: Window) -> None:
    url = await back(there, window)
    cookies = dict(window.cookies)
    assert set(await window.come_back(url)) == {"code"}
    window.cookies = cookies
    assert await window.come_back(url) == {"error": "state_invalid"}


async def test_of_parallel_callbacks_exactly_one_gets_a_code(there: Federation, window: Window) -> None:
    url = await back(there, window)
    windows = [Window(there, dict(window.cookies)) for _ in range(30)]

    found = await asyncio.gather(*(w.come_back(url) for w in windows))

    assert sorted(map(str, (set(f) for f in found))) == [str({"code"}), *[str({"error"})] * 29]


async def test_a_sign_in_that_was_forgotten_for_ten_minutes_is_over(there: Federation, window: Window) -> None:
    url = await back(there, window)
    there.app.clock.advance(601)
    assert await window.come_back(url) == {"error": "state_invalid"}


async def test_a_failure_uses_the_sign_in_up(there: Federation, window: Window) -> None:
    url = await back(there, window)
    cookies = dict(window.cookies)
    assert await window.come_back(url + "&error=access_denied") == {"error": "access_denied"}
    window.cookies = cookies
    assert await window.come_back(url) == {"error": "state_invalid"}


async def test_what_waits_is_hashed_or_sealed(there: Federation, window: Window) -> None:
    url = await window.leave()
    state = dict(parse_qsl(urlsplit(url).query))["state"]
    row = await there.app.db.fetchrow("SELECT * FROM pending_logins WHERE state_hash = $1", token_hash(state))
    assert row["binding_hash"] == token_hash(window.cookies[LEAVING])
    assert state.encode() not in bytes(row["sealed"])
    sealer = there.app.app.engines.pending_logins
    assert b'"verifier"' in sealer.open(bytes(row["sealed"]), bytes(row["state_hash"]))
    with pytest.raises(ValueError, match="elsewhere"):
        sealer.open(bytes(row["sealed"]), b"another row")


async def test_a_sign_in_sealed_under_a_secret_of_before_has_to_begin_again(there: Federation, window: Window) -> None:
    url = await back(there, window)
    await there.app.db.execute("UPDATE pending_logins SET sealed = '\\x00'")
    assert await window.come_back(url) == {"error": "state_invalid"}


async def test_the_ten_thousand_and_first_sign_in_has_to_wait(servers: Servers) -> None:
    async with federation(servers) as there:
        await there.app.db.execute(
            """
            INSERT INTO pending_logins (state_hash, binding_hash, provider_key, sealed, return_to, created_at,
                                        expires_at)
            SELECT sha256(n::text::bytea), '\\x00', 'flood', '\\x00', '/', $1::timestamptz,
                   $1::timestamptz + interval '1 hour'
            FROM generate_series(1, $2 - (SELECT count(*)::int FROM pending_logins WHERE expires_at > $1)) n
            """,
            there.app.clock.now(),
            pending_logins.MAX_OPEN,
        )
        try:
            reply = await Window(there).get("/microsoft/login")
            assert_error(reply, 503, "service_unavailable")
            assert reply.headers["retry-after"] == "60"
            await there.app.db.execute(
                "UPDATE pending_logins SET expires_at = $1 WHERE state_hash = sha256('1'::bytea)", there.app.clock.now()
            )
            assert (await Window(there).get("/microsoft/login")).status_code == 302
        finally:
            await there.app.db.execute("DELETE FROM pending_logins WHERE provider_key = 'flood'")


async def test_what_expired_is_swept(there: Federation, window: Window) -> None:
    await window.leave()
    there.app.clock.advance(601)
    assert await pending_logins.prune(there.app.db, there.app.clock.now()) >= 1
    left = await there.app.db.fetchval(
        "SELECT count(*) FROM pending_logins WHERE expires_at < $1", there.app.clock.now()
    )
    assert left == 0


async def test_more_than_thirty_starts_a_minute_from_one_address_are_too_many(there: Federation) -> None:
    headers = {"X-Forwarded-For": there.app.fresh_ip()}
    for _ in range(30):
        assert (await there.app.http.get(f"{API}/microsoft/login", headers=headers)).status_code == 302
    reply = await there.app.http.get(f"{API}/microsoft/login", headers=headers)
    assert_error(reply, 429, "rate_limited")
    assert int(reply.headers["retry-after"]) > 0


HOSTILE = {
    "another host": "https://evil.example/",
    "another host without a scheme": "//evil.example/",
    "three slashes": "///evil.example/",
    "backslashes": "/\\evil.example/",
    "backslash and slash": "\\/evil.example/",
    "a tab between the slashes": "/\t/evil.example/",
    "a line end": "/x\r\nSet-Cookie: a=b",
    "a NUL": "/x\x00y",
    "script": "javascript:alert(1)",
    "data": "data:text/html,x",
    "user and host": "/@evil.example".replace("/", "", 1),
    "no slash in front": "reports",
    "white space in front": " /reports",
    "a line separator": "/x\u2028y",
    "a direction mark": "/x\u202ey",
    "a broken address": "//[/",
    "too long": "/" + "x" * 3000,
    "nothing": "",
}


@pytest.mark.parametrize("wanted", HOSTILE.values(), ids=HOSTILE.keys())
async def test_the_app_goes_on_at_home_rather_than_anywhere_else(
    wanted: str, there: Federation, window: Window
) -> None:
    await there.tenant(tid := guid())
    assert set(await window.arrive(someone(tid), return_to=wanted)) == {"code"}


@pytest.mark.parametrize("wanted", ["/reports", "/a/b?c=//d&e=http://f", "/x/@y", "/%2F/evil", "/ü", "/..;/x", "/a:b"])
async def test_a_path_of_the_app_is_kept_as_it_is(wanted: str, there: Federation, window: Window) -> None:
    await there.tenant(tid := guid())
    assert (await window.arrive(someone(tid), return_to=wanted))["return_to"] == wanted


@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil.example"}, {"X-Forwarded-Host": "evil.example"}, {"Forwarded": "host=evil.example"}],
    ids=["host", "x-forwarded-host", "forwarded"],
)
async def test_addresses_follow_settings_and_no_header(headers: dict[str, str], there: Federation) -> None:
    reply = await there.app.http.get(f"{API}/microsoft/login", headers=headers)
    asked = dict(parse_qsl(urlsplit(reply.headers["location"]).query))
    assert asked["redirect_uri"] == "https://auth.example.com/api/v1/auth/microsoft/callback"
    reply = await there.app.http.get(f"{API}/microsoft/callback?code=x&state=y", headers=headers)
    assert reply.headers["location"] == f"{APP}/auth/callback?error=state_invalid"


# -- the code --------------------------------------------------------------------------------------------------------


async def arrived(there: Federation, window: Window) -> str:
    """A code that would open a session."""
    await there.tenant(tid := guid())
    return (await window.arrive(someone(tid)))["code"]


async def test_a_code_works_once(there: Federation, window: Window) -> None:
    code = await arrived(there, window)
    cookies = dict(window.cookies)
    assert (await window.exchange(code)).status_code == 200
    again = Window(there, cookies)
    assert_error(await again.exchange(code), 401, "invalid_code")


async def test_of_parallel_exchanges_exactly_one_opens_a_session(there: Federation, window: Window) -> None:
    code = await arrived(there, window)
    windows = [Window(there, dict(window.cookies)) for _ in range(40)]
    replies = await asyncio.gather(*(w.exchange(code) for w in windows))
    assert sorted(reply.status_code for reply in replies) == [200, *[401] * 39]


async def test_a_code_is_worth_nothing_in_another_browser_and_is_not_used_up_there(
    there: Federation, window: Window
) -> None:
    code = await arrived(there, window)
    other = Window(there)
    assert_error(await other.exchange(code), 401, "invalid_code")
    await arrived(there, other)
    assert_error(await other.exchange(code), 401, "invalid_code")
    assert (await window.exchange(code)).status_code == 200


async def test_a_code_is_over_after_a_minute(there: Federation, window: Window) -> None:
    code = await arrived(there, window)
    there.app.clock.advance(61)
    assert_error(await window.exchange(code), 401, "invalid_code")


@pytest.mark.parametrize("code", ["x", "A" * 43, "A" * 1024, "é", "' OR 1=1"])
async def test_a_code_of_somebodys_making_opens_nothing(code: str, there: Federation, window: Window) -> None:
    await arrived(there, window)
    assert_error(await window.exchange(code), 401, "invalid_code")


async def test_the_cookie_of_the_start_does_not_open_the_code(there: Federation, window: Window) -> None:
    await there.tenant(tid := guid())
    there.entra.who = someone(tid)
    url = await window.prove(await window.leave())
    before = dict(window.cookies)
    code = (await window.come_back(url))["code"]
    assert_error(await Window(there, before).exchange(code), 401, "invalid_code")


async def test_a_page_of_another_origin_cannot_exchange(there: Federation, window: Window) -> None:
    code = await arrived(there, window)
    reply = await window.exchange(code, Origin="https://evil.example")
    assert_error(reply, 403, "origin_not_allowed")
    reply = await window.exchange(code, **{"Content-Type": "text/plain"})
    assert_error(reply, 415, "unsupported_media_type")
    assert (await window.exchange(code)).status_code == 200


async def test_a_refused_code_is_in_the_audit_log(there: Federation, window: Window) -> None:
    known = await there.refusals()
    assert_error(await window.exchange("x"), 401, "invalid_code")
    [row] = await there.refusals(*known)
    assert '"by": "exchange"' in row["details"]


TAKEN_BACK = {
    "password or state changed": "UPDATE users SET token_version = token_version + 1 WHERE id = $1",
    "identity removed": "DELETE FROM identities WHERE user_id = $1",
}


@pytest.mark.parametrize("sql", TAKEN_BACK.values(), ids=TAKEN_BACK.keys())
async def test_a_code_dies_with_what_it_stands_on(sql: str, there: Federation, window: Window) -> None:
    await there.tenant(tid := guid())
    ada = someone(tid)
    code = (await window.arrive(ada))["code"]
    await there.app.db.execute(sql, await user_of(there.app, ada.email))
    assert_error(await window.exchange(code), 401, "invalid_code")


GATES = {
    "deactivated": ("UPDATE users SET is_active = false WHERE id = $1", "account_inactive"),
    "waits for approval": ("UPDATE users SET approval_status = 'PENDING' WHERE id = $1", "pending_approval"),
    "rejected": ("UPDATE users SET approval_status = 'REJECTED' WHERE id = $1", "registration_rejected"),
    "removed from the tenant": ("UPDATE tenant_members SET is_active = false WHERE user_id = $1", "tenant_inactive"),
    "tenant closed": (
        "UPDATE tenants SET is_active = false WHERE id IN (SELECT tenant_id FROM tenant_members WHERE user_id = $1)",
        "tenant_inactive",
    ),
}


@pytest.mark.parametrize(("sql", "code"), GATES.values(), ids=GATES.keys())
async def test_a_gate_that_closed_after_the_callback_is_closed(
    sql: str, code: str, there: Federation, window: Window
) -> None:
    await there.tenant(tid := guid())
    ada = someone(tid)
    arrival = (await window.arrive(ada))["code"]
    await there.app.db.execute(sql, await user_of(there.app, ada.email))
    assert_error(await window.exchange(arrival), 403, code)
    assert "refresh_token" not in window.cookies


async def test_nothing_but_json_of_the_right_shape_is_a_code(there: Federation) -> None:
    for body in (b"", b"{}", b'{"code":7}', b'{"code":""}', b"[]", b"code=x"):
        reply: httpx2.Response = await there.app.http.post(
            f"{API}/exchange", content=body, headers={**JSON, "Origin": APP, "X-Forwarded-For": there.app.fresh_ip()}
        )
        assert_error(reply, 400, "validation_error")


async def user_of(app: Harness, email: str) -> object:
    return await app.db.fetchval("SELECT id FROM users WHERE email = $1", email)
