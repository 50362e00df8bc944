"""GET and POST /oauth/logout: who may be signed out by whom, and where the browser goes then."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from harness import Harness
from provider.applications import App
from provider.authorization import ISSUER, ask, code_of, error_of, form_token, landed, web_client
from provider.browsers import Browser
from provider.redemption import tokens

from identry.records import sessions

BYE = "https://client.example.com/bye"


async def log_out(browser: Browser, **parameters: str) -> Any:
    """A request for the end of the session."""
    return await browser.get(f"/oauth/logout?{urlencode(parameters)}")


async def signed_in(app: Harness, **values: Any) -> tuple[App, Browser, str]:
    """A client, a browser, and the ID token of a grant."""
    client = await web_client(app, post_logout_redirect_uris=[BYE], **values)
    browser = await Browser(app).sign_in(await app.make_user())
    return client, browser, (await tokens(app, browser, client)).id_token


async def is_over(app: Harness, browser: Browser, client: App) -> bool:
    """Whether the browser is signed out, and every grant of its session has ended."""
    alive = "SELECT count(*) FROM sessions WHERE (browser_session_id = $1 OR id = $1) AND revoked_at IS NULL"
    left = await app.db.fetchval(alive, browser.session_id)
    reply = await ask(browser, client, prompt="none")
    answered = "login_required" if "error" in landed(reply).parameters else "code"
    assert (left == 0) is (answered == "login_required")
    return bool(left == 0)


async def test_an_id_token_signs_out_and_the_browser_goes_where_the_client_registered(app: Harness) -> None:
    client, browser, id_token = await signed_in(app)
    reply = await log_out(browser, id_token_hint=id_token, post_logout_redirect_uri=BYE, state="s&1")
    went = landed(reply)
    assert (went.address, went.parameters) == (BYE, {"state": "s&1"})
    assert "__Host-identry_session" not in browser.cookies
    assert await is_over(app, browser, client)
    assert len(await app.audit("auth.logout", session_id=browser.session_id)) == 1


async def test_an_expired_id_token_counts_and_a_form_may_bring_it(app: Harness) -> None:
    client, browser, id_token = await signed_in(app)
    app.clock.advance(timedelta(hours=2))
    told = {"id_token_hint": id_token, "post_logout_redirect_uri": BYE, "client_id": client.client.client_id}
    assert landed(await browser.post("/oauth/logout", data=told)).address == BYE
    assert await is_over(app, browser, client)


async def test_the_form_of_another_site_brings_no_cookie_and_signs_out_all_the_same(app: Harness) -> None:
    client, browser, id_token = await signed_in(app)
    told = {"id_token_hint": id_token, "post_logout_redirect_uri": BYE}
    assert landed(await Browser(app).post("/oauth/logout", data=told)).address == BYE
    assert await is_over(app, browser, client)


async def test_without_an_address_the_browser_stays_here(app: Harness) -> None:
    client, browser, id_token = await signed_in(app)
    assert landed(await log_out(browser, id_token_hint=id_token)).address == "/signed-out"
    assert await is_over(app, browser, client)
    _, browser, id_token = await signed_in(app)
    reply = await app.http.get("/oauth/logout", params={"id_token_hint": id_token})
    assert (reply.status_code, reply.json()) == (200, {"message": "logout successful"})


def unsigned(id_token: str) -> str:
    """The same token, signed by nobody."""
    none = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "JWT"}).encode()).rstrip(b"=").decode()
    return f"{none}.{id_token.split('.')[1]}."


async def test_what_proves_nothing_leads_to_a_question_and_to_no_address(app: Harness) -> None:
    client, browser, id_token = await signed_in(app)
    other = await web_client(app)
    good = {"id_token_hint": id_token, "post_logout_redirect_uri": BYE, "state": "1"}
    access_token = (await tokens(app, browser, client)).access_token
    for name, told in {
        "nothing": {},
        "no hint": {"post_logout_redirect_uri": BYE, "state": "1"},
        "no hint but a client": {"post_logout_redirect_uri": BYE, "client_id": client.client.client_id},
        "a hint of nobody": {**good, "id_token_hint": "nonsense"},
        "an unsigned hint": {**good, "id_token_hint": unsigned(id_token)},
        "a changed hint": {**good, "id_token_hint": id_token[:-6] + "AAAAAA"},
        "an access token": {**good, "id_token_hint": access_token},
        "a hint of another client": {**good, "client_id": other.client.client_id},
        "an address that is not registered": {**good, "post_logout_redirect_uri": "https://evil.example.com/"},
        "a registered address and more": {**good, "post_logout_redirect_uri": BYE + "?x=1"},
    }.items():
        reply = await log_out(browser, **told)
        assert landed(reply).address == "/logout", name
        assert "state" not in landed(reply).parameters, name
        assert not await is_over(app, browser, client), name
        assert landed(await log_out(Browser(app), **told)).address in {"/signed-out", "/logout"}, name


async def test_who_says_yes_is_signed_out_and_only_our_own_page_can_ask(app: Harness) -> None:
    client, browser, _ = await signed_in(app)
    ours = {"csrf": form_token(browser)}
    foreign = await browser.post("/oauth/logout/confirm", data=ours, headers={"Origin": "https://evil.test"})
    assert foreign.status_code == 403
    for told in ({"x": "1"}, {"csrf": ours["csrf"][::-1]}):
        reply = await browser.post("/oauth/logout/confirm", data=told, headers={"Origin": ISSUER})
        assert (reply.status_code, landed(reply).address) == (303, "/logout"), "the page asks again"
    assert not await is_over(app, browser, client)
    reply = await browser.post("/oauth/logout/confirm", data=ours, headers={"Origin": ISSUER})
    assert (reply.status_code, landed(reply).address) == (303, "/signed-out")
    assert "__Host-identry_session" not in browser.cookies
    assert await is_over(app, browser, client)


async def test_a_hint_of_somebody_else_leaves_who_is_signed_in_here_alone(app: Harness) -> None:
    client, browser, _ = await signed_in(app)
    _, theirs, id_token = await signed_in(app)
    assert landed(await log_out(browser, id_token_hint=id_token)).address == "/signed-out"
    code_of(await ask(browser, client))
    assert error_of(await ask(theirs, client, prompt="none")) == "login_required"


# -- back-channel logout -------------------------------------------------------------------------------------------


async def notices(app: Harness, client: App) -> list[Any]:
    """What this client is going to be told."""
    return await app.db.fetch("SELECT * FROM logout_notices WHERE client_id = $1", client.client.id)


async def test_whoever_ends_a_grant_its_client_is_going_to_hear_of_it(app: Harness) -> None:
    async def hinted(browser: Browser, id_token: str) -> None:
        await log_out(browser, id_token_hint=id_token)

    async def everywhere(browser: Browser, _: str) -> None:
        user_id = await app.db.fetchval("SELECT user_id FROM sessions WHERE id = $1", browser.session_id)
        await sessions.revoke_all(app.db, user_id, "logout-all", app.clock.now())

    async def browser_ended(browser: Browser, _: str) -> None:
        user_id = await app.db.fetchval("SELECT user_id FROM sessions WHERE id = $1", browser.session_id)
        await sessions.revoke_own(app.db, browser.session_id, user_id, "ended by its owner", app.clock.now())

    async def grant_ended(browser: Browser, _: str) -> None:
        grant = await app.db.fetchval("SELECT id FROM sessions WHERE browser_session_id = $1", browser.session_id)
        await sessions.revoke(app.db, grant, "refresh token reuse", app.clock.now())

    for way in (hinted, everywhere, browser_ended, grant_ended):
        # An address that nobody answers at, so that the notice stays.
        client, browser, id_token = await signed_in(app, backchannel_logout_uri="https://192.0.2.1/logout")
        grant = await app.db.fetchval("SELECT id FROM sessions WHERE browser_session_id = $1", browser.session_id)
        await way(browser, id_token)
        found = await notices(app, client)
        assert [row["session_id"] for row in found] == [grant], way.__name__
        assert json.loads(_claims(id_token))["sid"] == str(grant)
    silent, browser, id_token = await signed_in(app)
    await log_out(browser, id_token_hint=id_token)
    assert await notices(app, silent) == []
    assert "sid" not in json.loads(_claims(id_token))


def _claims(token: str) -> bytes:
    payload = token.split(".")[1]
    return base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
