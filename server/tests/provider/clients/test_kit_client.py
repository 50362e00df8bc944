"""The kit's own client, awaited and blocking, does for a back end what a browser's sign-in needs."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from base64 import urlsafe_b64encode

import pytest
from harness import Harness
from provider.relying_party import CALLBACK, RelyingParty, visitor

from identry_kit.client import BlockingClient, Client, OAuthError


async def test_it_exchanges_refreshes_asks_and_revokes(app: Harness) -> None:
    party, browser = await RelyingParty.at(app, require_pkce=True), await visitor(app)
    assert browser.person is not None
    verifier = secrets.token_urlsafe(48)
    challenge = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    request = party.request(scope="openid email offline_access", code_challenge=challenge, code_challenge_method="S256")
    code = await party.code(browser, request)
    async with Client(app.base_url, party.client_id, client_secret=party.registered.secret) as client:
        back_end = client.with_attribution(ip=browser.ip, user_agent="Browser/1")
        tokens = await back_end.exchange_code(code, CALLBACK, code_verifier=verifier)
        profile = await client.with_jwt(tokens.access_token).get_current_user_profile()
        assert profile is not None
        assert profile.email == browser.person.email
        refreshed = await back_end.refresh_token(tokens.refresh_token)
        assert refreshed.refresh_token != tokens.refresh_token
        told = await client.introspect_token(refreshed.access_token)
        assert (told.active, told.client_id, told.username) == (True, party.client_id, browser.person.email)
        with pytest.raises(OAuthError) as caught:
            await back_end.exchange_code(code, CALLBACK, code_verifier=verifier)
        assert caught.value.is_fatal
        assert not (await client.introspect_token(refreshed.access_token)).active, "a code's second use ends its grant"


async def test_the_blocking_client_revokes_for_good(app: Harness) -> None:
    party, browser = await RelyingParty.at(app), await visitor(app)
    tokens = await party.sign_in(browser, scope="openid offline_access")

    def back_end() -> None:
        with BlockingClient(app.base_url, party.client_id, client_secret=party.registered.secret) as client:
            assert client.introspect_token(tokens.access_token).active
            client.revoke_token(tokens.refresh_token)
            assert not client.introspect_token(tokens.access_token).active
            assert client.with_jwt(tokens.access_token).get_current_user_profile() is None
            client.revoke_token("never-issued")
            with pytest.raises(OAuthError):
                client.refresh_token(tokens.refresh_token)

    await asyncio.to_thread(back_end)
