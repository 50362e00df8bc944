"""A grant to an application: opened in one statement, turned into tokens (contracts/provider-api.md §3, §5, §8).

Everybody who signs a user in at an application ends here: `open` writes session and audit row, with the gates asked
again (the proof took a while), and `tokens` signs. In between the caller lets go of its connection.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from identry.core.clock import Clock
from identry.core.db import Executor
from identry.core.ids import uuid7
from identry.core.origin import Origin
from identry.oauth.opening import GIVEN, opening_of
from identry.oauth.standing import Extras, Standing, profile_claims
from identry.records.clients import Client
from identry.tokens import ProviderGrant, ProviderMint, RefreshTokens

OPENED = "oauth.grant.opened"
"""The audit event of a grant."""


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
class Lifetimes:
    """How long tokens of clients live that have no lifetimes of their own.

    Attributes:
        longest: no access token lives longer, whatever its client says: retiring keys are published for that long.
    """

    access: timedelta
    refresh: timedelta
    longest: timedelta

    def access_of(self, client: Client) -> int:
        """Seconds that an access token of this client lives."""
        return int(min(client.access_ttl or self.access, self.longest).total_seconds())

    def grant_of(self, client: Client) -> timedelta:
        """How long a grant to this client lives: as its refresh tokens, or its one access token if it gets none."""
        if "refresh_token" not in client.grant_types:
            return timedelta(seconds=self.access_of(client))
        return client.refresh_ttl or self.refresh


@dataclass(frozen=True, slots=True)
class Opening:
    """A grant that is about to be opened.

    Attributes:
        client: to whom; proven, or public.
        user_id, token_version: who signed in, as read before the proof.
        amr, auth_time: how and when.
        scopes: as granted.
        audiences: resource servers that were asked for; None: the client's own.
        browser_session_id: the single sign-on session that it hangs on.
        dpop_jkt: the key that proved itself in this request.
        nonce: of the authorization request.
        signed_in: whether this is the very sign-in (then it is noted as the user's last one).
        event: of the audit log.
        via: what gave it, for the audit log: a grant type, or the name of a way to sign in.
    """

    client: Client
    user_id: UUID
    token_version: int
    amr: Sequence[str]
    auth_time: datetime
    scopes: tuple[str, ...]
    audiences: tuple[str, ...] | None = None
    browser_session_id: UUID | None = None
    dpop_jkt: str | None = None
    nonce: str | None = None
    signed_in: bool = False
    event: str = OPENED
    via: str = "authorization_code"


@dataclass(frozen=True, slots=True)
class Opened:
    """A grant that is open, and what its tokens are made of.

    Attributes:
        client: to whom.
        user_id: whose.
        standing: the user as seen from the client.
        grant: its claims.
        expires_at: the horizon of the grant.
        refresh_token: the raw one; empty: the client gets none.
        nonce: of the authorization request.
    """

    client: Client
    user_id: UUID
    standing: Standing
    grant: ProviderGrant
    expires_at: datetime
    refresh_token: str
    nonce: str | None = None


class Draft(NamedTuple):
    """What is known of a grant before anybody has looked whether there is to be one; the order is that of `GIVEN`."""

    session_id: UUID
    refresh_token_hash: bytes
    at: datetime
    expires_at: datetime
    event_id: UUID
    ip: str | None
    user_agent: str | None
    request_id: str | None
    client_id: UUID


_OPEN = opening_of(GIVEN)
_OPEN_SIGNED_IN = opening_of(GIVEN, signed_in=True)


class Grants:
    """Opens grants and makes their tokens."""

    def __init__(
        self,
        clock: Clock,
        mint: ProviderMint,
        refresh_tokens: RefreshTokens,
        lifetimes: Lifetimes,
        extras: Extras,
    ) -> None:
        self._clock = clock
        self._mint = mint
        self._refresh_tokens = refresh_tokens
        self._lifetimes = lifetimes
        self._extras = extras

    def draft(self, client: Client, origin: Origin) -> tuple[Draft, str]:
        """A grant to be opened now, and its first refresh token (empty: the client gets none)."""
        now, session_id = self._clock.now(), uuid7(self._clock)
        token = self._refresh_tokens.new(session_id)
        draft = Draft(
            session_id,
            token.hash,
            now,
            now + self._lifetimes.grant_of(client),
            uuid7(self._clock),
            origin.ip,
            origin.user_agent,
            origin.request_id,
            client.id,
        )
        return draft, token.raw if "refresh_token" in client.grant_types else ""

    async def open(self, tx: Executor, opening: Opening, origin: Origin) -> Opened | None:
        """Open a grant; None: user or client may not any more (nothing is written then).

        Raises:
            ServiceUnavailable: the database cannot tell.
        """
        draft, refresh_token = self.draft(opening.client, origin)
        row = await tx.fetchrow(
            _OPEN_SIGNED_IN if opening.signed_in else _OPEN,
            *draft,
            opening.user_id,
            opening.token_version,
            opening.amr,
            opening.auth_time,
            opening.scopes,
            opening.audiences,
            opening.browser_session_id,
            opening.dpop_jkt,
            opening.nonce,
            opening.event,
            opening.via,
        )
        return self.opened(row, opening.client, refresh_token, opening.dpop_jkt) if row else None

    def opened(self, row: Any, client: Client, refresh_token: str, dpop_jkt: str | None) -> Opened:
        """The grant in a row of `opening_of`."""
        return self.read(
            row["session_id"],
            row,
            client,
            refresh_token,
            tuple(row["scopes"]),
            None if row["audiences"] is None else tuple(row["audiences"]),
            dpop_jkt=dpop_jkt,
            nonce=row["nonce"],
        )

    def read(
        self,
        session_id: UUID,
        row: Any,
        client: Client,
        refresh_token: str,
        scopes: tuple[str, ...],
        audiences: tuple[str, ...] | None,
        *,
        dpop_jkt: str | None,
        nonce: str | None = None,
    ) -> Opened:
        """The grant of a session whose row has `standing.COLUMNS` besides the session's own."""
        seen = Standing.of(row, client)
        grant = ProviderGrant(
            session_id=session_id,
            user_id=row["user_id"],
            user_number=seen.number,
            client_id=client.client_id,
            audiences=tuple(client.audiences) if audiences is None else audiences,
            scopes=scopes,
            role=seen.role,
            roles=seen.roles,
            app_roles=seen.app_roles,
            amr=tuple(row["amr"]),
            auth_time=row["auth_time"],
            token_version=row["token_version"],
            extra=self._extras.of(seen, row["user_id"], client),
            dpop_jkt=dpop_jkt,
            at_jwt=client.token_format == "at+jwt",  # noqa: S105 - a media type, not a secret
        )
        return Opened(client, row["user_id"], seen, grant, row["expires_at"], refresh_token, nonce)

    async def tokens(self, opened: Opened) -> TokenSet:
        """The tokens of a grant, signed: not while a connection is held."""
        client, grant = opened.client, opened.grant
        left = int(opened.expires_at.timestamp() - self._clock.timestamp())
        ttl = max(min(self._lifetimes.access_of(client), left), 1)
        access_token = await self._mint.access_token(grant, ttl)
        id_token = ""
        if "openid" in grant.scopes:
            told = profile_claims(opened.standing, grant.scopes)
            if client.backchannel_logout_uri is not None:
                told["sid"] = str(grant.session_id)  # OpenID Connect Back-Channel Logout §2.1
            id_token = await self._mint.id_token(grant, access_token, told, ttl, opened.nonce)
        return TokenSet(
            access_token,
            "DPoP" if grant.dpop_jkt else "Bearer",
            ttl,
            " ".join(grant.scopes),
            opened.refresh_token,
            id_token,
            list(grant.roles),
            dict(grant.app_roles),
        )
