"""The second step in few statements: what a ticket continues, a right code used up, one try spent, ticket settled.

Each writes to several tables because one sign-in concerns them together; the rules are those of the records that own
the tables (`one_time_tokens`, `totp_factors`, `auth_audit_logs`), and each conditional write tells whether it happened.
Locks are taken in one order: user, factor, ticket.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from identry.core.db import Executor
from identry.opening import Used, Using, bytea
from identry.records import audit as audit_log
from identry.records import factors, seats, users
from identry.records.factors import TotpFactor
from identry.records.one_time_tokens import Purpose
from identry.records.seats import Place
from identry.records.users import User

_USER = ", ".join(f"u.{name}" for name in users.COLUMNS.split(", "))
_FACTOR = ", ".join(f"f.{field.name}" for field in fields(TotpFactor))
_OPEN = "token_hash = $1 AND purpose = $2 AND consumed_at IS NULL AND expires_at > $3"

# Of many tickets; in a sub-select PostgreSQL does not see how many: one plan does for all.
_WAITING = f"""
    SELECT o.token_hash, o.data, {seats.OF_U}, {_FACTOR}, {_USER}
    FROM unnest((SELECT $1::bytea[])) AS asked (ticket)
    JOIN one_time_tokens o ON o.token_hash = asked.ticket AND o.purpose = $2 AND o.consumed_at IS NULL
        AND o.expires_at > $3 AND o.attempts_left > 0
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

# The same with the code of an authenticator app, as a part of the statement that opens the session: its step is
# accepted once, by compare-and-swap, while account and ticket have a try left. A right code is not counted as a try.
_SINCE = f"a.at - interval '{factors.FAILURE_WINDOW.total_seconds():.0f} s'"
_USING_CODE = Using(
    fields="ticket bytea, purpose text, step bigint",
    tables="JOIN totp_factors f ON f.user_id = u.id JOIN one_time_tokens o ON o.token_hash = a.ticket",
    where=f"""
        f.confirmed_at IS NOT NULL AND f.last_step < a.step
        AND {factors.HAS_TRIES.format(window=_SINCE, most=factors.FAILURES)}
        AND o.user_id = u.id AND o.purpose = a.purpose AND o.consumed_at IS NULL AND o.expires_at > a.at
        AND o.attempts_left > 0
    """,
    held="f, o",
    writes="""
    accepted AS (
        UPDATE totp_factors f SET last_step = a.step FROM held a
        WHERE f.user_id = a.user_id AND f.last_step < a.step RETURNING a.id AS session_id
    ), consumed AS (
        UPDATE one_time_tokens o SET consumed_at = a.at FROM held a
        WHERE a.id IN (SELECT session_id FROM accepted) AND o.token_hash = a.ticket AND o.consumed_at IS NULL
        RETURNING a.id AS session_id
    ),""",
    last="consumed",
    event="auth.mfa.succeeded",
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """What an open ticket continues.

    Attributes:
        data: what `signin` wrote into it, as JSON text.
        factor: None when the user has none.
        places: of the user.
    """

    data: str
    user: User
    factor: TotpFactor | None
    places: list[Place]


async def waiting(db: Executor, ticket: Purpose, hashes: list[bytes], now: datetime) -> dict[bytes, Waiting]:
    """The sign-ins that tickets continue; none for one that is unknown, used, void, expired, or out of tries."""
    return {row[0]: _waiting(row) for row in await db.fetch(_WAITING, hashes, ticket, now)}


def _waiting(row: Any) -> Waiting:
    _, data, places, *rest = row
    factor, user = rest[: len(fields(TotpFactor))], rest[len(fields(TotpFactor)) :]
    return Waiting(
        data,
        User(*user),
        TotpFactor(*factor) if factor[0] is not None else None,
        [Place(*place) for place in places],
    )


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


def using_code(ticket: Purpose, hashed: bytes, step: int) -> Used:
    """A code of `step` and the ticket, to be used up by the statement that opens the session."""
    return Used(_USING_CODE, {"ticket": bytea(hashed), "purpose": ticket, "step": step}, {"factor": "totp"})
