"""ID tokens of ours that come back: whom a request is about, whose sign-on ends (OpenID Connect Core §3.1.2.1).

An expired one counts (RP-Initiated Logout 1.0 §2), so its times are held against its own `iat`; signature, issuer, type
and audience are checked as strictly as ever.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from uuid import UUID

import msgspec

from identry.core import jose
from identry.tokens import session_of_jti
from identry_kit.jwtauth import ANY_AUDIENCE, InvalidToken, Keys, Verifier

_MAX = 16_384


@dataclass(frozen=True, slots=True)
class Hint:
    """What a genuine ID token says.

    Attributes:
        number: whose it is (`sub`).
        client_id: for which client it was made.
        session_id: the grant that it came with.
    """

    number: int
    client_id: str
    session_id: UUID


class _Issued(msgspec.Struct):
    iat: int


class IdTokenHints:
    """Reads ID tokens of ours.

    Args:
        keys: that verify them.
        issuer: `OAUTH_ISSUER`.
    """

    def __init__(self, keys: Keys, *, issuer: str) -> None:
        self._keys = keys
        self._issuer = issuer

    async def read(self, token: str) -> Hint | None:
        """What a token says; None: it is none of ours.

        Raises:
            ServiceUnavailable: the keys cannot be had.
        """
        issued = _issued(token)
        if issued is None:
            return None
        verifier = Verifier(
            self._keys,
            issuer=self._issuer,
            audience=ANY_AUDIENCE,
            algorithms=jose.ALGORITHMS,
            token_type="id_token",  # noqa: S106 - a kind of token, not a secret
            leeway=0,
            required=("sub", "aud", "jti", "type", "iat", "exp"),
            cache_size=0,
            clock=lambda: issued,
        )
        try:
            claims = await verifier.verify(token)
        except InvalidToken:
            return None
        session_id = session_of_jti(claims.get("jti"))
        if session_id is None or len(claims.aud) != 1 or not re.fullmatch("[0-9]{1,18}", claims.sub):
            return None
        return Hint(int(claims.sub), claims.aud[0], session_id)


def _issued(token: str) -> float | None:
    """The `iat` that a token claims; nothing is believed of it before its signature is."""
    parts = token.split(".")
    if len(token) > _MAX or len(parts) != 3 or not token.isascii():
        return None
    try:
        payload = base64.b64decode(parts[1] + "=" * (-len(parts[1]) % 4), altchars=b"-_", validate=True)
        return float(msgspec.json.decode(payload, type=_Issued).iat)
    except (binascii.Error, ValueError, msgspec.DecodeError, RecursionError, OverflowError):
        return None
