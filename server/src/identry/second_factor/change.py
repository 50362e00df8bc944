"""What a change of a second factor entails (ASVS 7.4.3, 6.3.7): part of the transaction that makes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from identry.core.clock import Clock
from identry.core.db import Executor
from identry.core.mail import Outbox
from identry.core.origin import Origin
from identry.records import one_time_tokens, sessions, users
from identry.records.audit import ActorType, Audit
from identry.records.users import User


@dataclass(frozen=True, slots=True)
class FactorChanged:
    """What a change did.

    Attributes:
        user: as they are now.
        ended: the sessions that it ended; mark them after the commit.
    """

    user: User
    ended: list[UUID]


class FactorChanges:
    """Concludes changes."""

    def __init__(self, clock: Clock, audit: Audit, outbox: Outbox) -> None:
        self._clock = clock
        self._audit = audit
        self._outbox = outbox

    async def conclude(
        self,
        tx: Executor,
        user: User,
        event: str,
        template: str,
        origin: Origin,
        *,
        actor: UUID | ActorType,
        keep: UUID | None = None,
        company_id: UUID | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> FactorChanged:
        """Void every token issued so far, end every session but `keep`, mail the user, write the audit row.

        Args:
            tx: holds the user's row.
            user: whose factor changed.
            event: of the audit log.
            template: of the mail.
            origin: the request.
            actor: who changed it: a user's id, or `system`.
            keep: the user's own session that made the change.
            company_id: the tenant whose administrator did it.
            details: more for the audit row.
        """
        now = self._clock.now()
        changed = await users.update(tx, user.id, {}, now=now, bump=True)
        await one_time_tokens.void(tx, user.id, now)
        ended = await sessions.revoke_all(tx, user.id, "second factor changed", now, keep=keep)
        if keep is not None:
            await sessions.carry(tx, keep, changed.token_version)
        await self._outbox.enqueue(tx, template=template, to=user.email, context={"full_name": user.full_name})
        await self._audit.record(
            tx,
            event,
            origin,
            actor=actor,
            target=user.id,
            company_id=company_id,
            session_id=keep,
            details={**(details or {}), "revokedSessions": len(ended)},
        )
        return FactorChanged(changed, ended)
