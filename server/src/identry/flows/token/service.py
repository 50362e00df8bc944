"""One endpoint, one small function per grant. Source: contracts/provider-api.md §5, §8; RFC 6749, RFC 9700."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import msgspec

from identry.core.clock import Clock
from identry.core.db import Database
from identry.core.origin import Origin
from identry.oauth import scopes
from identry.oauth.client_proof import ClientProof, Presented
from identry.oauth.errors import UnauthorizedClient, UnsupportedGrantType
from identry.records.audit import Audit
from identry.records.clients import Client
from identry.tokens import ProviderMint


class TokenSet(msgspec.Struct, frozen=True, omit_defaults=True):
    """Tokens (RFC 6749 §5.1; contracts/provider-api.md §3)."""

    access_token: str
    token_type: str
    expires_in: int
    scope: str
    refresh_token: str = ""
    id_token: str = ""
    roles: list[str] = []
    app_roles: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Asked:
    """A token request, its client's credentials apart."""

    grant_type: str
    scope: str = ""


class Token:
    """Answers token requests.

    Args:
        access_ttl: lifetime of access tokens of clients that have none of their own.
    """

    def __init__(
        self, db: Database, clock: Clock, audit: Audit, proof: ClientProof, mint: ProviderMint, access_ttl: timedelta
    ) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._proof = proof
        self._mint = mint
        self._access_ttl = access_ttl
        self._grants = {"client_credentials": self._client_credentials}

    async def __call__(self, asked: Asked, presented: Presented, origin: Origin) -> TokenSet:
        """The tokens of a grant.

        Raises:
            InvalidClient, UnauthorizedClient, UnsupportedGrantType, InvalidScope: as RFC 6749 §5.2 has them.
            ServiceUnavailable: the database cannot tell.
        """
        grant = self._grants.get(asked.grant_type)
        if grant is None:
            raise UnsupportedGrantType
        client = await self._proof(presented)
        if asked.grant_type not in client.grant_types:
            raise UnauthorizedClient
        return await grant(client, asked, origin)

    async def _client_credentials(self, client: Client, asked: Asked, _: Origin) -> TokenSet:
        if client.is_public:
            raise UnauthorizedClient("a public client has no credentials of its own")
        granted = scopes.allowed(client, scopes.parse(asked.scope)) or scopes.SERVICE_DEFAULT
        ttl = int((client.access_ttl or self._access_ttl).total_seconds())
        token = self._mint.service_token(
            client.client_id,
            client.number,
            granted,
            tuple(client.audiences),
            ttl,
            at_jwt=client.token_format == "at+jwt",  # noqa: S105 - a media type, not a secret
        )
        return TokenSet(token, "Bearer", ttl, " ".join(granted))
