"""The issuer for tests: what it mints is what the contract says, and it breaks as it is told (contracts/kit.md §13)."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from typing import Any

import httpx2
import pytest
from rows import every

from identry_kit.jwtauth import InvalidToken, JWKSCache, Key, KeysUnavailable, StaticKeys, Verifier
from identry_kit.testing import AUDIENCE, ISSUER, RECIPES, SUBJECT, TENANT, TTL, Issuer, KeyPair, MovableClock

BASE = {"iss", "aud", "exp", "iat", "nbf", "jti", "sub", "type"}
USER = BASE | {
    "scope", "role", "roles", "app_roles", "token_version", "auth_time", "amr", "acr", "tenant_id",
}  # fmt: skip


def verifier_of(issuer: Issuer, keys: Any, **options: Any) -> Verifier:
    return Verifier(keys, **{"issuer": ISSUER, "audience": AUDIENCE, "clock": issuer.clock, **options})


@every("alg", ["RS256", "ES256", "EdDSA"])
@every("over", ["loopback", "transport"])
async def test_a_minted_token_verifies_with_the_published_keys(alg: str, over: str) -> None:
    issuer = Issuer(alg=alg)
    http = None if over == "loopback" else httpx2.AsyncClient(transport=issuer.transport())
    if over == "loopback":
        issuer.start()
    cache = JWKSCache(issuer.jwks_url, http=http, clock=issuer.clock)
    claims = await verifier_of(issuer, cache, algorithms=[alg]).verify(issuer.mint())
    assert (claims.iss, claims.sub, claims.aud, claims.exp - claims.iat) == (ISSUER, SUBJECT, (AUDIENCE,), TTL)
    assert issuer.fetches == 1
    await cache.aclose()
    if http is not None:
        await http.aclose()
    issuer.stop()


def static(issuer: Issuer) -> StaticKeys:
    return StaticKeys(Key.from_pem(key.public_pem, key.kid) for key in issuer.published)


def test_the_claims_are_those_of_the_contract() -> None:
    issuer = Issuer()
    user = verifier_of(issuer, static(issuer)).verify_now(issuer.mint())
    assert set(user) == USER
    assert (user["type"], user["role"], user["tenant_id"], user.amr) == ("access", "user", TENANT, ("pwd",))
    service = verifier_of(issuer, static(issuer)).verify_now(issuer.mint_service())
    assert set(service) == BASE | {"scope"}
    assert (service.sub, service["scope"]) == ("app:7", "api")
    person = verifier_of(issuer, static(issuer), token_type="id_token").verify_now(issuer.mint_id_token())
    assert set(person) == BASE | {
        "role", "app_roles", "auth_time", "amr", "acr", "email", "email_verified", "name", "preferred_username",
        "nonce", "at_hash",
    }  # fmt: skip
    with pytest.raises(InvalidToken):
        verifier_of(issuer, static(issuer)).verify_now(issuer.mint_id_token())


def test_claims_and_header_are_laid_over_the_good_ones_and_may_be_left_out() -> None:
    issuer = Issuer()
    verifier = verifier_of(issuer, static(issuer))
    assert verifier.verify_now(issuer.mint(plan="pro", role=..., header={"typ": "at+jwt"})).get("role") is None
    for token in (
        issuer.mint(exp=...),
        issuer.mint(exp="soon"),
        issuer.mint(aud="other"),
        issuer.mint(header={"kid": ...}),
        issuer.mint(header={"alg": "none"}),
        issuer.mint(key=KeyPair(kid=issuer.key.kid)),
        issuer.mint(type="refresh"),
    ):
        with pytest.raises(InvalidToken):
            verifier.verify_now(token)


def test_a_token_ends_when_the_clock_moves_past_it() -> None:
    clock = MovableClock()
    issuer = Issuer(clock=clock)
    verifier = verifier_of(issuer, static(issuer))
    token = issuer.mint()
    verifier.verify_now(token)
    assert clock.advance(TTL + 61) == clock()
    with pytest.raises(InvalidToken, match="expired"):
        verifier.verify_now(token)
    verifier.verify_now(issuer.mint())


async def test_rotation_keeps_the_old_key_unless_told_otherwise() -> None:
    clock = MovableClock()
    with Issuer(clock=clock) as issuer:
        cache = JWKSCache(issuer.jwks_url, clock=clock)
        verifier = verifier_of(issuer, cache)
        old = issuer.mint()
        await verifier.verify(old)
        issuer.rotate()
        clock.advance(16)
        await verifier.verify(issuer.mint())
        await verifier.verify(old)
        issuer.rotate(keep_old=False)
        clock.advance(16)
        await verifier.verify(issuer.mint())
        with pytest.raises(InvalidToken):
            await verifier.verify(old)
        assert issuer.fetches == 3
        await cache.aclose()


@pytest.mark.parametrize("over", ["loopback", "transport"])
@pytest.mark.parametrize("recipe", [recipe for recipe in RECIPES if recipe != "good"])
async def test_it_breaks_as_it_is_told_and_is_repaired(over: str, recipe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("identry_kit.jwtauth.jwks.FETCH_TIMEOUT", 0.2 if recipe == "slow" else 10)
    issuer = Issuer()
    http = None if over == "loopback" else httpx2.AsyncClient(transport=issuer.transport())
    if over == "loopback":
        issuer.start()
    cache = JWKSCache(issuer.jwks_url, http=http, clock=issuer.clock)
    verifier = verifier_of(issuer, cache)
    issuer.recipe = recipe
    if recipe == "half-bad":
        await verifier.verify(issuer.mint())
    else:
        with pytest.raises(KeysUnavailable):
            await verifier.verify(issuer.mint())
        issuer.recipe = "good"
        monkeypatch.undo()
        issuer.clock.advance(16)  # type: ignore[attr-defined]
        await verifier.verify(issuer.mint())
        assert issuer.fetches <= 2, "a redirect is not followed"
    await cache.aclose()
    if http is not None:
        await http.aclose()
    issuer.stop()


def fetch(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.loads(answer.read())


def test_it_serves_suites_without_an_event_loop() -> None:
    with Issuer() as issuer:
        assert fetch(issuer.jwks_url) == issuer.jwks
        metadata = fetch(issuer.url + "/.well-known/openid-configuration")
        assert (metadata["issuer"], metadata["jwks_uri"]) == (ISSUER, issuer.jwks_url)
        with pytest.raises(urllib.error.HTTPError, match="404"):
            fetch(issuer.url + "/elsewhere")
        url = issuer.jwks_url
    with pytest.raises(urllib.error.URLError):
        fetch(url)


async def test_a_slow_answer_comes_when_the_issuer_is_repaired() -> None:
    with Issuer() as issuer:
        issuer.recipe = "slow"
        waiting = asyncio.create_task(asyncio.to_thread(fetch, issuer.jwks_url))
        while not issuer.fetches:
            await asyncio.sleep(0.001)
        assert not waiting.done()
        issuer.recipe = "good"
        assert await waiting == issuer.jwks


async def test_a_delay_holds_each_answer_back() -> None:
    issuer = Issuer()
    issuer.delay = 0.001
    async with httpx2.AsyncClient(transport=issuer.transport()) as http:
        assert (await http.get(issuer.jwks_url)).json() == issuer.jwks
    with issuer:
        assert await asyncio.to_thread(fetch, issuer.jwks_url) == issuer.jwks


def test_mistakes_are_told_at_once() -> None:
    with pytest.raises(ValueError, match="recipe"):
        Issuer().recipe = "on fire"  # type: ignore[assignment]
    with pytest.raises(ValueError, match="alg"):
        KeyPair("HS256")


def test_nothing_private_is_published_or_shown() -> None:
    key = KeyPair()
    assert set(key.jwk) == {"kty", "n", "e", "use", "alg", "kid"}
    assert repr(key) == f"KeyPair(alg='RS256', kid='{key.kid}')"
