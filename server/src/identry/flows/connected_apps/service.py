"""What was agreed to and what is alive; revoked in one transaction, with its audit row. Source: ASVS 10.4.9."""

from __future__ import annotations

from uuid import UUID

from identry.core.clock import Clock
from identry.core.db import Database
from identry.core.kv import RevocationMarks
from identry.core.origin import Origin
from identry.flows.connected_apps import queries
from identry.flows.connected_apps.queries import ConnectedApp
from identry.records import authorization_codes, clients, consents, device_codes, sessions, users
from identry.records.audit import Audit
from identry_kit.apierror import NotFound


class UnknownApplication(NotFound):
    """404: the caller has let no such application in."""

    message = "no such application"


class ConnectedApps:
    """Shows and ends what applications may do for one user."""

    def __init__(self, db: Database, clock: Clock, audit: Audit, marks: RevocationMarks) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._marks = marks

    async def all(self, user_id: UUID) -> list[ConnectedApp]:
        """The user's applications by name."""
        return await queries.of_user(self._db, user_id, self._clock.now())

    async def revoke(self, app_id: UUID, user_id: UUID, session_id: UUID, origin: Origin) -> str:
        """Take everything back from an application; its name.

        Its sign-ins end at once, a code that it has not redeemed yet opens nothing, and it has to ask again.

        Raises:
            UnknownApplication: the user let none with this id in; unknown ones answer the same.
        """
        async with self._db.transaction() as tx:
            now = self._clock.now()
            await device_codes.void(tx, user_id, app_id)  # first, as a device takes its code before it holds the user
            await users.lock(tx, user_id)  # a grant is opened under this lock too, so none slips past
            agreed = await consents.revoke(tx, user_id, app_id)
            await authorization_codes.void(tx, user_id, app_id, now)
            ended = await sessions.end_of_client(tx, app_id, "access revoked", now, of=[user_id])
            client = await clients.find_by_id(tx, app_id) if agreed or ended else None
            if client is not None:
                await self._audit.record(
                    tx,
                    "app.access_revoked",
                    origin,
                    actor=user_id,
                    target=user_id,
                    session_id=session_id,
                    details={"clientId": client.client_id, "revokedSessions": len(ended)},
                )
        if client is None:
            raise UnknownApplication
        await self._marks.mark(*ended)
        return client.name
