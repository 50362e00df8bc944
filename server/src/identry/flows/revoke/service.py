"""The whole grant ends with any of its tokens. Source: contracts/provider-api.md §5; RFC 7009; SECURITY rows 19–21."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from identry.core.clock import Clock
from identry.core.db import Database
from identry.core.kv import RevocationMarks
from identry.core.origin import Origin
from identry.oauth.access_tokens import AccessTokens, revoked_hash, service_number
from identry.oauth.client_proof import ClientProof, Presented
from identry.oauth.errors import InvalidToken
from identry.records import sessions, spent_ids
from identry.records.audit import Audit
from identry.records.clients import Client
from identry.records.spent_ids import Purpose
from identry.tokens import RefreshTokens
from identry_kit.jwtauth import Claims

_LEEWAY = timedelta(minutes=2)
"""How much longer than its token an id is kept: verifiers forgive clocks less than that."""


class Revoke:
    """Ends grants by one of their tokens. What is unknown, over or somebody else's is no error: nothing happens."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        audit: Audit,
        marks: RevocationMarks,
        proof: ClientProof,
        tokens: AccessTokens,
        refresh_tokens: RefreshTokens,
    ) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._marks = marks
        self._proof = proof
        self._tokens = tokens
        self._refresh_tokens = refresh_tokens

    async def by_client(self, token: str, presented: Presented, origin: Origin) -> None:
        """The client gives back a token of its own.

        Raises:
            InvalidClient: it is not proven to be who it says.
            ServiceUnavailable: the database could not be told, so the token may still be good.
        """
        client = await self._proof(presented)
        session_id, service = await self._target(token)
        if service is not None and session_id is not None:
            await self._end_service(service, session_id, client, origin)
        elif session_id is not None:
            await self._end(session_id, lambda client_id, _: client_id == client.id, origin, client.client_id)

    async def by_user(self, token: str, user_id: UUID, origin: Origin) -> None:
        """A user ends a grant of their own, to whichever application.

        Raises:
            ServiceUnavailable: as `by_client`.
        """
        session_id, service = await self._target(token)
        if session_id is not None and service is None:
            await self._end(session_id, lambda client_id, owner: client_id is not None and owner == user_id, origin)

    async def _target(self, token: str) -> tuple[UUID | None, Claims | None]:
        """The id in a genuine token, with the claims of an application's own; neither: it is worth nothing."""
        refresh = self._refresh_tokens.parse(token)
        if refresh is not None:
            return refresh.session_id, None
        try:
            claims, family = await self._tokens.claims_of(token)
        except InvalidToken:
            return None, None
        return family, claims if service_number(claims) is not None else None

    async def _end(
        self, session_id: UUID, may: Callable[[UUID | None, UUID], bool], origin: Origin, client: str = ""
    ) -> None:
        async with self._db.transaction() as tx:
            held_by, owner = await sessions.held_by(tx, session_id) or (None, session_id)
            if not may(held_by, owner):
                return
            ended = await sessions.end(tx, session_id, "revoked", self._clock.now())
            if ended:
                await self._audit.record(
                    tx,
                    "oauth.grant.revoked",
                    origin,
                    actor="machine" if client else owner,
                    target=owner,
                    session_id=session_id,
                    details={"client": client} if client else None,
                )
        await self._marks.mark(*ended)

    async def _end_service(self, claims: Claims, token_id: UUID, client: Client, origin: Origin) -> None:
        if service_number(claims) != client.number:
            return
        until = datetime.fromtimestamp(claims.exp, UTC) + _LEEWAY
        async with self._db.transaction() as tx:
            if await spent_ids.spend(tx, Purpose.REVOKED_TOKEN, revoked_hash(claims), until):
                await self._audit.record(
                    tx, "oauth.token.revoked", origin, actor="machine", details={"client": client.client_id}
                )
        await self._marks.mark(token_id)
