"""POST /oauth/par: a client says beforehand what it will ask for (RFC 9126)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from harness import Harness
from provider.applications import App
from provider.authorization import CALLBACK, REFUSED_ANYWHERE, code_of, landed, request_of, web_client
from provider.browsers import Browser


async def push(app: Harness, client: App, **changes: str | None) -> Any:
    """A request pushed by a client that proves itself."""
    told = {**request_of(client, **changes), "client_secret": client.secret}
    return await app.http.post("/oauth/par", data=told, headers={"X-Forwarded-For": app.fresh_ip()})


async def come(browser: Browser, client: App, request_uri: str, **more: str) -> Any:
    """The browser that follows."""
    told = {"client_id": client.client.client_id, "request_uri": request_uri, **more}
    return await browser.get(f"/oauth/authorize?{urlencode(told)}")


async def test_a_pushed_request_is_answered_once_and_nothing_in_the_address_changes_it(app: Harness) -> None:
    client = await web_client(app, require_par=True)
    browser = await Browser(app).sign_in(await app.make_user())
    reply = await push(app, client)
    assert (reply.status_code, reply.headers["cache-control"]) == (201, "no-store")
    pushed = reply.json()
    assert pushed["request_uri"].startswith("urn:ietf:params:oauth:request_uri:")
    assert pushed["expires_in"] == 60
    code = code_of(await come(browser, client, pushed["request_uri"], scope="api", redirect_uri="https://evil.test/"))
    scopes = await app.db.fetchval("SELECT scopes FROM authorization_codes WHERE client_id = $1", client.client.id)
    assert (scopes, bool(code)) == (["openid", "email"], True)
    again = await come(browser, client, pushed["request_uri"])
    assert (again.status_code, "location" in again.headers) == (400, False)


async def test_a_pushed_request_waits_for_its_person_like_any_other(app: Harness) -> None:
    client, browser = await web_client(app), Browser(app)
    pushed = (await push(app, client)).json()
    waits = landed(await come(browser, client, pushed["request_uri"]))
    assert waits.address == "/login"
    await browser.sign_in(await app.make_user())
    app.clock.advance(timedelta(minutes=10))
    code_of(await browser.get(f"/oauth/authorize/continue?request={waits.handle}"))


async def test_it_is_good_for_a_minute_and_for_its_own_client(app: Harness) -> None:
    client, other = await web_client(app), await web_client(app)
    browser = await Browser(app).sign_in(await app.make_user())
    request_uri = (await push(app, client)).json()["request_uri"]
    assert (await come(browser, other, request_uri)).status_code == 400
    code_of(await come(browser, client, request_uri))
    late = (await push(app, client)).json()["request_uri"]
    app.clock.advance(timedelta(seconds=60))
    assert (await come(browser, client, late)).status_code == 400
    for unknown in ("urn:ietf:params:oauth:request_uri:unknown", "urn:ietf:params:oauth:request_uri:" + "x" * 500):
        assert (await come(browser, client, unknown)).status_code == 400


async def test_what_could_not_be_answered_is_not_kept(app: Harness) -> None:
    client = await web_client(app)
    for name, (error, changes) in REFUSED_ANYWHERE.items():
        reply = await push(app, client, **changes)
        assert (reply.status_code, reply.json()["error"]) == (400, error), name
    for changes in ({"redirect_uri": "https://evil.example.com/"}, {"request_uri": "urn:x"}, {"redirect_uri": None}):
        reply = await push(app, client, **changes)
        assert (reply.status_code, reply.json()["error"]) == (400, "invalid_request"), changes


async def test_a_client_that_does_not_prove_itself_pushes_nothing(app: Harness) -> None:
    client, public = await web_client(app), await web_client(app, auth_method="none")
    for secret in ("", "wrong"):
        told = {**request_of(client), "client_secret": secret}
        reply = await app.http.post("/oauth/par", data=told)
        assert (reply.status_code, reply.json()["error"]) == (401, "invalid_client")
    reply = await app.http.post("/oauth/par", data=request_of(public))
    assert reply.status_code == 201, "a public client has nothing to prove"


async def test_of_many_browsers_with_one_pushed_request_one_is_answered(app: Harness) -> None:
    client = await web_client(app)
    browser = await Browser(app).sign_in(await app.make_user())
    request_uri = (await push(app, client)).json()["request_uri"]
    replies = await asyncio.gather(*(come(browser, client, request_uri) for _ in range(20)))
    assert sorted(reply.status_code for reply in replies) == [302] + [400] * 19
    assert sum(reply.headers.get("location", "").startswith(CALLBACK) for reply in replies) == 1
