"""The outbox: every statement on `mail_outbox`, and the sealing of what the mails say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from identry.core.clock import Clock
from identry.core.db import Executor, affected
from identry.core.ids import uuid7, uuid7_at
from identry.core.mail.events import EVENTS
from identry.core.secrets import Sealer

GIVE_UP_AFTER = timedelta(hours=24)
"""How long an unsent mail is retried, unless its link ends sooner."""


@dataclass(frozen=True, slots=True)
class MailRow:
    """One row as the sender and the development mailbox see it; the payload is still sealed."""

    id: UUID
    template: str
    recipient: str
    payload_encrypted: bytes | None
    attempts: int
    give_up_at: datetime
    sent_at: datetime | None
    failed_at: datetime | None
    last_error: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class OutboxStats:
    """Gauges over all replicas: mails waiting, and the age in seconds of the oldest of them (0 when none)."""

    queued: int
    oldest_seconds: float


class Outbox:
    """Writes mail into the caller's transaction and keeps the state of each row.

    `sealer` encrypts the context under a key derived for mail; the row's id, template and recipient are bound to it,
    so a payload moved to another row or address does not open.
    """

    def __init__(self, sealer: Sealer, clock: Clock) -> None:
        self._sealer = sealer
        self._clock = clock

    async def enqueue(self, tx: Executor, *, template: str, to: str, context: Mapping[str, str]) -> UUID:
        """Queue one mail in the transaction `tx`: it exists when, and only when, that commits. Returns its id.

        `context` holds the keys that `EVENTS[template]` names; a raw token in it is at rest only sealed.

        Raises:
            ValueError: unknown template or context keys (a mistake in the calling code).
        """
        if template not in EVENTS:
            raise ValueError(f"unknown mail template {template!r}")
        EVENTS[template].check(template, context)
        now = self._clock.now()
        give_up_at = now + GIVE_UP_AFTER
        if expires_at := context.get("expires_at"):
            give_up_at = min(give_up_at, datetime.fromisoformat(expires_at))
        mail_id = uuid7(self._clock)
        sealed = self._sealer.seal(msgspec.json.encode(dict(context)), _binding(mail_id, template, to))
        await tx.execute(
            "INSERT INTO mail_outbox"
            " (id, template, recipient, payload_encrypted, next_attempt_at, give_up_at, created_at)"
            " VALUES ($1, $2, $3, $4, $5, $6, $5)",
            mail_id,
            template,
            to,
            sealed,
            now,
            give_up_at,
        )
        return mail_id

    def open(self, row: MailRow) -> dict[str, str]:
        """The context of `row`.

        Raises:
            ValueError: the payload is erased, was moved from another row, or was sealed with another key.
        """
        if row.payload_encrypted is None:
            raise ValueError("payload erased")
        try:
            opened = self._sealer.open(row.payload_encrypted, _binding(row.id, row.template, row.recipient))
            return msgspec.json.decode(opened, type=dict[str, str])
        except (ValueError, msgspec.MsgspecError) as error:
            raise ValueError("payload unreadable") from error

    async def claim(self, db: Executor, *, limit: int, lease: timedelta) -> list[MailRow]:
        """Take up to `limit` due rows for the time of `lease`; no other sender gets them meanwhile.

        One statement, so nothing is held open while the mail travels. A lease that runs out (the process died)
        makes the row due again.
        """
        now = self._clock.now()
        rows = await db.fetch(
            "WITH due AS MATERIALIZED ("
            "  SELECT id FROM mail_outbox WHERE next_attempt_at <= $1"
            "  ORDER BY next_attempt_at LIMIT $3 FOR UPDATE SKIP LOCKED"
            ") UPDATE mail_outbox SET attempts = attempts + 1, next_attempt_at = $2"
            " WHERE id IN (SELECT id FROM due) RETURNING id, template, recipient, payload_encrypted, attempts,"
            " give_up_at, sent_at, failed_at, last_error, created_at",
            now,
            now + lease,
            limit,
        )
        return [_row(row) for row in rows]

    async def mark_sent(self, db: Executor, row: MailRow, *, keep_payload: bool = False) -> bool:
        """Finish a claimed row; its payload is erased unless the development mailbox still shows it.

        Returns False when the lease had run out and another sender owns the row now.
        """
        return _changed(
            await db.execute(
                "UPDATE mail_outbox SET sent_at = $3, next_attempt_at = NULL, last_error = NULL,"
                " payload_encrypted = CASE WHEN $4 THEN payload_encrypted END"
                " WHERE id = $1 AND attempts = $2 AND next_attempt_at IS NOT NULL",
                row.id,
                row.attempts,
                self._clock.now(),
                keep_payload,
            )
        )

    async def mark_retry(self, db: Executor, row: MailRow, *, at: datetime, error: str) -> bool:
        """Let a claimed row be tried again at `at`; `error` is a class such as `smtp_450`. False: lease lost."""
        return _changed(
            await db.execute(
                "UPDATE mail_outbox SET next_attempt_at = $3, last_error = $4"
                " WHERE id = $1 AND attempts = $2 AND next_attempt_at IS NOT NULL",
                row.id,
                row.attempts,
                at,
                error,
            )
        )

    async def mark_failed(self, db: Executor, row: MailRow, *, error: str) -> bool:
        """Give up on a claimed row and erase its payload. False: lease lost."""
        return _changed(
            await db.execute(
                "UPDATE mail_outbox SET failed_at = $3, next_attempt_at = NULL, payload_encrypted = NULL,"
                " last_error = $4 WHERE id = $1 AND attempts = $2 AND next_attempt_at IS NOT NULL",
                row.id,
                row.attempts,
                self._clock.now(),
                error,
            )
        )

    async def mark_skipped(self, db: Executor, row: MailRow) -> bool:
        """Finish a claimed row that nobody sends because mail is off, and erase its payload. False: lease lost."""
        return _changed(
            await db.execute(
                "UPDATE mail_outbox SET next_attempt_at = NULL, payload_encrypted = NULL, last_error = 'skipped'"
                " WHERE id = $1 AND attempts = $2 AND next_attempt_at IS NOT NULL",
                row.id,
                row.attempts,
            )
        )

    async def stats(self, db: Executor) -> OutboxStats:
        """The gauges; reads only what waits."""
        row = await db.fetchrow(
            "SELECT count(*) AS queued, min(created_at) AS oldest FROM mail_outbox WHERE next_attempt_at IS NOT NULL"
        )
        assert row is not None
        age = (self._clock.now() - row["oldest"]).total_seconds() if row["oldest"] else 0.0
        return OutboxStats(queued=row["queued"], oldest_seconds=max(age, 0.0))

    async def newest(self, db: Executor, *, limit: int, to: str | None = None) -> list[MailRow]:
        """The newest rows first, whatever their state, all or those to one address (development mailbox)."""
        rows = await db.fetch(
            "SELECT id, template, recipient, payload_encrypted, attempts, give_up_at, sent_at, failed_at, last_error,"
            " created_at FROM mail_outbox WHERE $2::text IS NULL OR recipient = $2 ORDER BY id DESC LIMIT $1",
            limit,
            to,
        )
        return [_row(row) for row in rows]

    async def find(self, db: Executor, mail_id: UUID) -> MailRow | None:
        """One row by its id (development mailbox)."""
        row = await db.fetchrow(
            "SELECT id, template, recipient, payload_encrypted, attempts, give_up_at, sent_at, failed_at, last_error,"
            " created_at FROM mail_outbox WHERE id = $1",
            mail_id,
        )
        return None if row is None else _row(row)

    async def prune(self, db: Executor, *, older_than: timedelta, limit: int = 1000) -> int:
        """Delete up to `limit` finished rows older than `older_than`; returns how many."""
        boundary = uuid7_at(int((self._clock.now() - older_than).timestamp() * 1000))
        status = await db.execute(
            "DELETE FROM mail_outbox WHERE id IN ("
            " SELECT id FROM mail_outbox WHERE id < $1 AND next_attempt_at IS NULL ORDER BY id LIMIT $2)",
            boundary,
            limit,
        )
        return affected(status)


def _binding(mail_id: UUID, template: str, to: str) -> bytes:
    return b"\0".join((b"mail_outbox", mail_id.bytes, template.encode(), to.encode()))


def _changed(status: str) -> bool:
    return affected(status) == 1


def _row(record: Any) -> MailRow:
    return MailRow(**dict(record))


def instant(value: datetime) -> str:
    """The RFC 3339 text of an instant, as a mail's context carries it."""
    return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
