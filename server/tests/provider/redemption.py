"""Grants to applications, opened as the token endpoint opens them: from a code, in its transaction."""

from __future__ import annotations

from typing import Any

from harness import Harness
from provider.applications import App
from provider.authorization import CALLBACK, VERIFIER, ask, code_of
from provider.browsers import Browser

from identry.core.origin import Origin
from identry.oauth import codes
from identry.oauth.codes import Redeemed
from identry.oauth.grants import Opening, TokenSet

ORIGIN = Origin(ip="192.0.2.1", user_agent="test", request_id=None)


async def redeem(app: Harness, client: App, code: str, **changes: str) -> tuple[Redeemed, Any]:
    """Redeem a code and open its grant, in one transaction; the grant is None when the code was worth nothing."""
    provider = app.app.engines.provider
    assert provider is not None
    asked = {"redirect_uri": CALLBACK, "code_verifier": VERIFIER, **changes}
    async with app.db.transaction() as tx:
        redeemed = await codes.redeem(tx, code, client.client.id, **asked, now=app.clock.now())
        opened = None
        if redeemed.code is not None:
            given = redeemed.code
            opening = Opening(
                client=client.client,
                user_id=given.user_id,
                token_version=given.token_version,
                amr=given.amr,
                auth_time=given.auth_time,
                scopes=tuple(given.scopes),
                session_id=given.session_id,
                browser_session_id=given.browser_session_id,
                nonce=given.nonce,
            )
            opened = await provider.grants.open(tx, opening, ORIGIN)
    return redeemed, opened


async def tokens(app: Harness, browser: Browser, client: App) -> TokenSet:
    """The tokens that a client gets for whoever is signed in."""
    provider = app.app.engines.provider
    assert provider is not None
    _, opened = await redeem(app, client, code_of(await ask(browser, client)))
    assert opened is not None
    return provider.grants.tokens(opened)
