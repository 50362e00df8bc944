"""A client proves itself with a JWT of its own: `private_key_jwt` (RFC 7523 §3, OpenID Connect Core §9)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from identry.core.clock import Clock
from identry.core.db import Executor
from identry.records import spent_ids
from identry.records.clients import Client
from identry.records.spent_ids import Purpose
from identry_kit.apierror import Unauthorized
from identry_kit.jwtauth import ALGORITHMS, Key
from identry_kit.jwtauth.compact import Compact, decode_segment, read_object, split

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

_LEEWAY = 30
_LONGEST = 600
"""Seconds that an assertion may be good for: it is made for one request."""
_MAX_JTI = 256


@dataclass(frozen=True, slots=True)
class Assertion:
    """An assertion as it came; nothing of it is proven."""

    parts: Compact
    header: dict[str, Any]
    claims: dict[str, Any]

    @property
    def client_id(self) -> str:
        """Who it says it is."""
        subject = self.claims.get("sub")
        return subject if isinstance(subject, str) else ""


def read(text: str) -> Assertion | None:
    """The assertion, read strictly; None: it is none."""
    try:
        parts = split(text)
        header = read_object(decode_segment(parts.header_text))
        return Assertion(parts, header, read_object(decode_segment(parts.payload_text)))
    except Unauthorized:
        return None


class Assertions:
    """Judges assertions.

    Args:
        audiences: what `aud` may be: the issuer, and the endpoints where a client proves itself.
    """

    def __init__(self, db: Executor, clock: Clock, audiences: tuple[str, ...]) -> None:
        self._db = db
        self._clock = clock
        self._audiences = frozenset(audiences)
        self._checks: tuple[Callable[[Assertion, Client], bool], ...] = (
            self._of_client,
            self._for_us,
            self._in_time,
            _has_id,
            _signed,
        )

    async def prove(self, assertion: Assertion, client: Client) -> bool:
        """Whether this client made the assertion, for us, now, and shows it for the first time: it is used up.

        Raises:
            ServiceUnavailable: the database cannot tell whether it was seen before.
        """
        if not all(check(assertion, client) for check in self._checks):
            return False
        hashed = spent_ids.id_hash(Purpose.CLIENT_ASSERTION, client.client_id, assertion.claims["jti"])
        until = datetime.fromtimestamp(assertion.claims["exp"] + 2 * _LEEWAY, UTC)
        return await spent_ids.spend(self._db, Purpose.CLIENT_ASSERTION, hashed, until)

    @staticmethod
    def _of_client(assertion: Assertion, client: Client) -> bool:
        return bool(assertion.claims.get("iss") == client.client_id == assertion.client_id)

    def _for_us(self, assertion: Assertion, _: Client) -> bool:
        audience = assertion.claims.get("aud")
        named = audience if isinstance(audience, list) else [audience]
        return len(named) > 0 and all(isinstance(one, str) and one in self._audiences for one in named)

    def _in_time(self, assertion: Assertion, _: Client) -> bool:
        now, claims = self._clock.timestamp(), assertion.claims
        times = [claims.get("exp"), claims.get("nbf", 0), claims.get("iat", 0)]
        if any(isinstance(at, bool) or not isinstance(at, int | float) for at in times):
            return False
        expires_at, not_before, issued_at = times
        return bool(
            now - _LEEWAY < expires_at <= now + _LONGEST + _LEEWAY and max(not_before, issued_at) <= now + _LEEWAY
        )


def _has_id(assertion: Assertion, _: Client) -> bool:
    jti = assertion.claims.get("jti")
    return isinstance(jti, str) and 0 < len(jti) <= _MAX_JTI


def _signed(assertion: Assertion, client: Client) -> bool:
    """Whether a key of the client made the signature: the one that `kid` names, or the only one of that algorithm."""
    header = assertion.header
    alg, kid = header.get("alg"), header.get("kid")
    if alg not in ALGORITHMS or not header.keys() <= {"alg", "kid", "typ"}:
        return False
    fitting = [key for key in keys_of(client.jwks) if key.alg == alg and kid in {None, key.kid}]
    return len(fitting) == 1 and fitting[0].verify(assertion.parts.signature, assertion.parts.signing_input)


def keys_of(jwks: str | None) -> list[Key]:
    """The usable keys of a client's `jwks`; a damaged one harms no other."""
    try:
        listed = msgspec.json.decode(jwks or "{}").get("keys", [])
    except (msgspec.DecodeError, AttributeError):
        return []
    keys = []
    for number, jwk in enumerate(listed if isinstance(listed, list) else []):
        try:
            keys.append(Key.from_jwk({"kid": f"key-{number}", **jwk} if isinstance(jwk, dict) else None))
        except ValueError:
            continue
    return keys
