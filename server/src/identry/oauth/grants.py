"""A grant to an application: opened in one statement, turned into tokens (contracts/provider-api.md §3, §5, §8).

Everybody who signs a user in at an application ends here: `open` writes session and audit row, with the gates asked
again (the proof took a while), and `tokens` signs. In between the caller lets go of its connection.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from identry.core.clock import Clock
from identry.core.db import Executor
from identry.core.ids import uuid7
from identry.core.origin import Origin
from identry.oauth import standing
from identry.oauth.standing import Extras, Standing, profile_claims
from identry.records import audit as audit_log
from identry.records.audit import Audit
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
        session_id: chosen in advance; None: a new one.
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
    session_id: UUID | None = None
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


# The user's row is locked and the gates are asked again: a deactivation, a change of password or a second factor that
# came since the proof leaves no grant behind. An application of a tenant is for the people of that tenant.
def _open(allowed: str) -> str:
    return f"""
    WITH allowed AS ({allowed}), opened AS (
        INSERT INTO sessions (id, user_id, created_at, expires_at, auth_time, amr, token_version, refresh_token_hash,
                              ip, user_agent, client_id, scopes, audiences, browser_session_id, dpop_jkt, tenant_id)
        SELECT $1, allowed.id, $2, $5, $7, $6, $4, $8, $9, $10, c.id, $12, $13, $14, $15, c.tenant_id
        FROM allowed, clients c
        WHERE c.id = $11 AND c.is_active AND (c.tenant_id IS NULL OR EXISTS (
            SELECT FROM tenant_members tm JOIN tenants t ON t.id = tm.tenant_id
            WHERE tm.tenant_id = c.tenant_id AND tm.user_id = $3 AND tm.is_active AND t.is_active))
        RETURNING id
    ), logged AS (
        {audit_log.INSERT}
        SELECT $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28 FROM opened
    )
    SELECT {standing.SELECTED} FROM opened, users u, clients c WHERE u.id = $3 AND c.id = $11
    """  # noqa: S608 - constant expressions


_MAY = """
    id = $3 AND is_active AND approval_status = 'APPROVED' AND token_version = $4
    AND (NOT mfa_enabled OR 'mfa' = ANY ($6::text[]))
"""
_OPEN = _open(f"SELECT id FROM users WHERE {_MAY} FOR SHARE")  # noqa: S608 - constant
_OPEN_SIGNED_IN = _open(f"UPDATE users SET last_login_at = $2 WHERE {_MAY} RETURNING id")  # noqa: S608 - constant


class Grants:
    """Opens grants and makes their tokens."""

    def __init__(
        self,
        clock: Clock,
        audit: Audit,
        mint: ProviderMint,
        refresh_tokens: RefreshTokens,
        lifetimes: Lifetimes,
        extras: Extras,
    ) -> None:
        self._clock = clock
        self._audit = audit
        self._mint = mint
        self._refresh_tokens = refresh_tokens
        self._lifetimes = lifetimes
        self._extras = extras

    async def open(self, tx: Executor, opening: Opening, origin: Origin) -> Opened | None:
        """Open a grant; None: user or client may not any more (nothing is written then).

        Raises:
            ServiceUnavailable: the database cannot tell.
        """
        client, now = opening.client, self._clock.now()
        session_id = opening.session_id or uuid7(self._clock)
        refresh_token = self._refresh_tokens.new(session_id)
        expires_at = now + self._lifetimes.grant_of(client)
        event = self._audit.row(
            opening.event,
            origin,
            actor=opening.user_id,
            target=opening.user_id,
            session_id=session_id,
            details={"client": client.client_id, "via": opening.via, "scopes": opening.scopes, "amr": opening.amr},
        )
        row = await tx.fetchrow(
            _OPEN_SIGNED_IN if opening.signed_in else _OPEN,
            session_id,
            now,
            opening.user_id,
            opening.token_version,
            expires_at,
            list(opening.amr),
            opening.auth_time,
            refresh_token.hash,
            origin.ip,
            origin.user_agent,
            client.id,
            list(opening.scopes),
            None if opening.audiences is None else list(opening.audiences),
            opening.browser_session_id,
            opening.dpop_jkt if client.is_public else None,  # another client proves itself at each refresh
            *event,
        )
        if row is None:
            return None
        row = {**row, "user_id": opening.user_id, "amr": opening.amr}
        row |= {"auth_time": opening.auth_time, "expires_at": expires_at, "token_version": opening.token_version}
        raw = refresh_token.raw if "refresh_token" in client.grant_types else ""
        return self.read(
            session_id,
            row,
            client,
            raw,
            opening.scopes,
            opening.audiences,
            dpop_jkt=opening.dpop_jkt,
            nonce=opening.nonce,
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

    def tokens(self, opened: Opened) -> TokenSet:
        """The tokens of a grant, signed: not while a connection is held."""
        client, grant = opened.client, opened.grant
        left = int(opened.expires_at.timestamp() - self._clock.timestamp())
        ttl = max(min(self._lifetimes.access_of(client), left), 1)
        access_token = self._mint.access_token(grant, ttl)
        id_token = ""
        if "openid" in grant.scopes:
            told = profile_claims(opened.standing, grant.scopes)
            if client.backchannel_logout_uri is not None:
                told["sid"] = str(grant.session_id)  # OpenID Connect Back-Channel Logout §2.1
            id_token = self._mint.id_token(grant, access_token, told, ttl, opened.nonce)
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
