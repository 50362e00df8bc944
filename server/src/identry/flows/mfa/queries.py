"""The second step in few statements: what a ticket continues, one try spent, ticket and try settled.

Each writes to several tables because one sign-in concerns them together; the rules are those of the records that own
the tables (`one_time_tokens`, `totp_factors`, `auth_audit_logs`), and each conditional write tells whether it happened.
Locks are taken factor first, then ticket.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from identry.core.db import Executor
from identry.records import audit as audit_log
from identry.records import factors, users
from identry.records.factors import TotpFactor
from identry.records.one_time_tokens import Purpose
from identry.records.users import User

_USER = ", ".join(f"u.{name}" for name in users.COLUMNS.split(", "))
_FACTOR = ", ".join(f"f.{field.name}" for field in fields(TotpFactor))
_OPEN = "token_hash = $1 AND purpose = $2 AND consumed_at IS NULL AND expires_at > $3"

_WAITING = f"""
    SELECT o.data, {_FACTOR}, {_USER}
    FROM (SELECT user_id, data FROM one_time_tokens WHERE {_OPEN} AND attempts_left > 0) o
    JOIN users u ON u.id = o.user_id LEFT JOIN totp_factors f ON f.user_id = o.user_id
"""  # noqa: S608 - constant column names

_SPEND = f"""
    WITH admitted AS (
        {factors.RESERVE_FAILURE.format(user="$4", now="$3", window="$5", most="$6")} RETURNING user_id
    ), spent AS (
        UPDATE one_time_tokens SET attempts_left = attempts_left - 1 FROM admitted
        WHERE {_OPEN} AND attempts_left > 0 AND one_time_tokens.user_id = admitted.user_id
        RETURNING admitted.user_id
    ), told AS (
        SELECT EXISTS (SELECT FROM admitted) AS admitted, EXISTS (SELECT FROM spent) AS spent
    ), logged AS (
        {audit_log.INSERT}
        SELECT $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
               CASE WHEN told.admitted THEN $19::jsonb ELSE $20::jsonb END
        FROM told WHERE NOT told.spent
    )
    SELECT admitted, spent FROM told
"""  # noqa: S608 - constant column names

_SETTLE = f"""
    WITH consumed AS (
        UPDATE one_time_tokens SET consumed_at = $3 WHERE {_OPEN} RETURNING user_id
    ), refunded AS (
        {factors.REFUND_FAILURE} FROM consumed WHERE totp_factors.user_id = consumed.user_id
    ), logged AS (
        {audit_log.INSERT}
        SELECT $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16 FROM consumed
    )
    SELECT count(*) FROM consumed
"""  # noqa: S608 - constant column names

# The same together with the code of an authenticator app: its step is accepted once, by compare-and-swap.
_SETTLE_STEP = f"""
    WITH accepted AS (
        {factors.REFUND_FAILURE}, last_step = $17
        WHERE user_id = $18 AND confirmed_at IS NOT NULL AND last_step < $17 RETURNING user_id
    ), consumed AS (
        UPDATE one_time_tokens SET consumed_at = $3 FROM accepted
        WHERE {_OPEN} AND one_time_tokens.user_id = accepted.user_id RETURNING accepted.user_id
    ), logged AS (
        {audit_log.INSERT}
        SELECT $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16 FROM consumed
    )
    SELECT count(*) FROM consumed
"""  # noqa: S608 - constant column names


@dataclass(frozen=True, slots=True)
class Waiting:
    """What an open ticket continues.

    Attributes:
        data: what `signin` wrote into it, as JSON text.
        factor: None when the user has none.
    """

    data: str
    user: User
    factor: TotpFactor | None


async def waiting(db: Executor, ticket: Purpose, hashed: bytes, now: datetime) -> Waiting | None:
    """The sign-in that a ticket continues; None when it is unknown, used, void, expired, or out of tries."""
    row = await db.fetchrow(_WAITING, hashed, ticket, now)
    if row is None:
        return None
    data, *rest = row
    factor, user = rest[: len(fields(TotpFactor))], rest[len(fields(TotpFactor)) :]
    return Waiting(data, User(*user), TotpFactor(*factor) if factor[0] is not None else None)


async def spend_try(
    db: Executor, ticket: Purpose, hashed: bytes, user_id: UUID, now: datetime, refused: tuple[Any, ...], locked: str
) -> tuple[bool, bool]:
    """Count one try as wrong before the code is looked at: whether account and ticket had one left.

    `refused` is the audit row if the ticket had none, `locked` its details if the account had none.
    """
    row = await db.fetchrow(
        _SPEND, hashed, ticket, now, user_id, now - factors.FAILURE_WINDOW, factors.FAILURES, *refused, locked
    )
    assert row is not None
    return row["admitted"], row["spent"]


async def settle(tx: Executor, ticket: Purpose, hashed: bytes, now: datetime, event: tuple[Any, ...]) -> bool:
    """Use the ticket up, give the account its try back, log `event`; False, and nothing is done, when it was used."""
    return bool(await tx.fetchval(_SETTLE, hashed, ticket, now, *event))


async def settle_step(
    db: Executor, ticket: Purpose, hashed: bytes, now: datetime, event: tuple[Any, ...], user_id: UUID, step: int
) -> bool:
    """`settle` and the acceptance of a code of `step`, in one statement; False when code or ticket was used before.

    The code is used up first: a right code that comes with a used ticket is worth nothing any more.
    """
    return bool(await db.fetchval(_SETTLE_STEP, hashed, ticket, now, *event, step, user_id))
