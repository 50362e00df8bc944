"""The caller's own sessions: what there is, and the end of one."""

from __future__ import annotations

from uuid import UUID

from identry.core.clock import Clock
from identry.core.db import Database
from identry.core.kv import RevocationMarks
from identry.core.origin import Origin
from identry.records import sessions
from identry.records.audit import Audit
from identry.records.sessions import Shown
from identry_kit.apierror import NotFound

_REASON = "ended by its owner"


class UnknownSession(NotFound):
    """404: the caller has no live session with this id."""

    message = "no such session"


class OwnSessions:
    """Shows and ends sessions of one user."""

    def __init__(self, db: Database, clock: Clock, audit: Audit, marks: RevocationMarks) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._marks = marks

    async def live(self, user_id: UUID, *, within: UUID | None = None) -> list[Shown]:
        """The user's live sessions, the newest first; `within` a tenant: those of that tenant alone."""
        found = await sessions.live_of(self._db, user_id, self._clock.now())
        return [shown for shown in found if within is None or shown.tenant_id == within]

    async def devices(self, user_id: UUID) -> list[Shown]:
        """The live sessions of the user's own devices, the newest first; what applications hold is not among them."""
        return [shown for shown in await self.live(user_id) if shown.client_id is None]

    async def end(
        self, session_id: UUID, user_id: UUID, acting: UUID, origin: Origin, *, within: UUID | None = None
    ) -> None:
        """End one of the user's sessions and the grants that it gave; `acting` is the session that asks.

        Raises:
            UnknownSession: ended before, unknown, somebody else's, or not `within` the tenant; the answer is the same.
        """
        if within is not None and all(shown.id != session_id for shown in await self.live(user_id, within=within)):
            raise UnknownSession
        async with self._db.transaction() as tx:
            ended = await sessions.revoke_own(tx, session_id, user_id, _REASON, self._clock.now())
            if ended:
                await self._audit.record(
                    tx,
                    "auth.session.ended",
                    origin,
                    actor=user_id,
                    target=user_id,
                    session_id=session_id,
                    details={"by": str(acting)},
                )
        if not ended:
            raise UnknownSession
        await self._marks.mark(session_id)

    async def end_others(self, user_id: UUID, acting: UUID, origin: Origin) -> int:
        """End every session of the user but the one that asks and the grants that it gave; how many ended."""
        async with self._db.transaction() as tx:
            ended = await sessions.revoke_others(tx, user_id, acting, _REASON, self._clock.now())
            if ended:
                await self._audit.record(
                    tx,
                    "auth.sessions.others_ended",
                    origin,
                    actor=user_id,
                    target=user_id,
                    session_id=acting,
                    details={"revokedSessions": len(ended)},
                )
        await self._marks.mark(*ended)
        return len(ended)
