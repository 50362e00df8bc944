"""The captured mail: outbox rows, opened and rendered."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from identry.core.db import Executor
from identry.core.mail import MailRow, MailTemplateError, Outbox, Renderer
from identry_kit.apierror import NotFound


class NoSuchMail(NotFound):
    """404: no captured mail has this id."""

    message = "no such mail"


class CapturedMail(msgspec.Struct, frozen=True):
    """One mail as its reader would see it.

    Attributes:
        id, created_at: of the outbox row.
        to, subject, text, html: what is sent; `template` names its event.
        links: the targets in the HTML part, in order.
    """

    id: UUID
    created_at: datetime
    to: str
    subject: str
    template: str
    text: str
    html: str
    links: list[str]


class Mailbox:
    """Reads mail that is kept because nothing sends it."""

    def __init__(self, db: Executor, outbox: Outbox, renderer: Renderer) -> None:
        self._db = db
        self._outbox = outbox
        self._renderer = renderer

    async def newest(self, limit: int = 200, *, to: str | None = None) -> list[CapturedMail]:
        """The captured mail, newest first, all or that to one address; rows whose content is erased are left out."""
        rows = await self._outbox.newest(self._db, limit=limit, to=to)
        return [self._show(row) for row in rows if row.payload_encrypted is not None]

    async def get(self, mail_id: UUID) -> CapturedMail:
        """One captured mail.

        Raises:
            NoSuchMail: unknown, or its content is erased.
        """
        row = await self._outbox.find(self._db, mail_id)
        if row is None or row.payload_encrypted is None:
            raise NoSuchMail
        return self._show(row)

    def _show(self, row: MailRow) -> CapturedMail:
        try:
            mail = self._renderer.render(
                row.template, to=row.recipient, context=self._outbox.open(row), created_at=row.created_at
            )
        except MailTemplateError as error:
            # An overridden template is being written: its error belongs where its author is looking.
            return self._unreadable(row, f"The template does not render.\n\n{error}\n")
        except ValueError:
            return self._unreadable(row, "This mail was sealed with another key.\n")
        return CapturedMail(
            id=row.id,
            created_at=row.created_at,
            to=row.recipient,
            subject=mail.subject,
            template=row.template,
            text=mail.text,
            html=mail.html,
            links=list(mail.links),
        )

    def _unreadable(self, row: MailRow, why: str) -> CapturedMail:
        return CapturedMail(row.id, row.created_at, row.recipient, f"({row.template})", row.template, why, "", [])
