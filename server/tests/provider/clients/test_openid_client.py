"""npm `openid-client`, certified, signs people in here: discovery to logout, as it does at any provider."""

from __future__ import annotations

import json
from typing import Any

import pytest
from harness import Harness
from joserfc.jwk import ECKey
from provider.relying_party import AFTER_LOGOUT, CALLBACK, RelyingParty, visitor
from services.openid_client import Failed, OpenIdClient

SERVICE = "client_credentials"


def library(app: Harness, party: RelyingParty, method: str, secret: str = "") -> OpenIdClient:
    """The library as the client that `party` registered."""
    return OpenIdClient(
        issuer=app.env["OAUTH_ISSUER"],
        behind=app.base_url,
        client_id=party.client_id,
        client_secret=secret or party.registered.secret,
        redirect_uri=CALLBACK,
        method=method,
        now=int(app.clock.now().timestamp()),
    )


async def signs_in(app: Harness, party: RelyingParty, client: OpenIdClient, **begin: Any) -> None:
    """Sign in, look, refresh, look, log out."""
    browser = await visitor(app)
    assert browser.person is not None
    page = await browser.through(await browser.arrive((await client.do("begin", **begin))["url"]))
    assert page.left, page.text[:1000]
    tokens = await client.do("finish", url=page.url)
    assert tokens["claims"]["sub"]
    told = await client.do("userinfo", sub=tokens["claims"]["sub"])
    assert (told["email"], told["name"]) == (browser.person.email, "Ada Lovelace")
    refreshed = await client.do("refresh")
    assert refreshed["access_token"] != tokens["access_token"]
    assert refreshed["refresh_token"] != tokens["refresh_token"]
    assert (await client.do("userinfo", sub=told["sub"]))["sub"] == told["sub"]
    out = await client.do("leave", post_logout_redirect_uri=AFTER_LOGOUT, state="bye")
    page = await browser.arrive(out["url"])
    if not page.left:
        page = await browser.submit(page)
    assert (page.url.split("?")[0], page.told) == (AFTER_LOGOUT, {"state": "bye"})
    with pytest.raises(Failed):
        await client.do("userinfo", sub=told["sub"])


async def test_a_confidential_client_signs_a_person_in_and_out(app: Harness) -> None:
    party = await RelyingParty.at(app, require_pkce=True)
    async with library(app, party, "basic") as client:
        await signs_in(app, party, client)


async def test_a_public_client_signs_a_person_in_and_out(app: Harness) -> None:
    party = await RelyingParty.at(app, auth_method="none", require_pkce=True)
    async with library(app, party, "none") as client:
        await signs_in(app, party, client)


async def test_a_client_with_a_key_of_its_own_pushes_its_requests_and_binds_its_tokens(app: Harness) -> None:
    """`private_key_jwt` (RFC 7523), PAR (RFC 9126) and DPoP (RFC 9449), all demanded of this client."""
    key = ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"})
    party = await RelyingParty.at(
        app,
        auth_method="private_key_jwt",
        jwks=json.dumps({"keys": [key.as_dict(private=False)]}),
        require_pkce=True,
        require_par=True,
        require_dpop=True,
    )
    async with library(app, party, "key", json.dumps(key.as_dict(private=True))) as client:
        with pytest.raises(Failed):
            await client.do("begin", push=True, redirect_uri="https://rp.example.com/elsewhere")
        await client.do("bind")
        await signs_in(app, party, client, push=True)


async def test_it_asks_about_a_token_and_takes_it_back(app: Harness) -> None:
    party, browser = await RelyingParty.at(app, require_pkce=True), await visitor(app)
    async with library(app, party, "basic") as client:
        page = await browser.through(await browser.arrive((await client.do("begin"))["url"]))
        await client.do("finish", url=page.url)
        assert (await client.do("introspect"))["active"] is True
        await client.do("revoke")
        assert await client.do("introspect") == {"active": False}
        with pytest.raises(Failed, match="invalid_grant"):
            await client.do("refresh")


async def test_a_service_gets_a_token(app: Harness) -> None:
    party = await RelyingParty.at(app, grant_types=[SERVICE])
    async with library(app, party, "basic") as client:
        tokens = await client.do("service", scope="api")
    assert tokens["scope"] == "api"
    assert "refresh_token" not in tokens
