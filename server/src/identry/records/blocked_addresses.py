"""Networks whose requests are refused: `blocked_addresses`; one row for each, taken back by deleting it.

What a process refuses is `core.address_gate`; these are the rows behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from uuid import UUID

from identry.core.address_gate import Entry, Network
from identry.core.db import Executor, affected

_SHOWN = """
    SELECT b.number, b.network, b.reason, u.number, u.email, b.blocked_at, b.expires_at
    FROM blocked_addresses b LEFT JOIN users u ON u.id = b.blocked_by
"""
_IN_FORCE = "(b.expires_at IS NULL OR b.expires_at > $1)"


@dataclass(frozen=True, slots=True)
class BlockedAddress:
    """A row, with whom it names.

    Attributes:
        number: its id.
        network: one address (a prefix of all its bits) or many.
        reason: in the words of whoever blocked it.
        by_number: the administrator; None: an operator's command, or the account is gone.
        expires_at: None: until it is taken back.
    """

    number: int
    network: IPv4Network | IPv6Network
    reason: str
    by_number: int | None
    by_email: str | None
    blocked_at: datetime
    expires_at: datetime | None


async def put(
    tx: Executor,
    row_id: UUID,
    network: Network,
    reason: str,
    by: UUID | None,
    now: datetime,
    expires_at: datetime | None,
) -> tuple[int, bool]:
    """Block a network, or put what is said now in place of what was said before.

    Returns:
        Its number, and whether it was not in force before.
    """
    row = await tx.fetchrow(
        """
        WITH before AS (SELECT 1 FROM blocked_addresses b WHERE b.network = $2
                        AND (b.expires_at IS NULL OR b.expires_at > $5))
        INSERT INTO blocked_addresses (id, network, reason, blocked_by, blocked_at, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (network) DO UPDATE
            SET reason = excluded.reason, blocked_by = excluded.blocked_by, blocked_at = excluded.blocked_at,
                expires_at = excluded.expires_at
        RETURNING number, NOT EXISTS (SELECT FROM before)
        """,
        row_id,
        network,
        reason,
        by,
        now,
        expires_at,
    )
    assert row is not None
    return row[0], row[1]


async def remove(tx: Executor, number: int) -> Network | None:
    """Take a row away; the network that it was about, None when there is no such row."""
    network: Network | None = await tx.fetchval(
        "DELETE FROM blocked_addresses WHERE number = $1 RETURNING network", number
    )
    return network


async def find(db: Executor, number: int) -> BlockedAddress | None:
    """One row."""
    row = await db.fetchrow(f"{_SHOWN} WHERE b.number = $1", number)
    return BlockedAddress(*row) if row else None


async def find_network(db: Executor, network: Network) -> BlockedAddress | None:
    """The row of exactly this network."""
    row = await db.fetchrow(f"{_SHOWN} WHERE b.network = $1", network)
    return BlockedAddress(*row) if row else None


async def find_covering(db: Executor, address: IPv4Address | IPv6Address, now: datetime) -> BlockedAddress | None:
    """The narrowest block in force that an address is in."""
    row = await db.fetchrow(
        f"{_SHOWN} WHERE {_IN_FORCE} AND b.network >>= $2::inet ORDER BY masklen(b.network) DESC LIMIT 1", now, address
    )
    return BlockedAddress(*row) if row else None


async def in_force(db: Executor, now: datetime, limit: int) -> Sequence[BlockedAddress]:
    """What is blocked, the newest first."""
    rows = await db.fetch(f"{_SHOWN} WHERE {_IN_FORCE} ORDER BY b.blocked_at DESC, b.number DESC LIMIT $2", now, limit)
    return [BlockedAddress(*row) for row in rows]


async def count(db: Executor, now: datetime) -> int:
    """How many are blocked."""
    found: int = await db.fetchval(f"SELECT count(*) FROM blocked_addresses b WHERE {_IN_FORCE}", now)  # noqa: S608 - constant
    return found


async def entries(db: Executor, now: datetime) -> list[Entry]:
    """What a process has to refuse from now on."""
    rows = await db.fetch(f"SELECT b.network, b.expires_at FROM blocked_addresses b WHERE {_IN_FORCE}", now)  # noqa: S608 - constant
    return [(row[0], row[1]) for row in rows]


async def prune(db: Executor, before: datetime) -> int:
    """Delete rows that ended before an instant; returns how many."""
    return affected(await db.execute("DELETE FROM blocked_addresses WHERE expires_at < $1", before))
