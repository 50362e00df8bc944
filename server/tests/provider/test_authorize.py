"""GET and POST /oauth/authorize: what goes back to the application, what is told on a page, when a page comes first."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

import pytest
from harness import Harness
from provider.applications import App
from provider.authorization import (
    CALLBACK,
    CHALLENGE,
    REFUSED_ANYWHERE,
    VERIFIER,
    ask,
    code_of,
    decide,
    error_of,
    go_on,
    landed,
    request_of,
    web_client,
)
from provider.browsers import Browser

from identry import tenancy
from identry.core.limits import AUTHORIZE
from identry.core.secrets import token_hash
from identry.records import app_members, tenants
from identry.tokens import ProviderGrant


async def signed_in(app: Harness) -> Browser:
    """A browser in which somebody new is signed in."""
    return await Browser(app).sign_in(await app.make_user())


async def stored(app: Harness, code: str) -> dict[str, Any]:
    """The row of a code."""
    row = await app.db.fetchrow("SELECT * FROM authorization_codes WHERE code_hash = $1", token_hash(code))
    assert row is not None
    return dict(row)


async def test_whoever_is_signed_in_goes_back_with_a_code_that_is_bound_to_everything(app: Harness) -> None:
    client, browser = await web_client(app, audiences=["https://api.example.com"]), await signed_in(app)
    reply = await ask(browser, client, resource="https://api.example.com")
    code = code_of(reply)
    assert reply.headers["cache-control"] == "no-store"
    row = await stored(app, code)
    assert code not in str(row)
    assert row["expires_at"] - row["created_at"] == timedelta(seconds=60)
    expected = {
        "client_id": client.client.id,
        "browser_session_id": browser.session_id,
        "redirect_uri": CALLBACK,
        "redirect_uri_given": True,
        "scopes": ["openid", "email"],
        "audiences": ["https://api.example.com"],
        "nonce": "nonce-1",
        "code_challenge": CHALLENGE,
        "amr": ["pwd"],
        "token_version": 1,
        "consumed_at": None,
    }
    assert {name: row[name] for name in expected} == expected


async def test_a_request_may_come_as_a_form_and_hold_parameters_that_nobody_knows(app: Harness) -> None:
    client, browser = await web_client(app), await signed_in(app)
    code_of(await browser.post("/oauth/authorize", data=request_of(client)))
    code_of(await ask(browser, client, display="popup", claims_locales="se", extra="foobar", claims="{}"))


async def test_a_client_without_pkce_and_nonce_is_served_when_it_is_registered_so(app: Harness) -> None:
    client, browser = await web_client(app, require_pkce=False), await signed_in(app)
    bare = {"code_challenge": None, "code_challenge_method": None, "nonce": None}
    assert (await stored(app, code_of(await ask(browser, client, **bare))))["code_challenge"] is None


async def test_what_is_wrong_is_told_to_the_client_at_its_own_address(app: Harness) -> None:
    client, browser = await web_client(app), await signed_in(app)
    elsewhere = {"request_uri": "https://127.0.0.1:1/r"}
    for name, (error, changes) in {
        **REFUSED_ANYWHERE,
        "a request address elsewhere": ("request_uri_not_supported", elsewhere),
    }.items():
        assert error_of(await ask(browser, client, **changes)) == error, name
    service = await web_client(app, grant_types=["client_credentials"])
    assert error_of(await ask(browser, service)) == "unauthorized_client"
    pushing = await web_client(app, require_par=True)
    assert error_of(await ask(browser, pushing)) == "invalid_request"


ON_A_PAGE: dict[str, dict[str, str | None]] = {
    "an unknown client": {"client_id": "nobody"},
    "no client": {"client_id": None},
    "an address that is not registered": {"redirect_uri": "https://evil.example.com/callback"},
    "no address, where OpenID Connect wants one": {"redirect_uri": None},
    "a registered address and more": {"redirect_uri": CALLBACK + "/more"},
    "a huge scope": {"scope": " ".join(f"s{i}" for i in range(2500))},
    "a state that cannot be stored": {"state": "a\x00b"},
    "a huge state": {"state": "s" * 5000},
}


async def test_nobody_is_sent_anywhere_before_the_address_is_proven(app: Harness) -> None:
    client, browser = await web_client(app), await signed_in(app)
    for name, changes in ON_A_PAGE.items():
        reply = await ask(browser, client, **changes)
        assert (reply.status_code, "location" in reply.headers) == (400, False), name
        assert '"https://evil' not in reply.text, name
    twice = f"client_id={client.client.client_id}&client_id={client.client.client_id}&redirect_uri={CALLBACK}"
    assert (await browser.get(f"/oauth/authorize?{twice}")).status_code == 400
    inactive = await web_client(app, is_active=False)
    assert (await ask(browser, inactive)).status_code == 400


async def test_the_only_address_of_a_client_may_be_left_out_by_plain_oauth(app: Harness) -> None:
    client, browser = await web_client(app), await signed_in(app)
    row = await stored(app, code_of(await ask(browser, client, scope="email", redirect_uri=None)))
    assert (row["redirect_uri"], row["redirect_uri_given"]) == (CALLBACK, False)


async def test_a_native_client_comes_back_on_any_port_of_its_loopback_address(app: Harness) -> None:
    registered = ["http://127.0.0.1/cb"]
    native = await web_client(app, auth_method="none", is_native=True, redirect_uris=registered)
    browser = await signed_in(app)
    went = landed(await ask(browser, native, redirect_uri="http://127.0.0.1:51004/cb"))
    assert went.address == "http://127.0.0.1:51004/cb"
    assert "code" in went.parameters
    web = await web_client(app, redirect_uris=registered)
    assert (await ask(browser, web, redirect_uri="http://127.0.0.1:51004/cb")).status_code == 400


# -- who has to be signed in, and how --------------------------------------------------------------------------------


async def test_nobody_signed_in_is_sent_to_sign_in_and_then_goes_on(app: Harness) -> None:
    client, browser = await web_client(app), Browser(app)
    waits = landed(await ask(browser, client))
    assert waits.address == "/login"
    assert landed(await go_on(browser, waits.handle)).address == "/login", "nothing has changed"
    await browser.sign_in(await app.make_user())
    code_of(await go_on(browser, waits.handle))
    assert (await go_on(browser, waits.handle)).status_code == 400, "it is answered once"


async def test_without_a_page_the_client_is_told_what_is_missing(app: Harness) -> None:
    client, asking = await web_client(app), await web_client(app, first_party=False)
    assert error_of(await ask(Browser(app), client, prompt="none")) == "login_required"
    browser = await signed_in(app)
    code_of(await ask(browser, client, prompt="none"))
    assert error_of(await ask(browser, asking, prompt="none")) == "consent_required"
    assert error_of(await ask(browser, client, prompt="none", acr_values="mfa")) == "login_required"
    app.clock.advance(timedelta(seconds=10))
    assert error_of(await ask(browser, client, prompt="none", max_age="5")) == "login_required"
    code_of(await ask(browser, client, prompt="none", max_age="3600"))


@pytest.mark.parametrize("wants", [{"prompt": "login"}, {"prompt": "select_account"}, {"max_age": "1"}])
async def test_whoever_has_to_sign_in_again_does_so_for_this_request(app: Harness, wants: dict[str, str]) -> None:
    client, person = await web_client(app), await app.make_user()
    browser = await Browser(app).sign_in(person)
    app.clock.advance(timedelta(seconds=5))
    waits = landed(await ask(browser, client, **wants))
    assert waits.address == "/login"
    assert landed(await go_on(browser, waits.handle)).address == "/login", "the old sign-in does not count"
    await browser.sign_in(person)
    app.clock.advance(timedelta(minutes=5))
    row = await stored(app, code_of(await go_on(browser, waits.handle)))
    assert row["browser_session_id"] == browser.session_id


async def test_a_second_factor_that_is_asked_for_is_passed(app: Harness) -> None:
    client, person = await web_client(app), await app.make_user()
    browser = await Browser(app).sign_in(person)
    waits = landed(await ask(browser, client, acr_values="mfa"))
    assert waits.address == "/login"
    assert landed(await go_on(browser, waits.handle)).address == "/login", "the sign-in of before does not count"
    await browser.sign_in(person, "pwd", "otp", "mfa")
    assert (await stored(app, code_of(await go_on(browser, waits.handle))))["amr"] == ["pwd", "otp", "mfa"]
    code_of(await ask(await signed_in(app), client, acr_values="mfa pwd unknown"))


async def test_who_has_no_second_factor_is_not_asked_for_one_for_ever(app: Harness) -> None:
    client, browser = await web_client(app), Browser(app)
    waits = landed(await ask(browser, client, acr_values="mfa"))
    await browser.sign_in(await app.make_user())
    assert error_of(await go_on(browser, waits.handle)) == "unmet_authentication_requirements"
    assert (await go_on(browser, waits.handle)).status_code == 400


async def test_requests_that_wait_are_limited_by_address(app: Harness) -> None:
    client, browser, ip = await web_client(app), Browser(app), app.fresh_ip()
    for _ in range(AUTHORIZE.limit):
        await app.app.engines.limiter.spend(AUTHORIZE, ip)
    target = f"/oauth/authorize?{urlencode(request_of(client))}"
    reply = await browser.get(target, headers={"X-Forwarded-For": ip})
    assert (reply.status_code, int(reply.headers["retry-after"]) > 0) == (429, True)
    await browser.sign_in(await app.make_user())
    code_of(await browser.get(target, headers={"X-Forwarded-For": ip}))


async def test_a_demand_that_is_newer_than_the_sign_in_is_met_first(app: Harness) -> None:
    client, person = await web_client(app), await app.make_user()
    browser = await Browser(app).sign_in(person)
    await app.db.execute("UPDATE users SET mfa_enabled = true WHERE id = $1", person.id)
    assert landed(await ask(browser, client)).address == "/login"
    assert error_of(await ask(browser, client, prompt="none")) == "login_required"


async def id_token(app: Harness, client: App, user_id: UUID) -> str:
    """An ID token of ours."""
    provider = app.app.engines.provider
    assert provider is not None
    number = await app.db.fetchval("SELECT number FROM users WHERE id = $1", user_id)
    grant = ProviderGrant(
        UUID(int=1), user_id, number, client.client.client_id, (), ("openid",), "user", ("user",), {}, ("pwd",),
        app.clock.now(), 1, {},
    )  # fmt: skip
    return await provider.mint.id_token(grant, "access", {}, 900)


async def test_a_hint_says_who_has_to_be_signed_in(app: Harness) -> None:
    client, person = await web_client(app), await app.make_user()
    browser = await Browser(app).sign_in(person)
    own = await id_token(app, client, person.id)
    other = await id_token(app, client, (await app.make_user()).id)
    elsewhere = await id_token(app, await web_client(app), person.id)
    code_of(await ask(browser, client, prompt="none", id_token_hint=own))
    assert error_of(await ask(browser, client, prompt="none", id_token_hint=other)) == "login_required"
    assert landed(await ask(browser, client, id_token_hint=other)).address == "/login"
    assert error_of(await ask(browser, client, id_token_hint=elsewhere)) == "invalid_request"
    head, payload, signature = own.split(".")
    none = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "JWT"}).encode()).rstrip(b"=").decode()
    for forged in (f"{none}.{payload}.", f"{head}.{payload}.{'A' * len(signature)}"):
        assert error_of(await ask(browser, client, id_token_hint=forged)) == "invalid_request"
    app.clock.advance(timedelta(hours=2))
    code_of(await ask(browser, client, prompt="none", id_token_hint=own))


# -- consent -----------------------------------------------------------------------------------------------------------


async def test_an_agreement_is_asked_for_once_and_again_for_more(app: Harness) -> None:
    client, browser = await web_client(app, first_party=False), await signed_in(app)
    waits = landed(await ask(browser, client))
    assert waits.address == "/consent"
    agreed = landed(await decide(browser, waits.handle, "agree"))
    assert agreed.address == "/oauth/authorize/continue"
    code_of(await go_on(browser, agreed.handle))
    code_of(await ask(browser, client))
    code_of(await ask(browser, client, scope="email", prompt="none"))
    assert landed(await ask(browser, client, scope="openid profile")).address == "/consent"
    assert len(await app.audit("oauth.consent.granted", session_id=browser.session_id)) == 1


async def test_who_has_agreed_is_asked_again_when_the_client_wants_it(app: Harness) -> None:
    client, browser = await web_client(app, first_party=False), await signed_in(app)
    waits = landed(await ask(browser, client))
    await decide(browser, waits.handle, "agree")
    code_of(await go_on(browser, waits.handle))
    again = landed(await ask(browser, client, prompt="consent"))
    assert again.address == "/consent"
    assert landed(await go_on(browser, again.handle)).address == "/consent", "the old agreement does not count"
    await decide(browser, again.handle, "agree")
    code_of(await go_on(browser, again.handle))


async def test_who_does_not_agree_goes_back_without_a_code_and_nothing_is_remembered(app: Harness) -> None:
    client, browser = await web_client(app, first_party=False), await signed_in(app)
    waits = landed(await ask(browser, client))
    reply = await decide(browser, waits.handle, "decline")
    assert (reply.status_code, error_of(reply)) == (303, "access_denied")
    assert (await go_on(browser, waits.handle)).status_code == 400
    assert landed(await ask(browser, client)).address == "/consent"


async def test_an_application_of_a_tenant_is_for_its_people(app: Harness) -> None:
    tenant_id, person = uuid4(), await app.make_user()
    await tenancy.create(app.db, app.clock, tenant_id, slug=str(tenant_id), name="Acme")
    await tenants.put_member(app.db, tenant_id, person.id, is_active=True, now=app.clock.now())
    client = await web_client(app, tenant_id=tenant_id)
    code_of(await ask(await Browser(app).sign_in(person), client))
    assert error_of(await ask(await signed_in(app), client)) == "access_denied"


async def test_an_application_for_members_is_for_those_and_for_administrators_of_the_platform(app: Harness) -> None:
    client = await web_client(app, members_only=True)
    person = await app.make_user()
    root = await Browser(app).sign_in(await app.make_user(global_role="PLATFORM_ADMIN"))
    browser = await Browser(app).sign_in(person)
    assert error_of(await ask(browser, client)) == "access_denied"
    assert error_of(await ask(browser, client, prompt="none")) == "access_denied"
    code_of(await ask(root, client))
    await app_members.insert(app.db, client.client.id, person.id, "viewer", invite_sent=False, now=app.clock.now())
    code = code_of(await ask(browser, client))
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    await app_members.delete(app.db, client.client.id, person.id)
    reply = await app.http.post(
        "/oauth/token", data={**form, **client.credentials}, headers={"X-Forwarded-For": app.fresh_ip()}
    )
    assert (reply.status_code, reply.json()["error"]) == (400, "invalid_grant"), "asked again when the grant is opened"
    code_of(await ask(root, client))


async def test_an_answer_may_be_posted_by_a_form(app: Harness) -> None:
    client, browser = await web_client(app), await signed_in(app)
    reply = await ask(browser, client, response_mode="form_post", state='"><script>alert(1)</script>')
    assert (reply.status_code, reply.headers["content-type"]) == (200, "text/html")
    assert f'action="{CALLBACK}"' in reply.text
    assert 'name="code"' in reply.text
    assert "<script>alert" not in reply.text
    assert "script-src 'sha256-" in reply.headers["content-security-policy"]
