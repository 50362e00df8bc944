"""SMTP through aiosmtplib: one connection per message, TLS unless the operator says otherwise."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit

import aiosmtplib

from identry.core.mail.mime import Message
from identry.core.mail.transports import DeliveryError, Outcome

StartTLS = Literal["required", "auto", "never"]


@dataclass(frozen=True, slots=True)
class SMTPServer:
    """`SMTP_URL` taken apart. `implicit_tls` is `smtps://`; otherwise `starttls` says how TLS begins."""

    host: str
    port: int
    implicit_tls: bool
    starttls: StartTLS
    username: str | None
    password: str | None = field(repr=False)


def parse_smtp_url(url: str) -> SMTPServer:
    """Read `smtp://user:pass@host:587?starttls=required|auto|never` or `smtps://user:pass@host:465`.

    User and password are percent-encoded. Without `starttls`, TLS is required, except towards this machine itself
    (`auto`: used when offered). Ports default to 587 and 465.

    Raises:
        ValueError: says what is wrong, never showing the password.
    """
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError:
        raise ValueError("SMTP_URL: not a URL; expected smtp://user:password@host:587") from None
    if parts.scheme not in {"smtp", "smtps"} or not host:
        raise ValueError("SMTP_URL: expected smtp://host:587 or smtps://host:465")
    if parts.path not in {"", "/"} or parts.fragment:
        raise ValueError("SMTP_URL: nothing may follow the port but ?starttls=…; percent-encode / and # in a password")
    options = parse_qs(parts.query, keep_blank_values=True)
    if unknown := options.keys() - {"starttls"}:
        raise ValueError(f"SMTP_URL: unknown option {', '.join(sorted(unknown))}")
    implicit = parts.scheme == "smtps"
    wanted = options.get("starttls", ["never" if implicit else "auto" if _is_loopback(host) else "required"])[-1]
    if wanted not in {"required", "auto", "never"} or (implicit and "starttls" in options):
        raise ValueError("SMTP_URL: starttls is required, auto or never, and only for smtp://")
    if (parts.username is None) != (parts.password is None):
        raise ValueError("SMTP_URL: a user needs a password, and the reverse")
    return SMTPServer(
        host=host,
        port=port or (465 if implicit else 587),
        implicit_tls=implicit,
        starttls="required" if wanted == "required" else "auto" if wanted == "auto" else "never",
        username=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
    )


class SMTPTransport:
    """Sends through the server that `url` names (see `parse_smtp_url`); `timeout` in seconds is per command."""

    name = "smtp"

    def __init__(self, url: str, *, timeout: float = 15.0) -> None:
        self._server = parse_smtp_url(url)
        self._timeout = timeout
        uses_tls = self._server.implicit_tls or self._server.starttls != "never"
        self._tls = ssl.create_default_context() if uses_tls else None

    async def send(self, message: Message) -> Outcome:
        """Connect, hand over, quit.

        Raises:
            DeliveryError: permanent when the server refused this recipient or this message with a 5xx reply.
        """
        server = self._server
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.username,
            password=server.password,
            local_hostname=message.sender.rpartition("@")[2],  # otherwise getfqdn() asks the DNS on the event loop
            timeout=self._timeout,
            use_tls=server.implicit_tls,
            start_tls={"required": True, "auto": None, "never": False}[server.starttls],
            tls_context=self._tls,
        )
        try:
            await client.connect()
            await client.sendmail(
                message.sender,
                [message.recipient],
                message.mime,
                mail_options=["SMTPUTF8"] if message.international else [],
            )
        except (aiosmtplib.SMTPException, OSError, ssl.SSLError) as error:
            raise _failure(error) from None
        finally:
            await _leave(client)
        return Outcome.SENT

    async def close(self) -> None:
        """Nothing is kept open between messages."""


async def _leave(client: aiosmtplib.SMTP) -> None:
    # The message is accepted or refused by now: a server that answers QUIT badly changes nothing.
    try:
        if client.is_connected:
            await client.quit(timeout=2.0)
    except (aiosmtplib.SMTPException, OSError):
        pass
    finally:
        client.close()


def _failure(error: Exception) -> DeliveryError:
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        code = error.recipients[0].code if error.recipients else 0
        return DeliveryError(f"smtp_recipient_{code}", permanent=500 <= code < 600)
    if isinstance(error, (aiosmtplib.SMTPRecipientRefused, aiosmtplib.SMTPDataError)):
        kind = "data" if isinstance(error, aiosmtplib.SMTPDataError) else "recipient"
        return DeliveryError(f"smtp_{kind}_{error.code}", permanent=500 <= error.code < 600)
    if type(error) in {aiosmtplib.SMTPException, aiosmtplib.SMTPNotSupported}:  # no STARTTLS, AUTH or SMTPUTF8 there
        return DeliveryError("smtp_not_supported")
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return DeliveryError(f"smtp_{type(error).__name__.removeprefix('SMTP').lower()}_{error.code}")
    if isinstance(error, TimeoutError):
        return DeliveryError("smtp_timeout")
    if isinstance(error, ssl.SSLError):
        return DeliveryError("smtp_tls")
    return DeliveryError(f"smtp_{type(error).__name__.removeprefix('SMTP').lower()}")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
