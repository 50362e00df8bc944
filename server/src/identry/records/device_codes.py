"""Device codes: a device waits while its person agrees elsewhere (RFC 8628): `device_codes`.

Invariants: both codes are stored as SHA-256 only; each step (pending → approved or denied → used) is one conditional
write whose row count decides; a code counts for its client alone, and not after its expiry.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID

from identry.core.db import Executor, affected
from identry.core.pruning import prune_expired


@dataclass(frozen=True, slots=True)
class DeviceCode:
    """A row of `device_codes`; the field order is that of `COLUMNS`.

    Attributes:
        state: `pending`, `approved`, `denied` or `used`.
        user_id, browser_session_id, auth_time, amr, token_version: of whoever approved.
        poll_seconds: how long the device has to wait between two questions.
    """

    device_code_hash: bytes
    client_id: UUID
    scopes: list[str]
    audiences: list[str] | None
    state: str
    user_id: UUID | None
    browser_session_id: UUID | None
    auth_time: datetime | None
    amr: list[str] | None
    token_version: int | None
    poll_seconds: int
    expires_at: datetime


COLUMNS = ", ".join(f.name for f in fields(DeviceCode))


async def insert(
    tx: Executor,
    device_code_hash: bytes,
    user_code_hash: bytes,
    client_row_id: UUID,
    scopes: list[str],
    audiences: list[str] | None,
    *,
    poll_seconds: int,
    now: datetime,
    expires_at: datetime,
) -> bool:
    """Store new codes; False when the user code is taken."""
    tag = await tx.execute(
        """
        INSERT INTO device_codes (device_code_hash, user_code_hash, client_id, scopes, audiences, poll_after,
                                  poll_seconds, created_at, expires_at)
        VALUES ($1, $2, $3, $4, $5, $7, $6, $7, $8) ON CONFLICT DO NOTHING
        """,
        device_code_hash,
        user_code_hash,
        client_row_id,
        scopes,
        audiences,
        poll_seconds,
        now,
        expires_at,
    )
    return affected(tag) == 1


async def find_pending(db: Executor, user_code_hash: bytes, now: datetime) -> DeviceCode | None:
    """What waits under a user code, or None."""
    row = await db.fetchrow(
        f"SELECT {COLUMNS} FROM device_codes WHERE user_code_hash = $1 AND state = 'pending' AND expires_at > $2",  # noqa: S608 - constant
        user_code_hash,
        now,
    )
    return DeviceCode(*row) if row else None


async def approve(
    tx: Executor,
    user_code_hash: bytes,
    user_id: UUID,
    *,
    browser_session_id: UUID | None,
    auth_time: datetime,
    amr: list[str],
    token_version: int,
    now: datetime,
) -> bool:
    """Note who agreed; False when nothing waits under this code any more."""
    tag = await tx.execute(
        """
        UPDATE device_codes SET state = 'approved', user_id = $2, browser_session_id = $3, auth_time = $4, amr = $5,
                                token_version = $6
        WHERE user_code_hash = $1 AND state = 'pending' AND expires_at > $7
        """,
        user_code_hash,
        user_id,
        browser_session_id,
        auth_time,
        amr,
        token_version,
        now,
    )
    return affected(tag) == 1


async def deny(tx: Executor, user_code_hash: bytes, now: datetime) -> bool:
    """Note that somebody said no; False when nothing waits under this code any more."""
    tag = await tx.execute(
        "UPDATE device_codes SET state = 'denied' WHERE user_code_hash = $1 AND state = 'pending' AND expires_at > $2",
        user_code_hash,
        now,
    )
    return affected(tag) == 1


async def void(tx: Executor, user_id: UUID, client_row_id: UUID) -> None:
    """What a user approved for a client, and it has not fetched yet, is denied from now on."""
    await tx.execute(
        "UPDATE device_codes SET state = 'denied' WHERE user_id = $1 AND client_id = $2 AND state = 'approved'",
        user_id,
        client_row_id,
    )


async def void_idle(tx: Executor, user_ids: Sequence[UUID], client_row_id: UUID) -> None:
    """The same of many users, but for a code that its device is fetching at this moment."""
    await tx.execute(
        """
        UPDATE device_codes SET state = 'denied'
        WHERE device_code_hash IN (
            SELECT device_code_hash FROM device_codes
            WHERE user_id = ANY ($1) AND client_id = $2 AND state = 'approved' FOR UPDATE SKIP LOCKED)
        """,
        user_ids,
        client_row_id,
    )


async def take(tx: Executor, device_code_hash: bytes, client_row_id: UUID, now: datetime) -> DeviceCode | None:
    """Use an approved code up; of any number of callers exactly one gets it, the others None."""
    row = await tx.fetchrow(
        f"""
        UPDATE device_codes SET state = 'used'
        WHERE device_code_hash = $1 AND client_id = $2 AND state = 'approved' AND expires_at > $3
        RETURNING {COLUMNS}
        """,  # noqa: S608 - constant column names
        device_code_hash,
        client_row_id,
        now,
    )
    return DeviceCode(*row) if row else None


async def ask(
    tx: Executor, device_code_hash: bytes, client_row_id: UUID, now: datetime
) -> tuple[DeviceCode, bool] | None:
    """The code of a device that asks, and whether it asked too early; None: this client has no such code.

    Whoever asks too early waits five seconds longer from then on (RFC 8628 §3.5).
    """
    row = await tx.fetchrow(
        f"""
        WITH asked AS (
            SELECT device_code_hash AS hash, poll_after > $3 AS early, poll_seconds AS before FROM device_codes
            WHERE device_code_hash = $1 AND client_id = $2 FOR UPDATE
        )
        UPDATE device_codes SET poll_seconds = before + CASE WHEN early THEN 5 ELSE 0 END,
            poll_after = $3 + make_interval(secs => before + CASE WHEN early THEN 5 ELSE 0 END)
        FROM asked WHERE device_code_hash = asked.hash
        RETURNING {COLUMNS}, early
        """,  # noqa: S608 - constant column names
        device_code_hash,
        client_row_id,
        now,
    )
    return (DeviceCode(*row[:-1]), row[-1]) if row else None


async def prune(db: Executor, before: datetime) -> int:
    """Delete codes that expired before an instant; returns how many."""
    return await prune_expired(db, "device_codes", "device_code_hash", before)
