"""What the links that are mailed to an application's people are bound to, and how one is made.

Proof of an address (`EMAIL_VERIFICATION`), invitation (`APP_INVITE`), sign-in (`MAGIC_LINK`, on our own pages
`PAGES_LINK`): each belongs to a person, to the application that it was asked for at, and to the mailbox that it was
sent to (SECURITY §1.3). A change of the address makes it worthless; a newer one voids the older ones of its purpose.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from identry.core.db import Executor
from identry.core.secrets import random_bytes, token_hash
from identry.records import one_time_tokens
from identry.records.clients import Client
from identry.records.one_time_tokens import Purpose
from identry.records.users import User


class LinkTo(msgspec.Struct, frozen=True):
    """What a link's token says besides whose it is.

    Attributes:
        client_id: our id of the application; None: our own pages.
        email: where it was sent.
    """

    client_id: UUID | None
    email: str


async def issue(
    tx: Executor, purpose: Purpose, user: User, client: Client | None, now: datetime, ttl: timedelta
) -> str:
    """The raw token of a new link; the caller mails it in the same transaction.

    For a user who is in no table the same statements run and write nothing.
    """
    raw_token = random_bytes(32).hex()
    await one_time_tokens.issue(
        tx,
        purpose,
        user.id,
        token_hash(raw_token),
        now=now,
        expires_at=now + ttl,
        data=msgspec.json.encode(LinkTo(client.id if client else None, user.email)).decode(),
    )
    return raw_token


async def peek(db: Executor, purpose: Purpose, raw_token: str, now: datetime) -> tuple[UUID, LinkTo] | None:
    """Whose an open link is, and what it says, without using it; None when it opens nothing (any more)."""
    found = await one_time_tokens.peek(db, purpose, token_hash(raw_token), now)
    return (found.user_id, link_of(found.data)) if found else None


async def consume(tx: Executor, purpose: Purpose, raw_token: str, now: datetime) -> bool:
    """Use a link; True for exactly one of any number of callers."""
    return await one_time_tokens.consume(tx, purpose, token_hash(raw_token), now) is not None


async def used(db: Executor, purpose: Purpose, raw_token: str) -> LinkTo | None:
    """What a link said that somebody used; None for every other."""
    found = await one_time_tokens.was_used(db, purpose, token_hash(raw_token))
    return link_of(found.data) if found else None


async def ends_at(db: Executor, purpose: Purpose, raw_token: str, now: datetime) -> datetime | None:
    """When an open link ends by itself; None when it opens nothing (any more)."""
    return await one_time_tokens.open_until(db, purpose, token_hash(raw_token), now)


def link_of(data: str) -> LinkTo:
    """What the data of a token says."""
    return msgspec.json.decode(data, type=LinkTo)
