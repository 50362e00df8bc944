"""Recovery codes: ten codes of 50 random bits, each good for one sign-in when the authenticator app is lost.

Source: contracts/browser-api.md §8. 50 bits are too few for a plain hash (ASVS 6.5.2), so a code is stored like a
password. A selector (one byte, keyed) finds the one stored hash that a code could belong to: a try costs one hash, not
ten, and without the key it tells nothing.
"""

from __future__ import annotations

import hmac
import re
from uuid import UUID

from identry.core.secrets import RootSecret, random_below

COUNT = 10
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford: no I, L, O, U
_LENGTH = 10
_READ_AS = str.maketrans("ILO", "110")
_SHAPE = re.compile(rf"[{_ALPHABET}]{{{_LENGTH}}}")


def canonical(text: str) -> str | None:
    """A code as typed (without spaces and dashes) in the form that is hashed, or None when it cannot be one."""
    code = text.upper().translate(_READ_AS)
    return code if _SHAPE.fullmatch(code) else None


def shown(code: str) -> str:
    """A canonical code as people see it: `XXXXX-XXXXX`."""
    return f"{code[: _LENGTH // 2]}-{code[_LENGTH // 2 :]}"


class RecoveryCodes:
    """Makes codes and finds their selectors."""

    def __init__(self, root: RootSecret) -> None:
        self._key = root.derive("recovery-code-selector")

    def new(self, user_id: UUID) -> dict[int, str]:
        """Ten canonical codes by their selectors, which all differ."""
        codes: dict[int, str] = {}
        while len(codes) < COUNT:
            code = "".join(_ALPHABET[random_below(len(_ALPHABET))] for _ in range(_LENGTH))
            codes.setdefault(self.selector(user_id, code), code)
        return codes

    def selector(self, user_id: UUID, code: str) -> int:
        """Which of a user's stored hashes a canonical code could belong to: 0 to 255."""
        return hmac.digest(self._key, user_id.bytes + code.encode(), "sha256")[0]
