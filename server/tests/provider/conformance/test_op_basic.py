"""The OpenID conformance suite's plan `oidcc-basic-certification-test-plan` (discovery, static client) as a replica.

One test per module, named as the module, in the plan's order; black box over HTTP, through the pages that people see.
What the plan only warns about is an error here. `oidcc-idtoken-signature`, `oidcc-idtoken-unsigned` and
`oidcc-request-uri-unsigned…` are not run there for static clients, `oidcc-scope-address`, `-phone` and `-all` and the
two of unsigned request objects not where discovery does not offer them; here they hold what follows from that.
"""

from __future__ import annotations

from typing import Any

import httpx2
from harness import Harness
from provider.relying_party import CALLBACK, RelyingParty, Tokens, visitor

REQUEST_OBJECT = "eyJhbGciOiJub25lIn0.eyJyZXNwb25zZV90eXBlIjoiY29kZSJ9."


async def succeeds(app: Harness, **changes: str | None) -> Tokens:
    """A request with something added (or left out) ends like any other: in tokens that UserInfo accepts."""
    party, browser = await RelyingParty.at(app), await visitor(app)
    tokens = await party.sign_in(browser, **changes)
    assert browser.asked == ["sign-in", "consent"]
    told(await party.userinfo(tokens.access_token), tokens)
    return tokens


def told(reply: httpx2.Response, tokens: Tokens) -> dict[str, Any]:
    """The claims of a UserInfo answer: about the person of the ID token, standard claims of their standard types."""
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"].startswith("application/json")
    assert reply.headers["cache-control"] == "no-store"
    claims: dict[str, Any] = reply.json()
    assert claims["sub"] == tokens.claims["sub"]
    for name, kind in {"name": str, "preferred_username": str, "email": str, "email_verified": bool}.items():
        assert isinstance(claims.get(name, kind()), kind), claims
    assert "" not in claims.values()
    assert None not in claims.values()
    return claims


async def refused_without_a_person(app: Harness, **changes: str | None) -> str:
    """The error that comes back by redirect before anybody is asked for anything."""
    party, browser = await RelyingParty.at(app), await visitor(app)
    request = party.request(**changes)
    error = party.error_of(await party.answer(browser, request), request)
    assert browser.asked == []
    return error


async def test_oidcc_server(app: Harness) -> None:
    party, browser = await RelyingParty.at(app), await visitor(app)
    tokens = await party.sign_in(browser)
    assert browser.asked == ["sign-in", "consent"]
    told(await party.userinfo(tokens.access_token), tokens)
    other = await RelyingParty.at(app)
    again = await other.sign_in(browser)
    assert browser.asked == ["sign-in", "consent", "consent"], "one sign-on, and each client agreed to"
    assert again.claims["sub"] == tokens.claims["sub"]


async def test_oidcc_response_type_missing(app: Harness) -> None:
    error = await refused_without_a_person(app, response_type=None)
    assert error in {"invalid_request", "unsupported_response_type"}


async def test_oidcc_idtoken_signature(app: Harness) -> None:
    """Not run for static clients; RS256 and a `kid` are checked of every ID token."""
    tokens = await succeeds(app)
    assert tokens.id_token


async def test_oidcc_idtoken_unsigned(app: Harness) -> None:
    """Not run for static clients; and `none` is not on offer."""
    party = await RelyingParty.at(app)
    assert "none" not in party.metadata["id_token_signing_alg_values_supported"]


async def test_oidcc_userinfo_get(app: Harness) -> None:
    party = await RelyingParty.at(app)
    tokens = await party.sign_in(await visitor(app))
    told(await party.userinfo(tokens.access_token), tokens)


async def test_oidcc_userinfo_post_header(app: Harness) -> None:
    party = await RelyingParty.at(app)
    tokens = await party.sign_in(await visitor(app))
    headers = {"Authorization": f"Bearer {tokens.access_token}"}
    told(await app.http.post(party.local("userinfo_endpoint"), headers=headers), tokens)


async def test_oidcc_userinfo_post_body(app: Harness) -> None:
    party = await RelyingParty.at(app)
    tokens = await party.sign_in(await visitor(app))
    form = {"access_token": tokens.access_token}
    told(await app.http.post(party.local("userinfo_endpoint"), data=form), tokens)


async def test_oidcc_ensure_request_without_nonce_succeeds_for_code_flow(app: Harness) -> None:
    tokens = await succeeds(app, nonce=None)
    assert "nonce" not in tokens.claims


async def test_oidcc_scope_profile(app: Harness) -> None:
    party = await RelyingParty.at(app)
    tokens = await party.sign_in(await visitor(app), scope="openid profile")
    assert told(await party.userinfo(tokens.access_token), tokens)["name"] == "Ada Lovelace"


async def test_oidcc_scope_email(app: Harness) -> None:
    party, browser = await RelyingParty.at(app), await visitor(app)
    tokens = await party.sign_in(browser, scope="openid email")
    claims = told(await party.userinfo(tokens.access_token), tokens)
    assert browser.person is not None
    assert (claims["email"], claims["email_verified"]) == (browser.person.email, True)


async def test_oidcc_scope_address(app: Harness) -> None:
    await not_on_offer(app, "address")


async def test_oidcc_scope_phone(app: Harness) -> None:
    await not_on_offer(app, "phone")


async def test_oidcc_scope_all(app: Harness) -> None:
    """Skipped by the suite without address and phone; all that is on offer succeeds together."""
    party = await RelyingParty.at(app)
    tokens = await succeeds(app, scope=" ".join(party.metadata["scopes_supported"]))
    assert set(tokens.body["scope"].split()) == set(party.metadata["scopes_supported"])


async def not_on_offer(app: Harness, scope: str) -> None:
    """What the discovery document does not name is refused as an unknown scope; the suite skips its module."""
    party = await RelyingParty.at(app)
    assert scope not in party.metadata["scopes_supported"]
    assert await refused_without_a_person(app, scope=f"openid {scope}") == "invalid_scope"


async def test_oidcc_alternate_happy_flow(app: Harness) -> None:
    party = await RelyingParty.at(app)
    request = party.request(scope="email openid")
    request = dict(reversed(request.items()))
    tokens = await party.tokens(await party.redeem(await party.code(await visitor(app), request)), request["nonce"])
    assert "email" in told(await party.userinfo(tokens.access_token), tokens)


async def test_oidcc_display_page(app: Harness) -> None:
    await succeeds(app, display="page")


async def test_oidcc_display_popup(app: Harness) -> None:
    await succeeds(app, display="popup")


async def test_oidcc_prompt_login(app: Harness) -> None:
    party, browser = await RelyingParty.at(app), await visitor(app)
    first = await party.sign_in(browser)
    app.clock.advance(1)
    second = await party.sign_in(browser, prompt="login")
    assert browser.asked == ["sign-in", "consent", "sign-in"]
    assert second.claims["auth_time"] > first.claims["auth_time"]
    assert second.claims["sub"] == first.claims["sub"]


async def test_oidcc_prompt_none_not_logged_in(app: Harness) -> None:
    error = await refused_without_a_person(app, prompt="none", state="s" * 128)
    assert error in {"login_required", "interaction_required"}


async def test_oidcc_prompt_none_logged_in(app: Harness) -> None:
    await same_again_in_silence(app, prompt="none")


async def test_oidcc_max_age_1(app: Harness) -> None:
    party, browser = await RelyingParty.at(app), await visitor(app)
    first = await party.sign_in(browser)
    app.clock.advance(2)
    second = await party.sign_in(browser, max_age="1")
    assert browser.asked == ["sign-in", "consent", "sign-in"]
    assert second.claims["auth_time"] > first.claims["auth_time"]
    assert app.clock.now().timestamp() - second.claims["auth_time"] < 5


async def test_oidcc_max_age_10000(app: Harness) -> None:
    party, browser = await RelyingParty.at(app), await visitor(app)
    first = await party.sign_in(browser, max_age="15000")
    app.clock.advance(60)
    second = await party.sign_in(browser, max_age="10000")
    assert browser.asked == ["sign-in", "consent"]
    assert {name: second.claims[name] for name in ("sub", "auth_time")} == {
        name: first.claims[name] for name in ("sub", "auth_time")
    }


async def test_oidcc_ensure_request_with_unknown_parameter_succeeds(app: Harness) -> None:
    await succeeds(app, extra="foobar")


async def test_oidcc_id_token_hint(app: Harness) -> None:
    await same_again_in_silence(app, hint=True, prompt="none")


async def same_again_in_silence(app: Harness, *, hint: bool = False, **changes: str | None) -> None:
    """A second authorization asks for nothing and is about the same person and the same sign-in."""
    party, browser = await RelyingParty.at(app), await visitor(app)
    first = await party.sign_in(browser)
    app.clock.advance(60)
    second = await party.sign_in(browser, **changes, **({"id_token_hint": first.id_token} if hint else {}))
    assert browser.asked == ["sign-in", "consent"]
    for name in ("sub", "auth_time"):
        assert second.claims[name] == first.claims[name]


async def test_oidcc_login_hint(app: Harness) -> None:
    party, browser = await RelyingParty.at(app), await visitor(app)
    assert browser.person is not None
    request = party.request(login_hint=browser.person.email)
    page = await browser.arrive(party.url(request))
    form = page.form("password")
    assert form is not None
    assert form.fields["email"] == browser.person.email, "filled in already"
    party.code_of(await browser.through(page), request)


async def test_oidcc_ui_locales(app: Harness) -> None:
    await succeeds(app, ui_locales="se")


async def test_oidcc_claims_locales(app: Harness) -> None:
    await succeeds(app, claims_locales="se")


async def test_oidcc_ensure_request_with_acr_values_succeeds(app: Harness) -> None:
    """All that are on offer, in their order: any of them will do, and which it was is told."""
    party = await RelyingParty.at(app)
    supported = party.metadata["acr_values_supported"]
    tokens = await succeeds(app, acr_values=" ".join(supported))
    assert tokens.claims["acr"] in supported


async def test_oidcc_codereuse(app: Harness) -> None:
    await reused(app, seconds=0)


async def test_oidcc_codereuse_30seconds(app: Harness) -> None:
    await reused(app, seconds=30)


async def reused(app: Harness, *, seconds: float) -> None:
    """A code's second use is refused, and ends what the first one gave."""
    party, browser = await RelyingParty.at(app), await visitor(app)
    code = await party.code(browser, party.request(nonce=None))
    tokens = await party.tokens(await party.redeem(code))
    told(await party.userinfo(tokens.access_token), tokens)
    app.clock.advance(seconds)
    again = await party.redeem(code)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert (await party.userinfo(tokens.access_token)).status_code == 401
    if tokens.refresh_token:
        assert (await party.refresh(tokens.refresh_token)).json()["error"] == "invalid_grant"


async def test_oidcc_ensure_registered_redirect_uri(app: Harness) -> None:
    party, browser = await RelyingParty.at(app), await visitor(app)
    page = await party.answer(browser, party.request(redirect_uri=CALLBACK + "/tK3"))
    assert not page.left
    assert page.status == 400
    assert page.headers["content-type"].startswith("text/html")
    assert browser.asked == []


async def test_oidcc_ensure_post_request_succeeds(app: Harness) -> None:
    party, browser = await RelyingParty.at(app), await visitor(app)
    request = party.request()
    page = await browser.arrive(party.metadata["authorization_endpoint"], request)
    code = party.code_of(await browser.through(page), request)
    assert browser.asked == ["sign-in", "consent"]
    await party.tokens(await party.redeem(code), request["nonce"])


async def test_oidcc_server_client_secret_post(app: Harness) -> None:
    party = await RelyingParty.at(app, basic=False)
    assert "client_secret_post" in party.metadata["token_endpoint_auth_methods_supported"]
    tokens = await party.sign_in(await visitor(app))
    told(await party.userinfo(tokens.access_token), tokens)


async def test_oidcc_request_uri_unsigned_supported_correctly_or_rejected_as_unsupported(app: Harness) -> None:
    party = await RelyingParty.at(app)
    assert party.metadata["request_uri_parameter_supported"] is False, "the default is true"
    error = await refused_without_a_person(app, request_uri="https://rp.example.com/request.jwt")
    assert error == "request_uri_not_supported"


async def test_oidcc_unsigned_request_object_supported_correctly_or_rejected_as_unsupported(app: Harness) -> None:
    party = await RelyingParty.at(app)
    assert not party.metadata.get("request_parameter_supported")
    assert "none" not in party.metadata.get("request_object_signing_alg_values_supported", [])
    assert await refused_without_a_person(app, request=REQUEST_OBJECT) == "request_not_supported"


async def test_oidcc_claims_essential(app: Harness) -> None:
    """A claim that is asked for one by one is told, as discovery promises."""
    party = await RelyingParty.at(app)
    tokens = await party.sign_in(await visitor(app), claims='{"userinfo":{"name":{"essential":true}}}')
    claims = told(await party.userinfo(tokens.access_token), tokens)
    assert party.metadata["claims_parameter_supported"] is True
    assert claims["name"] == "Ada Lovelace"


async def test_oidcc_ensure_request_object_with_redirect_uri(app: Harness) -> None:
    """Request objects are not read: an address that is not registered is one, whatever comes beside it."""
    party, browser = await RelyingParty.at(app), await visitor(app)
    page = await party.answer(browser, party.request(request=REQUEST_OBJECT, redirect_uri=CALLBACK + "/x"))
    assert (page.left, page.status) == (False, 400)


async def test_oidcc_refresh_token(app: Harness) -> None:
    party, browser = await RelyingParty.at(app), await visitor(app)
    scope, nonce = "openid offline_access", "n" * 43
    first = await party.sign_in(browser, scope=scope, prompt="consent", nonce=nonce)
    assert "refresh_token" in party.metadata["grant_types_supported"]
    reply = await party.refresh(first.refresh_token)
    again = await party.tokens(reply, reply_nonce(reply, nonce))
    for name in ("iss", "sub", "aud", "auth_time"):
        assert again.claims[name] == first.claims[name], name
    told(await party.userinfo(again.access_token), again)
    other = await RelyingParty.at(app)
    stolen = await other.refresh(again.refresh_token)
    assert (stolen.status_code, stolen.json()["error"]) == (400, "invalid_grant")


def reply_nonce(reply: httpx2.Response, nonce: str) -> str | None:
    """The nonce of a refreshed ID token: of the original request, or none (OpenID Connect Core §12.2)."""
    from provider.applications import claims_of

    return nonce if "nonce" in claims_of(reply.json()["id_token"]) else None


async def test_oidcc_ensure_request_with_valid_pkce_succeeds(app: Harness) -> None:
    # RFC 7636, appendix B.
    verifier, challenge = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    party = await RelyingParty.at(app)
    request = party.request(code_challenge=challenge, code_challenge_method="S256")
    code = await party.code(await visitor(app), request)
    await party.tokens(await party.redeem(code, code_verifier=verifier), request["nonce"])
