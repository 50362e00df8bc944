"""The refresh token of an application that cannot prove itself becomes its next tokens (contracts/provider-api.md §7).

The application is the one that the token was given to; another kind goes to `/oauth/token`, where it proves itself.
"""

from __future__ import annotations

from identry.core.db import Database
from identry.core.limits import TOKEN, Limiter
from identry.core.origin import Origin
from identry.oauth.errors import InvalidGrant
from identry.oauth.grants import Grants, TokenSet
from identry.oauth.refreshing import Refreshing
from identry.records import clients, sessions
from identry.records.clients import Client
from identry.rotation import InvalidRefreshToken
from identry.tokens import RefreshTokens


class RefreshPublic:
    """Keeps grants to public applications going."""

    def __init__(
        self, db: Database, limiter: Limiter, refresh_tokens: RefreshTokens, refreshing: Refreshing, grants: Grants
    ) -> None:
        self._db = db
        self._limiter = limiter
        self._refresh_tokens = refresh_tokens
        self._refreshing = refreshing
        self._grants = grants

    async def __call__(self, raw_token: str, origin: Origin) -> TokenSet:
        """The next tokens of a grant.

        Raises:
            RateLimited: client address and application used up their tries, with those of `/oauth/token`.
            InvalidRefreshToken: unknown, used, expired or revoked, or of an application that has to prove itself.
            ServiceUnavailable: the database cannot tell.
        """
        client = await self._holder(raw_token)
        await self._limiter.spend(TOKEN, origin.ip, client.client_id if client else "")
        if client is None:
            raise InvalidRefreshToken
        try:
            return await self._grants.tokens(await self._refreshing(client, raw_token, origin))
        except InvalidGrant:
            raise InvalidRefreshToken from None

    async def _holder(self, raw_token: str) -> Client | None:
        """The public application that a token was given to; None: there is none that could use it here."""
        token = self._refresh_tokens.parse(raw_token)
        row_id = await sessions.client_of(self._db, token.session_id) if token else None
        client = await clients.find_by_id(self._db, row_id) if row_id else None
        if client is None or not client.is_active or not client.is_public or "refresh_token" not in client.grant_types:
            return None
        return client
