"""Devices that know a password: who signed in from one before is not locked out by a neighbour who guesses.

A device is given a token for one address; wrong passwords that come with it are counted for it, not for the client
address. So a stolen token is worth the few guesses that any client address has anyway, and nothing is stored
(contracts/provider-api.md §13; OWASP, "Slow Down Online Guessing Attacks with Device Cookies").
"""

from __future__ import annotations

import base64
import hmac
import re
from datetime import timedelta

from identry.core.clock import Clock
from identry.core.secrets import equal, random_bytes

KNOWN_FOR = timedelta(days=180)
SECONDS_KNOWN = int(KNOWN_FOR.total_seconds())
_NAME, _UNTIL = 16, 6
_TOKEN = re.compile(r"[A-Za-z0-9_-]{72}")  # a multiple of three bytes: base64url in its one spelling, unpadded


class KnownDevices:
    """Makes and reads the tokens of devices.

    Args:
        key: of the tokens.
    """

    def __init__(self, key: bytes, clock: Clock) -> None:
        self._key = key
        self._clock = clock

    def token(self, email: str) -> str:
        """A new token for a device from which somebody signed in with this address."""
        until = int((self._clock.now() + KNOWN_FOR).timestamp())
        told = random_bytes(_NAME) + until.to_bytes(_UNTIL, "big")
        return base64.urlsafe_b64encode(told + self._tag(told, email)).decode()

    def name(self, token: str | None, email: str) -> str | None:
        """The device of a token; None: it is none, is too old, or is for another address."""
        if not token or not _TOKEN.fullmatch(token):
            return None
        raw = base64.urlsafe_b64decode(token)
        told, tag = raw[: _NAME + _UNTIL], raw[_NAME + _UNTIL :]
        if not equal(self._tag(told, email), tag):
            return None
        late = int.from_bytes(told[_NAME:], "big") <= self._clock.timestamp()
        return None if late else told[:_NAME].hex()

    def _tag(self, told: bytes, email: str) -> bytes:
        return hmac.digest(self._key, told + email.encode("utf-8", "surrogatepass"), "sha256")
