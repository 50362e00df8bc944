"""A rendered mail as bytes on the wire (RFC 5322, 2045, 2047, 3834)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from email import policy
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from uuid import UUID

from identry.core.mail.render import RenderedMail, one_line


class BadAddressError(ValueError):
    """An address that cannot stand in a mail header."""


@dataclass(frozen=True, slots=True)
class Message:
    """What a transport carries: the envelope and the finished bytes (7-bit clean, CRLF line ends).

    `international` says that an address needs SMTPUTF8 (RFC 6531); the headers are then UTF-8.
    """

    id: UUID
    sender: str
    recipient: str
    mime: bytes
    international: bool


def origin_of(email_from: str, app_name: str) -> Address:
    """The sender that `EMAIL_FROM` names: an address or `Name <address>`; a bare address is shown with `app_name`.

    Raises:
        BadAddressError: it is no address, or carries a line break.
    """
    name, address = parseaddr(email_from)
    if one_line(email_from) != email_from.strip():
        raise BadAddressError("EMAIL_FROM holds a line break or another control character")
    try:
        return _address(address, name or app_name)
    except BadAddressError:
        raise BadAddressError("EMAIL_FROM is not a mail address; expected a@b.example or Name <a@b.example>") from None


def compose(mail: RenderedMail, *, mail_id: UUID, origin: Address, to: str, date: datetime) -> Message:
    """Build the message: multipart/alternative, text first, quoted-printable or base64.

    The Message-ID depends on `mail_id` and the sender's domain only, so a repeated delivery is recognisable.

    Raises:
        BadAddressError: `to` is no address, or carries a line break.
    """
    target = _address(to, "")
    international = not (origin.addr_spec.isascii() and target.addr_spec.isascii())
    message = EmailMessage(policy=policy.SMTP.clone(cte_type="7bit", utf8=international))
    message["From"] = origin
    message["To"] = target
    message["Subject"] = one_line(mail.subject)
    message["Date"] = format_datetime(date)
    message["Message-ID"] = f"<{mail_id}@{origin.domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message.set_content(mail.text)
    message.add_alternative(mail.html, subtype="html")
    return Message(
        id=mail_id,
        sender=origin.addr_spec,
        recipient=target.addr_spec,
        mime=message.as_bytes(),
        international=international,
    )


def _address(address: str, display_name: str) -> Address:
    local, at, domain = address.rpartition("@")
    if not at or not local or not domain or one_line(address) != address or any(c in address for c in ' ,;:<>()[]"\\'):
        raise BadAddressError("not a plain mail address")
    try:
        domain = domain.encode("idna").decode() if not domain.isascii() else domain
        return Address(one_line(display_name), local, domain)
    except (HeaderParseError, ValueError, IndexError) as error:
        raise BadAddressError("not a plain mail address") from error
