"""Threats, counted in the audit log over a span of time; of each event the newest `LOOKED_AT` are looked at.

Through the indexes by event and by address of the migration `blocked_addresses`, which are without refreshes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from identry.core.db import Executor
from identry.core.limits import ACCOUNT_FAILURES
from identry.records.audit import SIGN_IN_FAILED, SIGNED_IN

MOST = 100_000
"""How far sign-ins are counted."""
LOOKED_AT = 5_000
MOST_OF_ADDRESS = 10_000
BURST = 10
"""Failures from one address within one hour of the clock that make a burst."""
LAST = UUID(int=2**128 - 1)
SHOWN = 20
"""Addresses that are shown."""

REUSED = ("auth.refresh.reuse_detected", "oauth.code.reuse_detected")
"""Something that is good once was used twice: one of two holders is a thief."""
KINDS = {
    **dict.fromkeys(SIGN_IN_FAILED, "failed_sign_in"),
    "auth.refresh.reuse_detected": "refresh_token_reuse",
    "oauth.code.reuse_detected": "code_reuse",
    "auth.passkey.counter_went_back": "passkey_copied",
    "auth.login.rate_limited": "limited",
    "internal_key.rejected": "machine_key_guess",
}
"""Event → kind of threat; `limited` is a lock-out or a flood, by the limit that was used up."""
LOCK_OUTS = (ACCOUNT_FAILURES.name,)
"""Limits of the pair of address and account."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of threat: how often, from how many addresses, against how many accounts."""

    name: str
    count: int
    addresses: int
    accounts: int
    last_seen: datetime | None


@dataclass(frozen=True, slots=True)
class Suspect:
    """An address that did more than fail now and then."""

    ip: str
    count: int
    kinds: list[str]
    accounts: int
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True, slots=True)
class Tally:
    """What came from one address in a span of time."""

    events: int
    succeeded: int
    failed: int
    accounts: int
    lock_outs: int
    reuse: int
    first_seen: datetime | None
    last_seen: datetime | None


# Events are compared together with ids, and rows are in the order of both: only the index by event has that. Told
# `event = …` and `ORDER BY id`, PostgreSQL walks through everything of a month by its key.
_RECENT = f"""
    WITH recent AS MATERIALIZED (
        SELECT CASE WHEN e.kind <> 'limited' THEN e.kind
                    WHEN l.details ->> 'limit' = ANY ($4) THEN 'lock_out' ELSE 'flood' END AS kind,
               l.ip, l.target_user_id AS account, l.occurred_at, date_trunc('hour', l.occurred_at) AS hour
        FROM unnest($1::text[], $2::text[]) AS e (event, kind)
        CROSS JOIN LATERAL (
            SELECT * FROM auth_audit_logs l
            WHERE l.event <> 'auth.refresh.rotated' AND l.id >= $3
              AND (l.event, l.id) BETWEEN (e.event, $3) AND (e.event, '{LAST}')
            ORDER BY l.event DESC, l.id DESC LIMIT {LOOKED_AT}
        ) AS l
    )
"""  # noqa: S608 - constant
_OVERVIEW = f"""
    {_RECENT}, bursts AS (
        SELECT ip, hour FROM recent WHERE kind = 'failed_sign_in' AND ip IS NOT NULL
        GROUP BY ip, hour HAVING count(*) >= {BURST}
    )
    SELECT kind, NULL, count(*), count(DISTINCT ip), count(DISTINCT account), NULL::text[], min(occurred_at),
           max(occurred_at)
    FROM recent GROUP BY kind
    UNION ALL
    SELECT 'failure_burst', NULL, (SELECT count(*) FROM bursts), count(DISTINCT ip), count(DISTINCT account), NULL,
           min(occurred_at), max(occurred_at)
    FROM recent JOIN bursts USING (ip, hour) WHERE kind = 'failed_sign_in'
    UNION ALL (
        SELECT NULL, ip, count(*), 1, count(DISTINCT account), array_agg(DISTINCT kind), min(occurred_at),
               max(occurred_at)
        FROM recent WHERE ip IS NOT NULL
        GROUP BY ip HAVING bool_or(kind <> 'failed_sign_in') OR count(*) >= {BURST}
        ORDER BY count(*) DESC, ip LIMIT {SHOWN}
    )
"""  # noqa: S608 - constant
_OF_ADDRESS = f"""
    WITH recent AS MATERIALIZED (
        SELECT l.* FROM auth_audit_logs l
        WHERE l.ip = $1 AND l.event <> 'auth.refresh.rotated' AND l.id >= $3
        ORDER BY l.id DESC LIMIT {MOST_OF_ADDRESS}
    )
    SELECT count(r.id), count(r.id) FILTER (WHERE r.event = $4), count(r.id) FILTER (WHERE r.event = ANY ($5)),
           count(DISTINCT COALESCE(r.target_user_id, r.actor_user_id)),
           count(r.id) FILTER (WHERE r.event = 'auth.login.rate_limited' AND r.details ->> 'limit' = ANY ($6)),
           count(r.id) FILTER (WHERE r.event = ANY ($7)), min(r.occurred_at), max(r.occurred_at)
    FROM (VALUES (1, $2::uuid), (2, $3::uuid)) AS span (number, since)
    LEFT JOIN recent r ON r.id >= span.since
    GROUP BY span.number ORDER BY span.number
"""  # noqa: S608 - constant


_COUNTED = f"""
    (SELECT count(*) FROM (
        SELECT 1 FROM unnest($n::text[]) AS e (event), LATERAL (
            SELECT 1 FROM auth_audit_logs l
            WHERE l.event = e.event AND l.event <> 'auth.refresh.rotated' AND l.id >= $3) AS f
        LIMIT {MOST}) AS counted)
"""  # noqa: S608 - constant


async def overview(db: Executor, since: UUID) -> tuple[list[Kind], list[Suspect]]:
    """Every kind that was seen, single failures among them as `failed_sign_in`; the addresses behind them, the busiest
    first.
    """
    kinds, suspects = [], []
    for kind, ip, count, ips, accounts, of, first, last in await db.fetch(
        _OVERVIEW, list(KINDS), list(KINDS.values()), since, list(LOCK_OUTS)
    ):
        if ip is not None:
            suspects.append(Suspect(ip, count, of, accounts, first, last))
        elif count:
            kinds.append(Kind(kind, count, ips, accounts, last))
    return kinds, suspects


async def sign_ins(db: Executor, since: UUID) -> tuple[int, int]:
    """How many succeeded, and how many failed; each at most `MOST`."""
    row = await db.fetchrow(
        f"SELECT {_COUNTED.replace('$n', '$1')}, {_COUNTED.replace('$n', '$2')}",
        [SIGNED_IN],
        list(SIGN_IN_FAILED),
        since,
    )
    assert row is not None
    return row[0], row[1]


async def of_address(db: Executor, ip: str, day: UUID, month: UUID) -> Sequence[Tally]:
    """What came from an address since two instants, the later one first; the newest `MOST_OF_ADDRESS` events count."""
    rows = await db.fetch(_OF_ADDRESS, ip, day, month, SIGNED_IN, list(SIGN_IN_FAILED), list(LOCK_OUTS), list(REUSED))
    return [Tally(*row) for row in rows]
