"""Grants to applications, opened as the token endpoint opens them: from a code, by the statement that uses it up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from harness import Harness
from provider.applications import App
from provider.authorization import CALLBACK, VERIFIER, ask, code_of
from provider.browsers import Browser

from identry.core.origin import Origin
from identry.core.secrets import token_hash
from identry.oauth.grants import TokenSet
from identry.records import authorization_codes, sessions

ORIGIN = Origin(ip="192.0.2.1", user_agent="test", request_id=None)


@dataclass(frozen=True, slots=True)
class Given:
    """What a code that opened a grant was worth."""

    session_id: UUID
    browser_session_id: UUID | None


@dataclass(frozen=True, slots=True)
class Redeemed:
    """What became of a code: what it was worth, or else the grant that an earlier use of it opened."""

    code: Given | None
    end_session_id: UUID | None


async def redeem(app: Harness, client: App, code: str, **changes: str) -> tuple[Redeemed, Any]:
    """Redeem a code, its grant opened; the grant is None when the code was worth nothing."""
    provider = app.app.engines.provider
    assert provider is not None
    asked: dict[str, Any] = {"redirect_uri": CALLBACK, "code_verifier": VERIFIER, "jkt": None, **changes}
    opened = await provider.redeeming(client.client, code, ORIGIN, **asked)
    if opened is None:
        used = await authorization_codes.session_of_used(app.db, token_hash(code), client.client.id)
        opened_before = used is not None and await sessions.find(app.db, used) is not None
        return Redeemed(None, used if opened_before else None), None
    row = await app.db.fetchrow(
        "SELECT session_id, browser_session_id FROM authorization_codes WHERE code_hash = $1", token_hash(code)
    )
    return Redeemed(Given(*row), None), opened


async def tokens(app: Harness, browser: Browser, client: App) -> TokenSet:
    """The tokens that a client gets for whoever is signed in."""
    provider = app.app.engines.provider
    assert provider is not None
    _, opened = await redeem(app, client, code_of(await ask(browser, client)))
    assert opened is not None
    return await provider.grants.tokens(opened)
