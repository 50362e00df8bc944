"""A replica that a test may kill: sends what is due over SMTP. Arguments: database URL, SMTP URL."""

import asyncio
import sys

from identry.core.clock import SystemClock
from identry.core.db import Database
from identry.core.mail import Outbox, Renderer, Sender
from identry.core.mail.smtp import SMTPTransport
from identry.core.secrets import Sealer


async def main() -> None:
    clock = SystemClock()
    sender = Sender(
        await Database.connect(sys.argv[1], min_size=1, max_size=2, patience=30),
        SMTPTransport(sys.argv[2], timeout=100),
        outbox=Outbox(Sealer(b"k" * 32, "test"), clock),
        renderer=Renderer(frontend_url="https://app.example.com", app_name="Kisum Auth"),
        clock=clock,
        email_from="no-reply@example.com",
        app_name="Kisum Auth",
        timeout=100,
        lease=170,
    )
    await sender.send_due()


asyncio.run(main())
