"""POST /api/v1/settings/sso/test: says what is wrong with a provider and what to do, and reaches nothing private."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from harness import Harness, Servers, running
from services.openid_provider import OpenIdProvider
from single_sign_on import Acme, SsoWindow


async def tried(acme: Acme) -> Any:
    status, body = await acme.settings("POST", "sso/test")
    assert status == 200, body
    assert body["ok"] is (body["problems"] == [])
    return body


async def problem(acme: Acme) -> str:
    [only] = (await tried(acme))["problems"]
    assert only[0].isupper()
    assert only.endswith(".")
    return str(only)


async def test_a_provider_that_is_well_set_up_has_no_problem(acme: Acme) -> None:
    assert await tried(acme) == {"ok": True, "issuer": acme.provider.issuer, "problems": []}
    assert (await acme.configure(enabled=False))[0] == 200
    assert (await tried(acme))["ok"] is True, "also before it is enabled"


async def test_a_redirect_uri_that_is_not_registered_is_named(acme: Acme) -> None:
    acme.provider.client("https://auth.example.com/other", **acme.client)
    assert f"Register {acme.callback} there exactly so" in await problem(acme)


async def test_an_unknown_client_is_named(acme: Acme) -> None:
    await acme.configure(client_id="nobody", client_secret="x")
    registration, secret = (await tried(acme))["problems"]
    assert "for the client nobody" in registration
    assert "Enter the secret again" in secret


async def test_a_wrong_secret_is_told_from_a_right_one(acme: Acme) -> None:
    await acme.configure(client_secret="wrong")
    assert await problem(acme) == "The provider refuses the client id or the client secret. Enter the secret again."


async def test_a_secret_that_cannot_be_read_is_asked_for(acme: Acme) -> None:
    await acme.app.db.execute(
        "UPDATE tenant_oidc_config SET client_secret_encrypted = 'nonsense' WHERE tenant_id = $1", acme.id
    )
    assert "Enter it again" in await problem(acme)
    assert (await SsoWindow(acme).leave()).endswith("?error=provider_unavailable")


WELL_KNOWN = "/.well-known/openid-configuration"


def document(provider: OpenIdProvider, **changes: Any) -> dict[str, Any]:
    """A discovery document."""
    home = provider.issuer
    told = {
        "issuer": home,
        "authorization_endpoint": f"{home}/auth",
        "token_endpoint": f"{home}/token",
        "jwks_uri": f"{home}/jwks",
        "response_types_supported": ["code"],
        **changes,
    }
    return {name: value for name, value in told.items() if value is not None}


BAD_DOCUMENTS: list[tuple[dict[str, Any], str]] = [
    ({"issuer": "http://127.0.0.1:1"}, "has to be entered exactly so"),
    ({"issuer": None}, "something else"),
    ({"issuer": "<script>"}, "something else"),
    ({"token_endpoint": None}, "names no token_endpoint"),
    ({"jwks_uri": 7}, "names no jwks_uri"),
    ({"authorization_endpoint": "javascript:alert(1)"}, "names no authorization_endpoint"),
    ({"authorization_endpoint": "https://a@b.example/"}, "names no authorization_endpoint"),
    ({"jwks_uri": "file:///etc/passwd"}, "names no jwks_uri"),
    ({"response_types_supported": ["id_token"]}, "authorization code flow"),
    ({"token_endpoint_auth_methods_supported": ["private_key_jwt"]}, "client_secret_basic"),
    ({"id_token_signing_alg_values_supported": ["PS512"]}, "RS256"),
]


@pytest.mark.parametrize("number", range(len(BAD_DOCUMENTS)))
async def test_a_document_that_cannot_be_used_says_why(acme: Acme, number: int) -> None:
    changes, told = BAD_DOCUMENTS[number]
    body = document(acme.provider, **changes)
    acme.provider.set(answers={WELL_KNOWN: {"status": 200, "body": body}})
    assert told in (await tried(acme))["problems"][0]


@pytest.mark.parametrize("status", [301, 302, 404, 500])
async def test_a_document_that_is_not_there_says_so(acme: Acme, status: int) -> None:
    headers = {"location": f"{acme.provider.issuer}/elsewhere"}
    acme.provider.set(answers={WELL_KNOWN: {"status": status, "headers": headers, "body": {}}})
    assert f"status {status}" in await problem(acme)
    assert "GET /elsewhere" not in acme.provider.set()


@pytest.mark.parametrize(
    "keys", [{"keys": []}, {"keys": "x"}, {}, {"keys": [{"kty": "oct", "k": "AAAA", "kid": "1"}, 5]}], ids=range(4)
)
async def test_keys_that_cannot_be_used_are_told(acme: Acme, keys: Any) -> None:
    acme.provider.set(answers={"/jwks": {"status": 200, "body": keys}})
    assert "key" in await problem(acme)


async def test_a_client_that_may_not_use_the_flow_is_told_so(acme: Acme) -> None:
    acme.provider.client(acme.callback, **acme.client, scope="openid")
    assert "invalid_scope" in await problem(acme)


async def test_tries_are_limited_for_each_tenant(acme: Acme) -> None:
    acme.provider.set(answers={WELL_KNOWN: {"status": 404, "body": {}}})
    statuses = [(await acme.settings("POST", "sso/test"))[0] for _ in range(11)]
    assert statuses == [200] * 10 + [429]


async def test_without_a_configuration_there_is_nothing_to_try(acme: Acme) -> None:
    assert (await acme.settings("DELETE", "sso"))[0] == 204
    assert (await acme.settings("POST", "sso/test"))[0] == 404


# -- what only this server can reach ---------------------------------------------------------------------------------


@pytest.fixture
async def private() -> AsyncIterator[tuple[int, list[int]]]:
    """A port of this machine, and everybody who connected."""
    seen: list[int] = []

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(1)
        writer.close()

    server = await asyncio.start_server(meet, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1], seen
    server.close()
    await server.wait_closed()


@pytest.fixture(scope="module")
async def closed_app(servers: Servers) -> AsyncIterator[Harness]:
    """An application that may reach no private network."""
    async with running(servers) as harness:
        yield harness


async def test_private_issuers_are_never_connected_to_and_tell_no_open_port_from_a_closed_one(
    closed_app: Harness, provider: OpenIdProvider, private: tuple[int, list[int]]
) -> None:
    port, seen = private
    acme = await Acme(closed_app, provider).made()
    answers = set()
    for host in (f"127.0.0.1:{port}", "127.0.0.1:1", f"localhost:{port}", f"[::1]:{port}", f"2130706433:{port}"):
        issuer = f"https://{host}"
        status, body = await acme.configure(issuer=issuer, client_secret="x")
        assert status == 200, body
        answers.add((await problem(acme)).replace(issuer, ""))
        assert (await SsoWindow(acme).leave()).endswith("?error=provider_unavailable")
    assert len(answers) == 1, answers
    assert seen == []


async def test_private_endpoints_in_a_document_are_never_connected_to(
    acme: Acme, private: tuple[int, list[int]]
) -> None:
    port, seen = private
    # The certified provider is listed by its network; what its document points to is looked at just the same.
    network = acme.app.app.engines.browser.sso.http.http._transport  # type: ignore[union-attr]
    allowed, network._allowed = network._allowed, ()
    network._trusted = frozenset({acme.provider.issuer})
    try:
        for name in ("jwks_uri", "token_endpoint"):
            body = document(acme.provider, **{name: f"https://127.0.0.1:{port}/x"})
            acme.provider.set(answers={WELL_KNOWN: {"status": 200, "body": body}})
            assert "cannot be reached" in (await tried(acme))["problems"][-1]
    finally:
        network._allowed, network._trusted = allowed, frozenset()
    assert seen == []
