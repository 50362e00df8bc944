"""HS256 with one secret, for a deployment whose tokens nobody but itself verifies (`BROWSER_TOKEN_ALG=HS256`).

Apart from the verifier of public keys on purpose: where both live in one verifier, a public key can be taken for a
secret (SECURITY §2 row 1). Reading and claims are checked by the same strict code.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Collection, Mapping
from typing import Any

import msgspec

from identry.core.base64url import segment
from identry_kit.jwtauth import Claims, InvalidToken
from identry_kit.jwtauth.claims import Policy, audience_set
from identry_kit.jwtauth.compact import MAX_TOKEN, decode_segment, read_header, read_object, split

_ALG = "HS256"
_KID = "shared"
_MIN_BYTES = 32


class SharedSecret:
    """The secret: signs claims, and says whether a signature is its own.

    Raises:
        ValueError: shorter than RFC 7518 §3.2 asks for.
    """

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        if len(secret) < _MIN_BYTES:
            raise ValueError(f"a shared secret has at least {_MIN_BYTES} bytes")
        self._secret = secret

    def __repr__(self) -> str:
        return "SharedSecret(…)"

    @property
    def alg(self) -> str:
        """Its algorithm (RFC 7518 §3.2)."""
        return _ALG

    def sign(self, claims: Mapping[str, Any], typ: str = "JWT") -> str:
        """The claims as a compact JWS (RFC 7515 §7.1)."""
        header = segment(msgspec.json.encode({"alg": _ALG, "kid": _KID, "typ": typ}))
        signing_input = header + b"." + segment(msgspec.json.encode(claims))
        return (signing_input + b"." + segment(self._tag(signing_input))).decode("ascii")

    def verify(self, signature: bytes, message: bytes) -> bool:
        """Whether `signature` over `message` was made with this secret; in constant time."""
        return hmac.compare_digest(signature, self._tag(message))

    def _tag(self, message: bytes) -> bytes:
        return hmac.digest(self._secret, message, "sha256")


class SharedSecretVerifier:
    """Verifies what the secret signed, for one issuer and audience; otherwise as `identry_kit.jwtauth.Verifier`."""

    def __init__(
        self,
        secret: SharedSecret,
        *,
        issuer: str,
        audience: str,
        leeway: float,
        required: Collection[str],
        clock: Callable[[], float],
    ) -> None:
        self._secret = secret
        self._policy = Policy(issuer, audience_set(audience), "access", leeway, frozenset(required))
        self._clock = clock

    async def verify(self, token: str) -> Claims:
        """The claims of `token`.

        Raises:
            InvalidToken: whatever is wrong with it.
        """
        if not token.isascii() or len(token) > MAX_TOKEN:
            raise InvalidToken("not ASCII text, or too long")
        try:
            parts = split(token, MAX_TOKEN)
            header = read_header(parts.header_text, frozenset({_ALG}))
            if header.kid != _KID or not self._secret.verify(parts.signature, parts.signing_input):
                raise InvalidToken("signature")
            payload = read_object(decode_segment(parts.payload_text))
            self._policy.check(payload, self._clock())
        except InvalidToken:
            raise
        except Exception as error:  # no way of being wrong may be anything but a refusal (SECURITY §1.6)
            raise InvalidToken("refused") from error
        return Claims(payload, _KID)
