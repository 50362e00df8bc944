"""The one-time code between callback and exchange: a token never stands in a URL (SECURITY §2 row 42, RFC 9700 §4.3).

It is bound to the browser by its hash: what is stored and looked up is the hash of the code and of the browser's cookie
together, so in another browser the code is no code at all, and trying it there uses nothing up.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import msgspec

from identry.core.clock import Clock
from identry.core.db import Executor
from identry.core.secrets import new_token, token_hash
from identry.records import one_time_tokens
from identry.records.one_time_tokens import Purpose
from identry.records.users import User

EXCHANGE_TTL = timedelta(seconds=60)
"""contracts/browser-api.md §3."""


class Arrival(msgspec.Struct, rename="camel", frozen=True):
    """What a code stands for.

    Attributes:
        amr: how the user proved who they are.
        tenant_id: for which tenant.
        token_version: of the user at that moment.
        provider: the key of the provider.
        identity_id: the identity that was proven.
    """

    amr: tuple[str, ...]
    tenant_id: UUID
    token_version: int
    provider: str
    identity_id: UUID


class Issued(msgspec.Struct, frozen=True):
    """A new code, and the value of the cookie that belongs to it."""

    code: str
    binding: str


async def issue(tx: Executor, clock: Clock, user: User, arrival: Arrival) -> Issued:
    """Store a new code; an older one of the same user is void from now on."""
    issued, now = Issued(new_token(), new_token()), clock.now()
    await one_time_tokens.issue(
        tx,
        Purpose.EXCHANGE_CODE,
        user.id,
        _bound(issued.code, issued.binding),
        now=now,
        expires_at=now + EXCHANGE_TTL,
        data=msgspec.json.encode(arrival).decode(),
    )
    return issued


async def peek(db: Executor, clock: Clock, code: str, binding: str) -> tuple[UUID, Arrival] | None:
    """Whose the code is and what it stands for; None: it opens nothing (any more)."""
    found = await one_time_tokens.peek(db, Purpose.EXCHANGE_CODE, _bound(code, binding), clock.now())
    return (found.user_id, msgspec.json.decode(found.data, type=Arrival)) if found else None


async def consume(tx: Executor, clock: Clock, code: str, binding: str) -> bool:
    """Use the code; True for exactly one of any number of callers."""
    found = await one_time_tokens.consume(tx, Purpose.EXCHANGE_CODE, _bound(code, binding), clock.now())
    return found is not None


def _bound(code: str, binding: str) -> bytes:
    return token_hash(f"{code}.{binding}")
