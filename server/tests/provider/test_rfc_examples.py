"""Pushed requests (RFC 9126), devices (RFC 8628), questions about tokens (RFC 7662), their end (RFC 7009), black box.

The messages are those of the RFCs' examples, with our names in them.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from harness import Harness
from provider.relying_party import RelyingParty, visitor

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
VERIFIER, CHALLENGE = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


async def test_a_request_is_pushed_and_then_pulled_once(app: Harness) -> None:
    """RFC 9126 §1.1, §2.2, §4."""
    party, browser = await RelyingParty.at(app, require_par=True), await visitor(app)
    request = party.request(code_challenge=CHALLENGE, code_challenge_method="S256")
    pushed = await party.ask("pushed_authorization_request_endpoint", request)
    assert pushed.status_code == 201, pushed.text
    assert pushed.headers["cache-control"] == "no-store"
    body = pushed.json()
    assert set(body) == {"request_uri", "expires_in"}
    assert body["request_uri"].startswith("urn:ietf:params:oauth:request_uri:")
    assert 5 <= body["expires_in"] <= 600
    asked = {"client_id": party.client_id, "request_uri": body["request_uri"]}
    code = party.code_of(await party.answer(browser, asked), request)
    await party.tokens(await party.redeem(code, code_verifier=VERIFIER), request["nonce"])
    again = await party.answer(browser, asked)
    assert (again.left, again.status) == (False, 400), "once"
    straight = await party.answer(browser, request)
    assert party.error_of(straight, request) == "invalid_request", "this client has to push"


async def test_what_may_not_be_pushed(app: Harness) -> None:
    """RFC 9126 §2.1, §2.3."""
    party, other = await RelyingParty.at(app), await RelyingParty.at(app)
    for changes, error in (
        ({"redirect_uri": "https://evil.example.com/"}, "invalid_request"),
        ({"request_uri": "urn:ietf:params:oauth:request_uri:x"}, "invalid_request"),
        ({"scope": "openid everything"}, "invalid_scope"),
        ({"response_type": "token"}, "unsupported_response_type"),
    ):
        reply = await party.ask("pushed_authorization_request_endpoint", party.request(**changes))
        assert (reply.status_code, reply.json()["error"]) == (400, error), reply.text
    anonymous = await app.http.post("/oauth/par", data=party.request(), headers={"X-Forwarded-For": app.fresh_ip()})
    assert (anonymous.status_code, anonymous.json()["error"]) == (401, "invalid_client")
    pushed = (await party.ask("pushed_authorization_request_endpoint", party.request())).json()
    theirs = {"client_id": other.client_id, "request_uri": pushed["request_uri"]}
    page = await other.answer(await visitor(app), theirs)
    assert (page.left, page.status) == (False, 400), "of another client"
    app.clock.advance(pushed["expires_in"] + 1)
    page = await party.answer(await visitor(app), {**theirs, "client_id": party.client_id})
    assert (page.left, page.status) == (False, 400), "too late"


async def test_a_device_gets_its_tokens_once_its_person_agreed(app: Harness) -> None:
    """RFC 8628 §3.1–§3.5."""
    party = await RelyingParty.at(app, auth_method="none", grant_types=[DEVICE_GRANT, "refresh_token"])
    browser = await visitor(app)
    told = await party.ask("device_authorization_endpoint", {"scope": "openid offline_access"})
    assert told.status_code == 200, told.text
    assert told.headers["cache-control"] == "no-store"
    device = told.json()
    assert re.fullmatch(r"[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}", device["user_code"])
    assert urlsplit(device["verification_uri"]).netloc == "auth.example.com"
    assert device["user_code"] in device["verification_uri_complete"]
    form = {"grant_type": DEVICE_GRANT, "device_code": device["device_code"]}

    async def poll() -> tuple[int, str]:
        reply = await party.ask("token_endpoint", form)
        return reply.status_code, reply.json().get("error", "")

    assert await poll() == (400, "authorization_pending")
    assert await poll() == (400, "slow_down"), "too early"
    app.clock.advance(device["interval"] + 10)
    page = await browser.through(await browser.get(device["verification_uri_complete"]))
    while (form_of := page.form("user_code") or page.form("decision")) is not None:
        pressed = ("decision", "agree") if ("decision", "agree") in form_of.buttons else None
        page = await browser.through(await browser.submit(page, pressed))
    reply = await party.ask("token_endpoint", form)
    tokens = await party.tokens(reply)
    assert (await party.userinfo(tokens.access_token)).json()["sub"] == tokens.claims["sub"]
    app.clock.advance(device["interval"] + 10)
    assert (await poll())[1] in {"invalid_grant", "expired_token"}, "once"


async def test_a_device_that_nobody_agrees_to_gets_nothing(app: Harness) -> None:
    """RFC 8628 §3.5."""
    party, other = [await RelyingParty.at(app, auth_method="none", grant_types=[DEVICE_GRANT]) for _ in range(2)]
    device = (await party.ask("device_authorization_endpoint", {"scope": "openid"})).json()
    form = {"grant_type": DEVICE_GRANT, "device_code": device["device_code"]}
    assert (await other.ask("token_endpoint", form)).json()["error"] == "invalid_grant", "of another client"
    wrong = {**form, "device_code": "x" * 43}
    assert (await party.ask("token_endpoint", wrong)).json()["error"] == "invalid_grant"
    app.clock.advance(device["expires_in"] + 1)
    assert (await party.ask("token_endpoint", form)).json()["error"] == "expired_token"
    plain = await RelyingParty.at(app)
    reply = await plain.ask("device_authorization_endpoint", {"scope": "openid"})
    assert (reply.status_code, reply.json()["error"]) == (400, "unauthorized_client")


async def test_a_token_is_asked_about(app: Harness) -> None:
    """RFC 7662 §2.1, §2.2 and its examples."""
    party, browser = await RelyingParty.at(app), await visitor(app)
    tokens = await party.sign_in(browser, scope="openid email offline_access")
    reply = await party.ask("introspection_endpoint", {"token": tokens.access_token, "token_type_hint": "access_token"})
    assert reply.headers["cache-control"] == "no-store"
    told = reply.json()
    assert browser.person is not None
    assert {name: told[name] for name in ("active", "client_id", "username", "token_type", "sub")} == {
        "active": True,
        "client_id": party.client_id,
        "username": browser.person.email,
        "token_type": "Bearer",
        "sub": tokens.claims["sub"],
    }
    assert set(told["scope"].split()) == {"openid", "email", "offline_access"}
    assert told["aud"] == [party.client_id]
    assert told["iat"] < told["exp"]
    # A wrong hint only costs time (§2.1); what is unknown says no more than that.
    wrong = {"token": tokens.access_token, "token_type_hint": "refresh_token"}
    assert (await party.ask("introspection_endpoint", wrong)).json()["active"] is True
    for token in ("mF_9.B5f-4.1JqM", "x" * 5000, tokens.access_token + "=", tokens.access_token.swapcase()):
        assert (await party.ask("introspection_endpoint", {"token": token})).json() == {"active": False}
    anonymous = await app.http.post("/oauth/introspect", data={"token": tokens.access_token})
    assert anonymous.status_code == 401
    missing = await party.ask("introspection_endpoint", {})
    assert (missing.status_code, missing.json()["error"]) == (400, "invalid_request")
    app.clock.advance(told["exp"] - told["iat"] + 60)
    late = await party.ask("introspection_endpoint", {"token": tokens.access_token})
    assert late.json() == {"active": False}


async def test_a_token_is_taken_back(app: Harness) -> None:
    """RFC 7009 §2.1, §2.2: the whole grant with either token; what is unknown is no error."""
    party, browser = await RelyingParty.at(app), await visitor(app)
    for kind in ("access_token", "refresh_token"):
        tokens = await party.sign_in(browser, scope="openid offline_access")
        form = {"token": tokens.body[kind], "token_type_hint": kind}
        for _ in range(2):
            reply = await party.ask("revocation_endpoint", form)
            assert (reply.status_code, reply.json()) == (200, {})
        assert (await party.userinfo(tokens.access_token)).status_code == 401
        assert (await party.refresh(tokens.refresh_token)).json()["error"] == "invalid_grant"
    for token in ("45ghiukldjahdnhzdauz", "x" * 5000):
        assert (await party.ask("revocation_endpoint", {"token": token})).status_code == 200
    anonymous = await app.http.post("/oauth/revoke", data={"token": "x", "client_id": party.client_id})
    assert (anonymous.status_code, anonymous.json()["error"]) == (401, "invalid_client")


async def test_a_resource_is_named_and_ends_up_as_the_audience(app: Harness) -> None:
    """RFC 8707 §2."""
    api = "https://api.example.com"
    party, browser = await RelyingParty.at(app, audiences=[api]), await visitor(app)
    request = party.request(nonce=None, resource=api)
    tokens = await party.tokens(await party.redeem(await party.code(browser, request), resource=api))
    told = (await party.ask("introspection_endpoint", {"token": tokens.access_token})).json()
    assert api in told["aud"]
    wrong = party.request(resource="https://other.example.com")
    assert party.error_of(await party.answer(browser, wrong), wrong) == "invalid_target"
