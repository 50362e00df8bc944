"""Time-based one-time passwords (RFC 6238): SHA-1, six digits, thirty seconds, one step of drift either way.

Source: contracts/browser-api.md §8. Which step a code belongs to matters as much as whether it is right: the caller
stores the step, so that no code is accepted twice.
"""

from __future__ import annotations

import base64
import hmac
import re
from datetime import datetime

import pyotp

from identry.core.secrets import equal, random_bytes

STEP = 30
"""Seconds for which a code is shown."""
_DRIFT = 1
_SECRET_BYTES = 20
_CODE = re.compile(r"[0-9]{6}")


def new_secret() -> str:
    """20 random bytes in base32 without padding."""
    return base64.b32encode(random_bytes(_SECRET_BYTES)).decode().rstrip("=")


def provisioning_uri(secret: str, *, issuer: str, email: str) -> str:
    """What the QR code of an enrolment says (`otpauth://totp/…`)."""
    label = pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=issuer)
    return f"{label}&algorithm=SHA1&digits=6&period={STEP}"


def is_code(text: str) -> bool:
    """Whether a text without spaces and dashes has the shape of a code."""
    return _CODE.fullmatch(text) is not None


def step_at(moment: datetime) -> int:
    """The number of the step that an instant belongs to."""
    return int(moment.timestamp()) // STEP


def matching_step(secret: str, code: str, now: datetime, *, after: int = 0) -> int | None:
    """The step near `now`, later than `after`, that `code` belongs to, or None.

    Every candidate is compared, in constant time each, whichever matches.
    """
    key = base64.b32decode(secret + "=" * (-len(secret) % 8), casefold=True)
    current = step_at(now)
    matches = [step for step in range(current - _DRIFT, current + _DRIFT + 1) if equal(_code(key, max(step, 0)), code)]
    return next((step for step in matches if step > after), None)


def _code(key: bytes, step: int) -> str:
    """RFC 4226 §5.3; pyotp decodes the secret anew for each step, which costs four times as much."""
    digest = hmac.digest(key, step.to_bytes(8), "sha1")
    offset = digest[-1] & 0xF
    return f"{(int.from_bytes(digest[offset : offset + 4]) & 0x7FFFFFFF) % 10**6:06d}"
