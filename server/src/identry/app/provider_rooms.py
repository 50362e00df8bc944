"""The rooms of the provider: OAuth 2.0 and OpenID Connect, the people of its applications."""

from __future__ import annotations

from identry.app.engines import Engines, ProviderEngines
from identry.flows.token import routes as token
from identry.flows.token.service import Token
from identry.oauth.client_proof import ClientProof
from identry.settings import Settings
from identry.web.operations import Operation


def provider_rooms(settings: Settings, e: Engines, p: ProviderEngines) -> list[Operation]:
    """The operation table of the provider."""
    proof = ClientProof(e.db, e.clock)
    return [
        *token.operations(Token(e.db, e.clock, e.audit, proof, p.mint, settings.oauth_access_token_ttl)),
    ]
