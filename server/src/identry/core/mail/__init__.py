"""Mail that is never lost and never in the way.

A caller writes one row into `mail_outbox` inside its own transaction (`Outbox.enqueue`). Every replica runs a
`Sender`, which claims due rows, renders them and hands them to one transport; failures are retried for a day.

Owns: the table `mail_outbox`, the templates of contracts/platform-api.md §12. Never: decides who gets mail.

Delivery is *at least once*: a process that dies between the send and the mark leaves its lease to run out, and the
row is sent again with the same Message-ID, by which receiving systems recognise the copy.
"""

from identry.core.mail.events import EVENTS
from identry.core.mail.outbox import MailRow, Outbox, OutboxStats
from identry.core.mail.render import MailTemplateError, RenderedMail, Renderer
from identry.core.mail.sender import Sender, SenderStats
from identry.core.mail.transports import (
    DeliveryError,
    MailboxTransport,
    NullTransport,
    Transport,
    choose_transport,
)

__all__ = [
    "EVENTS",
    "DeliveryError",
    "MailRow",
    "MailTemplateError",
    "MailboxTransport",
    "NullTransport",
    "Outbox",
    "OutboxStats",
    "RenderedMail",
    "Renderer",
    "Sender",
    "SenderStats",
    "Transport",
    "choose_transport",
]
