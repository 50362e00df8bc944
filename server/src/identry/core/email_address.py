"""An e-mail address in the one spelling that is stored and compared."""

from __future__ import annotations

from email_validator import EmailNotValidError, validate_email

MAX_LENGTH = 254
"""RFC 5321 §4.5.3.1.3, as corrected by RFC 3696 erratum 1690."""


def normalised(text: str) -> str:
    """A valid address, trimmed and lower-case, ASCII (an international domain becomes its A-label).

    Only ASCII local parts are accepted, so no two spellings of one mailbox can fold into each other.

    Raises:
        ValueError: it is no such address.
    """
    try:
        valid = validate_email(text.strip(), check_deliverability=False, allow_smtputf8=False)
    except EmailNotValidError as error:
        raise ValueError(f"is not a valid e-mail address: {error}") from error
    return (valid.ascii_email or valid.normalized).lower()
