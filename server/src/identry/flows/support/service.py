"""End sessions and show an account, for machines (contracts/platform-api.md §6.1)."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from identry.core.clock import Clock
from identry.core.db import Database
from identry.core.kv import RevocationMarks
from identry.core.origin import Origin
from identry.records import memberships, sessions, users
from identry.records.audit import Audit
from identry.records.memberships import BusinessUnitMembership, CompanyMembership
from identry.records.users import User
from identry_kit.apierror import NotFound


class UserUnknown(NotFound):
    """404: no account has this id."""

    message = "user not found"


class SessionUnknown(NotFound):
    """404: there never was such a session, or it was forgotten long after its end."""

    message = "session not found"


@dataclass(frozen=True, slots=True)
class Context:
    """An account with all its memberships."""

    user: User
    companies: list[CompanyMembership]
    units: list[BusinessUnitMembership]


class Support:
    """Serves machines."""

    def __init__(self, db: Database, clock: Clock, audit: Audit, marks: RevocationMarks) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._marks = marks

    async def revoke_session(self, session_id: UUID, origin: Origin) -> None:
        """End one session; doing it again changes nothing.

        Raises:
            SessionUnknown: no such session.
        """
        async with self._db.transaction() as tx:
            user_id = await sessions.revoke(tx, session_id, "revoked by machine", self._clock.now())
            if user_id is not None:
                await self._audit.record(
                    tx, "session.revoked", origin, actor="machine", target=user_id, session_id=session_id
                )
            elif await sessions.find(tx, session_id) is None:
                raise SessionUnknown
        await self._marks.mark(session_id)

    async def revoke_all(self, user_id: UUID, origin: Origin) -> tuple[int, int]:
        """End every session of an account and void its access tokens; how many were live, and the new token version.

        Raises:
            UserUnknown: no such account.
        """
        async with self._db.transaction() as tx:
            now = self._clock.now()
            if await users.lock(tx, user_id) is None:
                raise UserUnknown
            user = await users.update(tx, user_id, {}, now=now, bump=True)
            ended = await sessions.revoke_all(tx, user_id, "revoked by machine", now)
            await self._audit.record(
                tx,
                "user.sessions_revoked",
                origin,
                actor="machine",
                target=user_id,
                details={"revokedSessions": len(ended)},
            )
        await self._marks.mark(*ended)
        return len(ended), user.token_version

    async def context(self, user_id: UUID) -> Context:
        """An account with its memberships.

        Raises:
            UserUnknown: no such account.
        """
        user = await users.find(self._db, user_id)
        if user is None:
            raise UserUnknown
        companies = await memberships.companies_of(self._db, user_id)
        return Context(user, companies, await memberships.business_units_of(self._db, user_id))
