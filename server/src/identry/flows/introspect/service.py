"""Is this token worth anything, and what? Source: contracts/provider-api.md §5, §8; RFC 7662; RFC 9449 §6.2."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from identry.core.clock import Clock
from identry.core.db import Executor
from identry.core.together import Together
from identry.flows.introspect import queries
from identry.flows.introspect.queries import OfGrant
from identry.oauth.access_tokens import AccessTokens, bound_key, revoked_hash, service_number
from identry.oauth.client_proof import ClientProof, Presented, refused, secret_hash
from identry.oauth.errors import InvalidClient, InvalidToken
from identry.records.clients import Client
from identry.tokens import RefreshToken, RefreshTokens, acr_of
from identry_kit.jwtauth import Claims


class Confirmation(msgspec.Struct, frozen=True):
    """The key that a token is bound to."""

    jkt: str


class Introspection(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a token is worth (RFC 7662 §2.2); of one that is worth nothing only `active`."""

    active: bool
    scope: str = ""
    client_id: str = ""
    username: str = ""
    token_type: str = ""
    exp: int = 0
    iat: int = 0
    sub: str = ""
    aud: list[str] = []
    role: str = ""
    auth_time: int = 0
    amr: list[str] = []
    acr: str = ""
    cnf: Confirmation | None = None


NOTHING = Introspection(active=False)


class Introspect:
    """Answers clients that prove themselves; a public one cannot, so it learns nothing here.

    Whoever holds an access token may ask about it; about a refresh token only the client that it was given to.
    """

    def __init__(
        self, db: Executor, clock: Clock, proof: ClientProof, tokens: AccessTokens, refresh_tokens: RefreshTokens
    ) -> None:
        self._db = db
        self._clock = clock
        self._proof = proof
        self._tokens = tokens
        self._refresh_tokens = refresh_tokens
        self._grants = Together(self._ask)

    async def __call__(self, token: str, presented: Presented) -> Introspection:
        """What the token is worth.

        Raises:
            InvalidClient: who asks proves nothing.
            ServiceUnavailable: the database cannot tell.
        """
        by_assertion = await self._proven(presented) if presented.assertion else None
        refresh = self._refresh_tokens.parse(token)
        if refresh is not None:
            row = await self._grant_of(refresh.session_id, presented, by_assertion)
            return _of_refresh(row, refresh)
        try:
            claims, family = await self._tokens.claims_of(token)
        except InvalidToken:
            if by_assertion is None:
                await self._proven(presented)
            return NOTHING
        number = service_number(claims)
        if number is not None:
            return await self._of_service(claims, number, presented, by_assertion)
        return _of_user(await self._grant_of(family, presented, by_assertion), claims)

    async def _proven(self, presented: Presented) -> Client:
        client = await self._proof(presented)
        if client.is_public:
            raise InvalidClient("a public client may not introspect tokens")
        return client

    async def _grant_of(self, session_id: UUID, presented: Presented, by_assertion: Client | None) -> Any:
        name = by_assertion.client_id if by_assertion else presented.client_id
        row = await self._grants(OfGrant(name, secret_hash(presented), session_id))
        if row is None or not (row["proven"] or by_assertion):
            raise refused(presented)
        return row

    async def _ask(self, asked: list[OfGrant]) -> dict[OfGrant, Any]:
        return await queries.of_grants(self._db, asked, self._clock.now())

    async def _of_service(
        self, claims: Claims, number: int, presented: Presented, by_assertion: Client | None
    ) -> Introspection:
        name = by_assertion.client_id if by_assertion else presented.client_id
        now, id_hash = self._clock.now(), revoked_hash(claims)
        row = await queries.of_service(self._db, number, now, name, secret_hash(presented), id_hash)
        if row is None or not (row["proven"] or by_assertion):
            raise refused(presented)
        if row["client_id"] is None or claims.aud[:1] != (row["client_id"],):
            return NOTHING
        return Introspection(active=True, client_id=row["client_id"], **_told(claims))


def _of_user(row: Any, claims: Claims) -> Introspection:
    client_id = row["client_id"]
    counts = client_id is not None and row["ended"] is None and row["is_active"]
    if not counts or claims.sub != str(row["number"]) or claims.aud[:1] != (client_id,):
        return NOTHING
    return Introspection(
        active=True,
        client_id=client_id,
        username=row["email"],
        role=claims.text("role"),
        auth_time=claims.auth_time,
        amr=list(claims.amr),
        acr=claims.text("acr"),
        **_told(claims),
    )


def _told(claims: Claims) -> dict[str, Any]:
    """What an access token says, whosever it is."""
    jkt = bound_key(claims)
    return {
        "scope": claims.text("scope"),
        "token_type": "Bearer" if jkt is None else "DPoP",
        "exp": int(claims.exp),
        "iat": int(claims.iat),
        "sub": claims.sub,
        "aud": list(claims.aud),
        "cnf": None if jkt is None else Confirmation(jkt),
    }


def _of_refresh(row: Any, token: RefreshToken) -> Introspection:
    current = row["client_id"] is not None and row["held_by"] == row["asker"]
    if not current or row["ended"] is not None or row["refresh_token_hash"] != token.hash:
        return NOTHING
    return Introspection(
        active=True,
        scope=" ".join(row["scopes"] or ()),
        client_id=row["client_id"],
        username=row["email"],
        token_type="refresh_token",  # noqa: S106 - a kind of token
        exp=int(row["expires_at"].timestamp()),
        iat=int(row["created_at"].timestamp()),
        sub=str(row["number"]),
        auth_time=int(row["auth_time"].timestamp()),
        amr=row["amr"],
        acr=acr_of(row["amr"]),
    )
