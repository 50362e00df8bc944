"""The sign-ins of one account, from the audit log, a page at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from identry.core.db import Executor

EVENTS = (
    "auth.login.succeeded",
    "auth.login.failed",
    "auth.login.blocked",
    "auth.login.rate_limited",
    "auth.mfa.failed",
    "auth.password.change_failed",
    "auth.refresh.reuse_detected",
)
"""What counts as a sign-in or as the attempt of one; a second factor that was right is part of the sign-in it ends."""


class _Details(msgspec.Struct):
    amr: list[str] = []
    reason: str = ""
    by: str = ""


_details = msgspec.json.Decoder(_Details)


@dataclass(frozen=True, slots=True)
class SignInEvent:
    """One row.

    Attributes:
        id: its place in time; the cursor of the page after it.
        amr: how, when it succeeded.
        reason: why not, in the words of the audit log, when it was refused.
        by: in which other way than by password or passkey, when it was refused.
    """

    id: UUID
    occurred_at: datetime
    event: str
    success: bool
    ip: str | None
    user_agent: str | None
    session_id: UUID | None
    amr: tuple[str, ...]
    reason: str
    by: str


async def page(db: Executor, user_id: UUID, before: UUID | None, limit: int) -> list[SignInEvent]:
    """At most `limit` events older than the one with the id `before`, the newest first."""
    rows = await db.fetch(
        """
        SELECT id, occurred_at, event, outcome = 'success', ip, user_agent, session_id, details
        FROM auth_audit_logs
        WHERE target_user_id = $1 AND event = ANY ($2) AND ($3::uuid IS NULL OR id < $3)
        ORDER BY id DESC LIMIT $4
        """,
        user_id,
        list(EVENTS),
        before,
        limit,
    )
    return [_event(*row) for row in rows]


def _event(*row: Any) -> SignInEvent:
    *columns, raw = row
    details = _details.decode(raw) if raw else _Details()
    return SignInEvent(*columns, tuple(details.amr), details.reason, details.by)  # type: ignore[call-arg]  # the SELECT's columns
