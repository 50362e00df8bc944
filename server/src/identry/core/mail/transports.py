"""Where mail leaves the house: the seam, the two transports that send nothing, and the choice between all four."""

from __future__ import annotations

import enum
from typing import Protocol

from identry.core.mail.mime import Message


class Outcome(enum.Enum):
    """What became of a message that raised no error."""

    SENT = "sent"
    KEPT = "kept"  # readable in the development mailbox
    SKIPPED = "skipped"  # mail is off


class DeliveryError(Exception):
    """A message that did not leave. `reason` is a short class without content; `permanent` forbids a retry.

    Only what the *recipient* or the message causes is permanent. Whatever an operator can repair (credentials,
    an unverified sender, a paused account) is retried, so that a wrong setting loses no mail.
    """

    def __init__(self, reason: str, *, permanent: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.permanent = permanent


class Transport(Protocol):
    """Carries one message at a time; called concurrently. `name` is for the log and the metrics."""

    name: str

    async def send(self, message: Message) -> Outcome:
        """Deliver to the next hop.

        Raises:
            DeliveryError: it did not take the message.
        """

    async def close(self) -> None:
        """Release what the transport holds."""


class MailboxTransport:
    """Development: mail stays readable in the outbox and is shown at `/dev/mail`."""

    name = "mailbox"

    async def send(self, message: Message) -> Outcome:  # noqa: ARG002 - the outbox row already holds it
        """Nothing leaves."""
        return Outcome.KEPT

    async def close(self) -> None:
        """Nothing to release."""


class NullTransport:
    """Mail is off: every message is dropped, the API answers as ever."""

    name = "off"

    async def send(self, message: Message) -> Outcome:  # noqa: ARG002 - dropped
        """Nothing leaves."""
        return Outcome.SKIPPED

    async def close(self) -> None:
        """Nothing to release."""


def choose_transport(
    *,
    email_enabled: bool,
    email_from: str,
    ses_region: str,
    ses_access_key_id: str,
    ses_secret_access_key: str,
    smtp_url: str,
    development: bool,
    ses_endpoint_url: str | None = None,
) -> tuple[Transport, str | None]:
    """The transport that the variables of contracts/platform-api.md §11 describe, and at most one start-up notice.

    All four SES variables → SES; else `SMTP_URL` with `EMAIL_FROM` → SMTP; else the development mailbox; else mail is
    skipped. `ses_endpoint_url` points tests at a local server.

    Raises:
        ValueError: `SMTP_URL` cannot be read (the text never shows its password).
    """
    if not email_enabled:
        return NullTransport(), "mail is off (EMAIL_ENABLED=false): no message is sent"
    ses = {
        "SES_AWS_REGION": ses_region,
        "SES_AWS_ACCESS_KEY_ID": ses_access_key_id,
        "SES_AWS_SECRET_ACCESS_KEY": ses_secret_access_key,
    }
    missing = [name for name, value in {**ses, "EMAIL_FROM": email_from}.items() if not value]
    if not missing:
        from identry.core.mail.ses import SESTransport  # boto3 costs 0.3 s and 20 MB: only where it is used

        transport = SESTransport(
            region=ses_region,
            access_key_id=ses_access_key_id,
            secret_access_key=ses_secret_access_key,
            endpoint_url=ses_endpoint_url,
        )
        return transport, "SMTP_URL is ignored: the SES variables are complete" if smtp_url else None
    if smtp_url and email_from:
        from identry.core.mail.smtp import SMTPTransport

        return SMTPTransport(smtp_url), None
    instead: Transport = MailboxTransport() if development else NullTransport()
    where = "kept in the development mailbox" if development else "skipped"
    if smtp_url:
        return instead, f"mail is {where}: SMTP_URL also needs EMAIL_FROM"
    if development and len(missing) == 4:
        return instead, None
    return instead, f"mail is {where}: set {', '.join(missing)} for SES, or SMTP_URL and EMAIL_FROM for SMTP"
