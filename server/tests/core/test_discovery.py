"""Discovery documents: fetched once, kept for an hour, believed for a day while no newer one can be had."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from rows import every
from services.clocks import StillClock
from services.core_service import CoreServer

from identry.core.outbound import JsonClient
from identry.federation import discovery as module
from identry.federation.discovery import Discovery, DiscoveryFailed, ProviderKeys, read_metadata
from identry.federation.provider import ProviderUnavailable


@pytest.fixture
async def server() -> AsyncIterator[CoreServer]:
    """Answers the same document at every path."""
    server = CoreServer()
    server.url = await server.start()  # type: ignore[attr-defined]
    server.says(200, document(server.url))  # type: ignore[attr-defined]
    yield server
    await server.stop()


def document(issuer: str, **changes: Any) -> dict[str, Any]:
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/auth",
        "token_endpoint": f"{issuer}/token",
        "jwks_uri": f"{issuer}/jwks",
        **changes,
    }


class Asking:
    """Discovery with a clock of its own."""

    def __init__(self, server: CoreServer) -> None:
        self.server = server
        self.issuer: str = server.url  # type: ignore[attr-defined]
        self.clock = StillClock()
        self.http = JsonClient(timeout=20, max_bytes=10_000)
        self.discovery = Discovery(self.http, self.clock)

    async def fails(self) -> str:
        with pytest.raises(DiscoveryFailed) as caught:
            await self.discovery.of(self.issuer)
        return str(caught.value)


@pytest.fixture
async def asking(server: CoreServer) -> AsyncIterator[Asking]:
    asking = Asking(server)
    yield asking
    await asking.discovery.close()
    await asking.http.close()


async def test_it_is_asked_at_the_well_known_place_and_kept_for_an_hour(asking: Asking) -> None:
    for _ in range(3):
        found = await asking.discovery.of(asking.issuer)
    assert found.token_endpoint == f"{asking.issuer}/token"
    [request] = asking.server.requests
    assert request.startswith("GET /.well-known/openid-configuration HTTP/1.1")
    asking.clock.advance(3599)
    await asking.discovery.of(asking.issuer)
    asking.clock.advance(2)
    asking.server.says(200, document(asking.issuer, token_endpoint=f"{asking.issuer}/new"))
    assert (await asking.discovery.of(asking.issuer)).token_endpoint == f"{asking.issuer}/new"
    assert len(asking.server.requests) == 2


async def test_many_at_once_share_one_request_and_one_that_gives_up_stops_nobody(asking: Asking) -> None:
    asking.server.delay = 0.1
    first = asyncio.create_task(asking.discovery.of(asking.issuer))
    await asyncio.sleep(0.02)
    others = [asyncio.create_task(asking.discovery.of(asking.issuer)) for _ in range(20)]
    await asyncio.sleep(0.02)
    first.cancel()
    assert {(await other).issuer for other in others} == {asking.issuer}
    assert len(asking.server.requests) == 1


async def test_an_old_document_serves_for_a_day_while_none_newer_can_be_had(asking: Asking) -> None:
    known = await asking.discovery.of(asking.issuer)
    asking.server.says(500, {})
    asking.clock.advance(3601)
    assert await asking.discovery.of(asking.issuer) == known
    asking.clock.advance(24 * 3600 - 3700)
    assert await asking.discovery.of(asking.issuer) == known
    asking.clock.advance(200)
    assert "status 500" in await asking.fails()


async def test_who_failed_is_left_alone_for_a_while(asking: Asking) -> None:
    asking.server.says(500, {})
    told = {await asking.fails() for _ in range(5)}
    assert (len(told), len(asking.server.requests)) == (1, 1)
    asking.clock.advance(16)
    asking.server.says(200, document(asking.issuer))
    await asking.discovery.of(asking.issuer)


async def test_whoever_asks_to_look_is_not_told_what_was_known(asking: Asking) -> None:
    await asking.discovery.of(asking.issuer)
    asking.server.says(200, document(asking.issuer, jwks_uri=f"{asking.issuer}/keys"))
    assert (await asking.discovery.look(asking.issuer)).jwks_uri == f"{asking.issuer}/keys"
    assert (await asking.discovery.of(asking.issuer)).jwks_uri == f"{asking.issuer}/keys"


@pytest.mark.parametrize("mode", ["hang", "drip", "cut"])
async def test_a_server_that_misbehaves_is_bounded_in_time(asking: Asking, mode: str) -> None:
    asking.server.mode, asking.http._timeout = mode, 0.3
    assert "can be reached" in await asking.fails()


async def test_what_is_too_large_or_no_json_is_refused(asking: Asking) -> None:
    for body in (b"x" * 20_000, b"<html>", b"[]", b"null", b"[" * 9_000):
        asking.server.says(200, body)
        await asking.fails()
        asking.clock.advance(16)


@every(
    "told",
    ["https://login.acme.com/", "https://LOGIN.acme.com", "https://login.acme.com:443", "https://login.acme.com.evil"],
)
def test_the_issuer_is_compared_to_the_letter(told: str) -> None:
    with pytest.raises(DiscoveryFailed, match="entered exactly so"):
        read_metadata("https://login.acme.com", document(told))


def test_an_issuer_may_end_with_a_slash() -> None:
    issuer = "https://acme.auth0.example/"
    assert read_metadata(issuer, document(issuer)).issuer == issuer


@every("name", ["authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"])
@every("url", ["http://login.acme.com/x", "javascript:x", "https://", "https:///x", "https://a b/", "//x", "", None, 5])
def test_endpoints_are_https(name: str, url: Any) -> None:
    with pytest.raises(DiscoveryFailed, match=name):
        read_metadata("https://login.acme.com", document("https://login.acme.com", **{name: url}))


@every("name", ["authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"])
@every(
    "url",
    [
        "https://[x/a",
        "https://a]/",
        "https://a\u2100b/",
        "https://a:x/",
        "https://a:99999/",
        "https://ü/",
        "https://a/\x7f",
    ],
)
def test_endpoints_are_what_libraries_can_take_apart(name: str, url: str) -> None:
    with pytest.raises(DiscoveryFailed, match=name):
        read_metadata("https://login.acme.com", document("https://login.acme.com", **{name: url}))


def test_the_secret_is_shown_as_the_provider_takes_it() -> None:
    issuer = "https://login.acme.com"

    def shown(methods: Any) -> str:
        return read_metadata(
            issuer, document(issuer, token_endpoint_auth_methods_supported=methods)
        ).client_authentication

    assert read_metadata(issuer, document(issuer)).client_authentication == "client_secret_basic"
    assert shown(["client_secret_post"]) == "client_secret_post"
    assert shown(["client_secret_post", "client_secret_basic"]) == "client_secret_basic"
    for methods in (["private_key_jwt"], ["none"], [], "client_secret_post", [5]):
        with pytest.raises(DiscoveryFailed):
            shown(methods)


async def test_what_is_known_is_bounded(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 3)
    for n in range(6):
        issuer = f"{asking.issuer}/{n}"
        asking.server.says(200, document(issuer))
        await asking.discovery.of(issuer)
    assert list(asking.discovery._entries) == [f"{asking.issuer}/{n}" for n in (3, 4, 5)]
    made: list[str] = []

    def open_keys(url: str) -> Any:
        made.append(url)
        return object()

    keys = ProviderKeys(open_keys)
    for n in (1, 1, 2, 3, 4, 4, 1):
        keys.at(f"https://{n}")
    assert made == [f"https://{n}" for n in (1, 2, 3, 4, 1)]


def test_keys_at_an_address_that_cannot_be_asked_are_unavailable() -> None:
    def refuse(url: str) -> Any:
        raise ValueError("no")

    with pytest.raises(ProviderUnavailable):
        ProviderKeys(refuse).at("http://public.example/jwks")
