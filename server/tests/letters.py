"""The mail that the application under test queued, opened."""

from __future__ import annotations

from dataclasses import dataclass

from harness import Harness

from identry.core.mail import MailRow


@dataclass(frozen=True, slots=True)
class Letter:
    """One queued mail and what it says."""

    template: str
    to: str
    context: dict[str, str]


async def letters(app: Harness, to: str, template: str | None = None) -> list[Letter]:
    """Mail queued for an address, newest first; what a test has let grow too old to be sent is not there any more."""
    rows = await app.db.fetch(
        """
        SELECT id, template, recipient, payload_encrypted, attempts, give_up_at, sent_at, failed_at,
               last_error, created_at
        FROM mail_outbox
        WHERE recipient = $1 AND ($2::text IS NULL OR template = $2) AND payload_encrypted IS NOT NULL
        ORDER BY created_at DESC, id DESC
        """,
        to,
        template,
    )
    outbox = app.app.engines.outbox
    return [Letter(row["template"], row["recipient"], outbox.open(MailRow(**dict(row)))) for row in rows]
