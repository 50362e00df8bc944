"""End one session by its refresh token, or every session of the caller."""

from __future__ import annotations

from uuid import UUID

from identry.core.clock import Clock
from identry.core.db import Database
from identry.core.kv import RevocationMarks
from identry.core.origin import Origin
from identry.records import sessions, users
from identry.records.audit import Audit
from identry.tokens import RefreshTokens


class Logout:
    """Ends sessions at their owner's wish."""

    def __init__(
        self, db: Database, clock: Clock, audit: Audit, refresh_tokens: RefreshTokens, marks: RevocationMarks
    ) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._refresh_tokens = refresh_tokens
        self._marks = marks

    async def one(self, raw_token: str, origin: Origin) -> None:
        """End the session of a refresh token, current or rotated; an unknown one is ignored (no oracle).

        Raises:
            ServiceUnavailable: the database could not be told, so the session may still be alive.
        """
        token = self._refresh_tokens.parse(raw_token)
        if token is None:
            return
        await self.session(token.session_id, origin)

    async def session(self, session_id: UUID, origin: Origin) -> None:
        """End one session; one that has ended before is ignored.

        Raises:
            ServiceUnavailable: the database could not be told, so the session may still be alive.
        """
        async with self._db.transaction() as tx:
            user_id = await sessions.revoke(tx, session_id, "logout", self._clock.now())
            if user_id is not None:
                await self._audit.record(
                    tx, "auth.logout", origin, actor=user_id, target=user_id, session_id=session_id
                )
        await self._marks.mark(session_id)

    async def all(self, user_id: UUID, session_id: UUID, origin: Origin) -> int:
        """End every session of the user and void every access token; returns how many sessions were live."""
        async with self._db.transaction() as tx:
            now = self._clock.now()
            await users.update(tx, user_id, {}, now=now, bump=True)
            ended = await sessions.revoke_all(tx, user_id, "logout-all", now)
            await self._audit.record(
                tx,
                "auth.logout_all",
                origin,
                actor=user_id,
                target=user_id,
                session_id=session_id,
                details={"revokedSessions": len(ended)},
            )
        await self._marks.mark(*ended)
        return len(ended)
