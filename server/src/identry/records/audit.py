"""The audit log: one row for every event of contracts/platform-api.md §13, written in the transaction it tells of.

Never in a row: a password, a token, a key, a code. `details` names changed fields; old and new values only for role,
approval and active state.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal
from uuid import UUID

import msgspec

from identry.core.clock import Clock
from identry.core.db import Executor
from identry.core.ids import uuid7
from identry.core.origin import Origin

ActorType = Literal["user", "machine", "system", "anonymous"]

SIGNED_IN = "auth.login.succeeded"
SIGN_IN_FAILED = ("auth.login.failed", "auth.mfa.failed", "auth.passkey.refused", "auth.magic_link.failed")
"""A try to sign in that failed, at whichever step. (What was held back before a try is `auth.login.rate_limited`.)"""

INSERT = """
    INSERT INTO auth_audit_logs (id, occurred_at, event, actor_type, actor_user_id, target_user_id, company_id,
                                 session_id, ip, user_agent, request_id, outcome, details)
"""
_INSERT_ROW = INSERT + " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"  # noqa: S608 - constant


class Audit:
    """Writes audit rows; one instance per process, given to every service."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def record(
        self,
        tx: Executor,
        event: str,
        origin: Origin,
        *,
        actor: UUID | ActorType,
        target: UUID | None = None,
        company_id: UUID | None = None,
        session_id: UUID | None = None,
        success: bool = True,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Add one row.

        Args:
            tx: the transaction that does what the row tells of.
            event: a name of contracts/platform-api.md §13, for example `auth.login.succeeded`.
            origin: the request.
            actor: the acting user's id, or `machine`, `system`, `anonymous`.
            target: the user whom it concerns.
            company_id: the company, when the event belongs to one.
            session_id: the session, when there is one.
            success: whether it was done (else: refused).
            details: JSON-able, without any secret.
        """
        await tx.execute(
            _INSERT_ROW,
            *self.row(
                event,
                origin,
                actor=actor,
                target=target,
                company_id=company_id,
                session_id=session_id,
                success=success,
                details=details,
            ),
        )

    async def record_all(self, tx: Executor, rows: list[tuple[Any, ...]]) -> None:
        """Add many rows, each made by `row`, at once."""
        await tx.executemany(_INSERT_ROW, rows)

    def row(
        self,
        event: str,
        origin: Origin,
        *,
        actor: UUID | ActorType,
        target: UUID | None = None,
        company_id: UUID | None = None,
        session_id: UUID | None = None,
        success: bool = True,
        details: Mapping[str, Any] | None = None,
    ) -> tuple[Any, ...]:
        """The thirteen values of one row, for a statement that inserts it together with what it tells of."""
        user_actor = actor if isinstance(actor, UUID) else None
        return (
            uuid7(self._clock),
            self._clock.now(),
            event,
            "user" if user_actor else actor,
            user_actor,
            target,
            company_id,
            session_id,
            origin.ip,
            origin.user_agent,
            origin.request_id,
            "success" if success else "failure",
            msgspec.json.encode(details).decode() if details else None,
        )
