"""Who stands behind a ticket of an unfinished sign-in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec

from identry.core.db import Executor
from identry.core.secrets import token_hash
from identry.records import one_time_tokens, users
from identry.records.one_time_tokens import Purpose
from identry.records.users import User


class FirstFactor(msgspec.Struct, rename="camel", frozen=True):
    """What a ticket for the second step says of the first.

    Attributes:
        amr: how the user proved who they are.
        token_version: of the user at that moment; under another one the ticket is worth nothing.
        tenant_id: the tenant that the session is for; None: the newest that is open.
    """

    amr: tuple[str, ...]
    token_version: int
    tenant_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A sign-in that waits for its second step.

    Attributes:
        user: whose.
        first: how the first step was made, and for which tenant.
        ticket_hash: of its ticket.
    """

    user: User
    first: FirstFactor
    ticket_hash: bytes


async def waiting(db: Executor, purpose: Purpose, raw_ticket: str, now: datetime) -> Waiting | None:
    """The sign-in that a ticket continues, without using it; None when it opens nothing (any more).

    It is worthless once password, role, factor or state of the account changed.
    """
    hashed = token_hash(raw_ticket)
    ticket = await one_time_tokens.peek(db, purpose, hashed, now)
    user = await users.find(db, ticket.user_id) if ticket else None
    if ticket is None or user is None:
        return None
    first = msgspec.json.decode(ticket.data, type=FirstFactor)
    return Waiting(user, first, hashed) if user.token_version == first.token_version else None
