"""A tenant's provider is down, slow, lies, or was changed meanwhile: each ends in the contract's code."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from services.openid_provider import OpenIdProvider
from single_sign_on import Acme, SsoWindow

from identry.core import jose

UNAVAILABLE = {"error": "provider_unavailable"}
REFUSED = {"error": "token_invalid"}
STATE = {"error": "state_invalid"}


@contextmanager
def impatient(acme: Acme, seconds: float = 0.5) -> Iterator[None]:
    """An application that waits less for providers."""
    http = acme.app.app.engines.browser.sso.http  # type: ignore[union-attr]
    patience, http._timeout = http._timeout, seconds
    try:
        yield
    finally:
        http._timeout = patience


async def leaves(acme: Acme) -> dict[str, str]:
    """What the app's page is told by a start that fails."""
    window = SsoWindow(acme)
    return dict([pair.split("=") for pair in (await window.leave()).partition("?")[2].split("&")])


async def nobody_came_in(acme: Acme, subject: str) -> bool:
    """Whether a subject left nothing behind."""
    email = f"{subject}@example.com"
    found: bool = await acme.app.db.fetchval("SELECT EXISTS (SELECT FROM users WHERE email = $1)", email)
    return not found and not await acme.app.db.fetchval(
        "SELECT EXISTS (SELECT FROM identities WHERE subject = $1)", subject
    )


async def test_a_provider_that_was_never_reached_is_unavailable(acme: Acme) -> None:
    await acme.configure(issuer="http://127.0.0.1:1", client_secret="x")
    assert await leaves(acme) == UNAVAILABLE
    assert (await acme.refusal())[0] == "provider_unavailable"


async def test_a_provider_that_is_down_after_the_start_is_unavailable_and_then_well_again(
    acme: Acme, provider: OpenIdProvider
) -> None:
    window, ada = SsoWindow(acme), acme.someone()
    back = await window.go(ada)
    provider.stop()
    try:
        assert await window.come_back(back) == UNAVAILABLE
        # What is known of it still serves: the start works, as the browser may reach what we cannot.
        assert (await SsoWindow(acme).leave()).startswith(f"{provider.issuer}/auth?")
        acme.app.clock.advance(3700)
        assert (await SsoWindow(acme).leave()).startswith(f"{provider.issuer}/auth?")
        acme.app.clock.advance(25 * 3600)
        assert await leaves(acme) == UNAVAILABLE
    finally:
        provider.start()
    acme.app.clock.reset()
    assert await nobody_came_in(acme, ada)
    acme.app.app.engines.browser.sso.discovery._entries.clear()  # type: ignore[union-attr]
    acme.app.app.engines.browser.sso.keys._known.clear()  # type: ignore[union-attr]
    await SsoWindow(acme).sign_in_as(ada)


@pytest.mark.parametrize("path", ["/token", "/jwks", "/me"])
async def test_a_provider_that_is_slow_is_unavailable_in_bounded_time(
    acme: Acme, provider: OpenIdProvider, path: str
) -> None:
    window, ada = SsoWindow(acme), acme.someone()
    back = await window.go(ada)
    provider.set(delay={path: 20_000})
    if path == "/jwks":
        provider.set(delay={}, answers={"/jwks": {"status": 503, "body": {}}})
    with impatient(acme):
        assert await window.come_back(back) == UNAVAILABLE
    assert await nobody_came_in(acme, ada)


async def test_a_slow_discovery_is_waited_for_once(acme: Acme, provider: OpenIdProvider) -> None:
    provider.set(delay={"/.well-known/openid-configuration": 20_000})
    before = provider.set().count("GET /.well-known/openid-configuration")
    with impatient(acme):
        told = await asyncio.gather(*(leaves(acme) for _ in range(5)))
        assert told == [UNAVAILABLE] * 5
        assert await leaves(acme) == UNAVAILABLE, "and not asked again for a while"
    assert provider.set().count("GET /.well-known/openid-configuration") == before + 1


async def test_rotated_keys_are_fetched_when_they_are_met(acme: Acme, provider: OpenIdProvider) -> None:
    ada = acme.someone()
    await SsoWindow(acme).sign_in_as(ada)
    provider.set(rotate=True)
    acme.app.clock.advance(16)  # an unknown key is not asked for twice within 15 seconds
    await SsoWindow(acme).sign_in_as(ada)


async def test_keys_that_did_not_sign_prove_nothing(acme: Acme, provider: OpenIdProvider) -> None:
    window, ada = SsoWindow(acme), acme.someone()
    back = await window.go(ada)
    kid = (await provider_keys(acme))["keys"][0]["kid"]
    public = rsa.generate_private_key(65537, 2048).public_key()
    other = {**jose.public_jwk(public, kid), "use": "sig", "alg": "RS256"}
    provider.set(answers={"/jwks": {"status": 200, "body": {"keys": [other]}}})
    assert await window.come_back(back) == REFUSED
    assert (await acme.refusal())[1] == "signature"
    assert await nobody_came_in(acme, ada)


async def provider_keys(acme: Acme) -> dict[str, list[dict[str, str]]]:
    """What the provider publishes."""
    import httpx2

    async with httpx2.AsyncClient(trust_env=False) as http:
        keys: dict[str, list[dict[str, str]]] = (await http.get(f"{acme.provider.issuer}/jwks")).json()
    return keys


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 200, "body": {"sub": "somebody-else", "email": "victim@example.com", "email_verified": True}},
        {"status": 200, "body": {"email": "victim@example.com", "email_verified": True}},
    ],
    ids=["another", "nobody"],
)
async def test_userinfo_of_another_subject_is_refused(acme: Acme, provider: OpenIdProvider, answer: object) -> None:
    window, ada = SsoWindow(acme), acme.someone()
    back = await window.go(ada)
    provider.set(answers={"/me": answer})
    assert await window.come_back(back) == REFUSED
    assert await nobody_came_in(acme, ada)


async def test_a_redirecting_token_endpoint_gets_no_second_request(acme: Acme, provider: OpenIdProvider) -> None:
    window, ada = SsoWindow(acme), acme.someone()
    back = await window.go(ada)
    target = f"{provider.issuer}/stolen"
    provider.set(answers={"/token": {"status": 307, "headers": {"location": target}, "body": {}}})
    assert await window.come_back(back) == UNAVAILABLE
    assert "POST /stolen" not in provider.set()


async def test_a_changed_client_secret_is_our_problem_until_the_new_one_is_entered(acme: Acme) -> None:
    ada = acme.someone()
    acme.client = acme.provider.client(acme.callback, client_id=acme.client["client_id"], client_secret="another one")
    assert await SsoWindow(acme).arrive_as(ada) == UNAVAILABLE
    assert (await acme.refusal())[1] == "our credentials are refused"
    assert (await acme.configure())[0] == 200
    await SsoWindow(acme).sign_in_as(ada)


async def test_an_answer_that_names_another_issuer_or_none_is_refused_before_the_code_is_used(
    acme: Acme, provider: OpenIdProvider
) -> None:
    for change in ("another", "none"):
        window = SsoWindow(acme)
        back = await window.go(acme.someone())
        told, _, _ = back.partition("&iss=")
        before = provider.set().count("POST /token")
        shown = f"{told}&iss=https%3A%2F%2Fevil.example" if change == "another" else told
        assert await window.come_back(shown) == REFUSED
        assert provider.set().count("POST /token") == before


async def test_a_sign_in_under_way_ends_when_the_provider_is_switched_off_or_replaced(
    acme: Acme, provider: OpenIdProvider
) -> None:
    changes = (
        {"enabled": False},
        {"issuer": "http://localhost:1", "client_secret": "x"},
        {"client_id": "another", "client_secret": "x"},
    )
    for change in changes:
        assert (await acme.configure())[0] == 200
        window, ada = SsoWindow(acme), acme.someone()
        back = await window.go(ada)
        before = provider.set().count("POST /token")
        assert (await acme.configure(**change))[0] == 200
        assert await window.come_back(back) == UNAVAILABLE, change
        assert provider.set().count("POST /token") == before, "the code is shown to nobody"
        assert await nobody_came_in(acme, ada)
    await acme.configure()
    window = SsoWindow(acme)
    back = await window.go(acme.someone())
    assert (await acme.settings("DELETE", "sso"))[0] == 204
    assert await window.come_back(back) == UNAVAILABLE


async def test_a_provider_switched_off_before_the_exchange_opens_no_session(acme: Acme) -> None:
    window = SsoWindow(acme)
    arrived = await window.arrive_as(acme.someone())
    assert (await acme.configure(enabled=False))[0] == 200
    reply = await window.exchange(arrived["code"])
    assert (reply.status_code, reply.json()["error"]["code"]) == (401, "invalid_code")


async def test_what_does_not_concern_the_proof_may_change_meanwhile(acme: Acme) -> None:
    window, ada = SsoWindow(acme), acme.someone()
    back = await window.go(ada)
    acme.client = acme.provider.client(acme.callback, client_id=acme.client["client_id"], client_secret="rotated")
    assert (await acme.configure(display_name="Acme & Sons"))[0] == 200
    assert "code" in await window.come_back(back)


async def test_an_answer_counts_once_in_its_browser_and_at_its_tenant(acme: Acme, provider: OpenIdProvider) -> None:
    window, ada = SsoWindow(acme), acme.someone()
    back = await window.go(ada)
    assert await SsoWindow(acme).come_back(back) == STATE, "another browser"
    other = SsoWindow(await Acme(acme.app, provider).made(), cookies=dict(window.cookies))
    assert await other.come_back(back) == STATE, "another tenant's callback"
    assert "code" in await window.come_back(back)
    assert await window.come_back(back) == STATE, "again"


async def test_of_answers_that_come_at_once_one_counts(acme: Acme) -> None:
    window, ada = SsoWindow(acme), acme.someone()
    back = await window.go(ada)
    windows = [SsoWindow(acme, cookies=dict(window.cookies)) for _ in range(10)]
    told = await asyncio.gather(*(each.come_back(back) for each in windows))
    assert sorted("code" in answer for answer in told) == [False] * 9 + [True]


async def test_nothing_of_the_secret_or_the_providers_words_is_written_down(acme: Acme) -> None:
    window = SsoWindow(acme)
    state = dict(pair.split("=", 1) for pair in (await window.leave()).split("?", 1)[1].split("&"))["state"]
    told = await window.come_back(f"{acme.callback}?error=%3Cb%3Ecanary&error_description=canary&state={state}")
    assert told == UNAVAILABLE
    rows = json.dumps([dict(row) for row in await acme.app.audit()], default=str)
    assert "canary" not in rows
    assert acme.client["client_secret"] not in rows
