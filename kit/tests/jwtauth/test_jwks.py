"""contracts/kit.md §4.1 against a real HTTP server that can fail in a dozen ways, with a clock that tests move."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from rows import every

from identry_kit.jwtauth import InvalidToken, JWKSCache, KeysUnavailable, Verifier, jwks

RECIPES = [
    "500", "404", "redirect", "permanent redirect", "not JSON", "not a set", "deep", "no keys", "no usable key",
    "empty", "too large", "endless", "compressed", "cut off", "reset", "garbage", "silence", "drip",
]  # fmt: skip


async def fetched(cache: JWKSCache) -> bool:
    """Wait for the fetch that a `get` before left under way; whether it brought keys."""
    return await cache.refresh()


class TestStates:
    async def test_a_known_key_is_good_for_an_hour_without_a_fetch(
        self, cache: JWKSCache, issuer: Any, clock: Any
    ) -> None:
        assert cache.peek("rs256") is None
        assert await cache.get("rs256")
        for _ in range(60):
            clock.advance(60)
            assert await cache.get("rs256")
            assert cache.peek("rs256")
        assert issuer.requests == 1
        clock.advance(1)
        assert cache.peek("rs256") is None
        assert await cache.get("rs256")
        assert await fetched(cache)
        assert issuer.requests == 2
        assert cache.peek("rs256")

    async def test_an_unknown_key_causes_a_fetch_that_may_bring_it(
        self, cache: JWKSCache, issuer: Any, signer: Any, clock: Any
    ) -> None:
        await cache.get("rs256")
        clock.advance(16)
        issuer.keys.append(signer.jwk(signer.other_rsa, "new"))
        assert await cache.get("new")
        assert issuer.requests == 2

    async def test_within_fifteen_seconds_of_an_attempt_nothing_is_fetched(
        self, cache: JWKSCache, issuer: Any, clock: Any
    ) -> None:
        await cache.get("rs256")
        clock.advance(14.9)
        assert await cache.get("unknown") is None
        assert issuer.requests == 1
        clock.advance(0.2)
        assert await cache.get("unknown") is None
        assert issuer.requests == 2

    async def test_a_missing_key_is_not_asked_for_again_for_thirty_seconds(
        self, cache: JWKSCache, issuer: Any, signer: Any, clock: Any
    ) -> None:
        await cache.get("rs256")
        clock.advance(16)
        assert await cache.get("new") is None
        issuer.keys.append(signer.jwk(signer.other_rsa, "new"))
        clock.advance(29)
        assert await cache.get("new") is None
        assert issuer.requests == 2
        clock.advance(1.1)
        assert await cache.get("new")
        assert issuer.requests == 3

    async def test_a_successful_fetch_forgets_what_was_missing(
        self, cache: JWKSCache, issuer: Any, signer: Any, clock: Any
    ) -> None:
        await cache.get("rs256")
        clock.advance(16)
        assert await cache.get("new") is None
        issuer.keys.append(signer.jwk(signer.other_rsa, "new"))
        clock.advance(16)
        assert await cache.get("another") is None
        assert await cache.get("new")

    async def test_a_removed_key_dies_at_the_next_successful_fetch(
        self, cache: JWKSCache, issuer: Any, signer: Any, clock: Any
    ) -> None:
        await cache.get("rs256")
        issuer.keys = [signer.jwk(signer.other_rsa, "new")]
        clock.advance(3601)
        assert await cache.get("rs256"), "nobody waits at expiry"
        assert await fetched(cache)
        assert await cache.get("rs256") is None
        assert await cache.get("new")

    async def test_after_two_hours_without_an_attempt_a_stale_key_serves_nobody_before_the_fetch(
        self, cache: JWKSCache, issuer: Any, signer: Any, clock: Any
    ) -> None:
        await cache.get("rs256")
        issuer.keys = [signer.jwk(signer.other_rsa, "new")]
        clock.advance(7201)
        assert await cache.get("rs256") is None
        assert issuer.requests == 2

    async def test_random_kids_cost_one_fetch_per_fifteen_seconds(
        self, cache: JWKSCache, issuer: Any, clock: Any
    ) -> None:
        await cache.get("rs256")
        for number in range(10_000):
            clock.advance(0.003)
            assert await cache.get(f"random-{number}") is None
        assert issuer.requests == 2 + 1
        assert await cache.get("rs256")


class TestFaults:
    @pytest.mark.parametrize("recipe", RECIPES)
    async def test_known_keys_stay_good_for_a_day_and_unknown_ones_are_refused(
        self,
        cache: JWKSCache,
        issuer: Any,
        clock: Any,
        recipe: str,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        await cache.get("rs256")
        issuer.recipe = recipe
        if recipe in {"silence", "drip"}:
            monkeypatch.setattr(jwks, "FETCH_TIMEOUT", 0.1)
        clock.advance(3601)
        assert await cache.get("rs256")
        assert not await fetched(cache)
        assert issuer.requests == 2, "a redirect is not followed"
        assert cache.failures == 1
        assert "fetching keys" in caplog.text
        assert cache.stale_uses == 1
        assert cache.age == 3601
        clock.advance(16)
        assert await cache.get("unknown") is None
        clock.advance(24 * 3600 - 3601 - 16)
        assert await cache.get("rs256")
        clock.advance(1)
        for kid in ("rs256", "unknown"):
            with pytest.raises(KeysUnavailable):
                await cache.get(kid)
        assert not [record for record in caplog.records if record.levelno > logging.WARNING]
        clock.advance(16)
        with pytest.raises(KeysUnavailable):
            await cache.get("rs256")
        assert ["too old" in record.getMessage() for record in caplog.records if record.levelno > logging.WARNING] == [
            True
        ]
        issuer.recipe = "good"
        monkeypatch.undo()
        clock.advance(16)
        assert await cache.get("rs256")
        assert cache.peek("rs256")
        assert cache.failures == 0

    @pytest.mark.parametrize("recipe", ["500", "reset", "no keys"])
    async def test_a_cold_start_without_keys_cannot_tell(
        self, cache: JWKSCache, issuer: Any, clock: Any, recipe: str
    ) -> None:
        issuer.recipe = recipe
        for _ in range(3):
            with pytest.raises(KeysUnavailable):
                await cache.get("rs256")
        assert issuer.requests == 1
        issuer.recipe = "good"
        clock.advance(16)
        assert await cache.get("rs256")

    async def test_a_cold_start_may_be_told_to_be_a_401(
        self, issuer: Any, signer: Any, clock: Any, make_verifier: Callable[..., Verifier]
    ) -> None:
        issuer.recipe = "500"
        cache = JWKSCache(issuer.url, clock=clock, cold_start_401=True)
        verifier = make_verifier(keys=cache)
        for _ in range(3):
            with pytest.raises(InvalidToken, match="unknown key"):
                await verifier.verify(signer.mint(exp=clock() + 200_000))
        issuer.recipe = "good"
        clock.advance(16)
        assert await verifier.verify(signer.mint(exp=clock() + 200_000))
        issuer.recipe = "500"
        clock.advance(24 * 3600 + 1)
        with pytest.raises(KeysUnavailable):
            await cache.get("rs256")
        await cache.aclose()

    async def test_a_dead_port_is_an_outage_too(self, signer: Any) -> None:
        server = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        cache = JWKSCache(f"http://127.0.0.1:{port}/")
        with pytest.raises(KeysUnavailable):
            await cache.get("rs256")
        await cache.aclose()


class TestSharing:
    @pytest.mark.parametrize("kids", [["rs256"], ["unknown"], [f"k{n}" for n in range(1000)]])
    async def test_a_thousand_callers_at_a_cold_start_cause_one_fetch(
        self, cache: JWKSCache, issuer: Any, kids: list[str]
    ) -> None:
        found = await asyncio.gather(*(cache.get(kids[n % len(kids)]) for n in range(1000)))
        assert issuer.requests == 1
        assert all((key is not None) == (kids == ["rs256"]) for key in found)

    async def test_a_thousand_callers_at_expiry_cause_one_fetch_and_nobody_is_refused(
        self, cache: JWKSCache, issuer: Any, clock: Any
    ) -> None:
        await cache.get("rs256")
        clock.advance(3601)
        issuer.gate.clear()
        assert all(await asyncio.gather(*(cache.get("rs256") for _ in range(1000)))), "the old key, without waiting"
        assert cache.peek("rs256") is None
        issuer.gate.set()
        assert await fetched(cache)
        assert issuer.requests == 2
        assert cache.peek("rs256")

    async def test_a_waiter_that_leaves_does_not_end_the_fetch(self, cache: JWKSCache, issuer: Any) -> None:
        issuer.gate.clear()
        waiters = [asyncio.create_task(cache.get("rs256")) for _ in range(3)]
        while not issuer.requests:
            await asyncio.sleep(0.001)
        waiters[0].cancel()
        await asyncio.sleep(0)
        issuer.gate.set()
        with pytest.raises(asyncio.CancelledError):
            await waiters[0]
        assert all([await waiters[1], await waiters[2]])
        assert issuer.requests == 1


@every(
    "url",
    [
        "file:///etc/passwd", "data:application/json,{}", "ftp://example.com/jwks", "http://example.com/jwks",
        "http://10.0.0.1/jwks",
        "http://localhost.evil.example/", "http://127.0.0.1.evil.example/", "https://", "https:///jwks", "",
        "jwks.json",
        "https://user:pass@example.com/jwks", "//example.com/jwks", "HTTP://example.com/",
    ],
)  # fmt: skip
def test_urls_that_are_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="JWKS URL"):
        JWKSCache(url)


@every("url", ["https://example.com/jwks", "http://localhost:3097/", "http://127.0.0.9/", "http://[::1]:1/"])
def test_urls_that_are_good(url: str) -> None:
    assert JWKSCache(url).url == url


async def test_a_client_of_your_own_is_used_and_left_open(issuer: Any) -> None:
    async with httpx2.AsyncClient(follow_redirects=True) as http:
        cache = JWKSCache(issuer.url, http=http)
        assert await cache.get("rs256")
        await cache.aclose()
        assert not http.is_closed
        issuer.recipe = "redirect"
        assert not await JWKSCache(issuer.url, http=http).refresh(), "not even by a client that follows redirects"
        assert issuer.paths == ["/.well-known/jwks.json"] * 2


class TestWithVerifier:
    async def test_rotation_and_removal_reach_tokens_verified_before(
        self, cache: JWKSCache, issuer: Any, signer: Any, clock: Any, make_verifier: Callable[..., Verifier]
    ) -> None:
        verifier = make_verifier(keys=cache)
        old, new = signer.mint(exp=clock() + 90_000), signer.mint({"kid": "new"}, "RS256", signer.other_rsa)
        await verifier.verify(old)
        assert verifier.verify_now(old).kid == "rs256"
        issuer.keys = [signer.jwk(signer.other_rsa, "new")]
        clock.advance(16)
        assert (await verifier.verify(new)).kid == "new"
        with pytest.raises(InvalidToken):
            await verifier.verify(old)

    async def test_an_outage_is_no_reason_to_refuse_a_known_key(
        self, cache: JWKSCache, issuer: Any, signer: Any, clock: Any, make_verifier: Callable[..., Verifier]
    ) -> None:
        verifier = make_verifier(keys=cache)
        token = signer.mint(exp=clock() + 200_000)
        await verifier.verify(token)
        issuer.recipe = "reset"
        for _ in range(23):
            clock.advance(3600)
            assert await verifier.verify(token)
        clock.advance(7200)
        with pytest.raises(KeysUnavailable):
            await verifier.verify(token)
