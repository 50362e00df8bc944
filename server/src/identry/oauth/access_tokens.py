"""Access tokens that come back: whose is it, does it still count?

Order: signature, issuer, type, times → revocation mark → live session (an application's own token: not revoked) →
active user → active client. What fails is one refusal in the same words; what cannot be told is 503 (SECURITY §1.5).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from identry.core.clock import Clock
from identry.core.db import Executor
from identry.core.kv import RevocationMarks
from identry.oauth.errors import InvalidToken
from identry.records import clients, sessions, spent_ids, users
from identry.records.clients import Client
from identry.records.session_reader import SessionReader
from identry.records.spent_ids import Purpose
from identry.records.users import User
from identry.tokens import session_of_jti
from identry_kit.apierror import Unauthorized
from identry_kit.jwtauth import Claims, Verifier

SERVICE_PREFIX = "app:"
"""Before the number in the `sub` of an application's own token."""

_USER = ", ".join(f"u.{name}" for name in users.COLUMNS.split(", "))
_CLIENT = ", ".join(f"c.{name}" for name in clients.COLUMNS.split(", "))
_CLIENT_WIDTH = len(clients.COLUMNS.split(", "))

_OF_USER = f"""
    SELECT s.id, {sessions.ENDED} AS ended, s.amr, s.auth_time, u.number, {_CLIENT}, {_USER}
    FROM {sessions.OF_USERS} JOIN clients c ON c.id = s.client_id AND c.is_active
"""  # noqa: S608 - constant column names

_OF_SERVICE = f"""
    SELECT {_CLIENT} FROM clients c
    WHERE c.number = $1 AND c.is_active
      AND NOT EXISTS (SELECT FROM spent_ids WHERE id_hash = $2 AND expires_at > $3)
"""  # noqa: S608 - constant column names


@dataclass(frozen=True, slots=True)
class UserToken:
    """A user's access token that counts; everything but `claims` is as the database has it now."""

    claims: Claims
    session_id: UUID
    user: User
    number: int
    client: Client
    amr: list[str]
    auth_time: datetime


@dataclass(frozen=True, slots=True)
class ServiceToken:
    """An application's own access token that counts."""

    claims: Claims
    client: Client


class AccessTokens:
    """Judges access tokens of the provider."""

    def __init__(self, verifier: Verifier, marks: RevocationMarks, db: Executor, clock: Clock) -> None:
        self._verifier = verifier
        self._marks = marks
        self._db = db
        self._clock = clock
        self._session = SessionReader(db, clock, _OF_USER)

    async def of(self, token: str) -> UserToken | ServiceToken:
        """Whose token it is.

        Raises:
            InvalidToken: nobody's: malformed, forged, expired, revoked, or its session, user or client are over.
            ServiceUnavailable: nobody can tell.
        """
        claims, family = await self.claims_of(token)
        if claims.sub.startswith(SERVICE_PREFIX):
            return ServiceToken(claims, await self._client(claims))
        return await self._user(claims, family)

    async def claims_of(self, token: str) -> tuple[Claims, UUID]:
        """The claims of a token that is genuine and not known here to be revoked, and the id hidden in its `jti`.

        Raises:
            InvalidToken, ServiceUnavailable: as `of`; no database is asked.
        """
        try:
            claims = await self._verifier.verify(token)
        except Unauthorized:
            raise InvalidToken from None
        family = session_of_jti(claims.get("jti"))
        if family is None or self._marks.is_marked(family):
            raise InvalidToken
        return claims, family

    async def _user(self, claims: Claims, session_id: UUID) -> UserToken:
        row = await self._session(session_id)
        if row is None:
            raise InvalidToken
        ended, amr, auth_time, number, *rest = row
        client, user = Client(*rest[:_CLIENT_WIDTH]), User(*rest[_CLIENT_WIDTH:])
        if ended is not None or claims.sub != str(number) or claims.aud[:1] != (client.client_id,):
            raise InvalidToken
        return UserToken(claims, session_id, user, number, client, amr, auth_time)

    async def _client(self, claims: Claims) -> Client:
        number = service_number(claims)
        if number is None:
            raise InvalidToken
        row = await self._db.fetchrow(_OF_SERVICE, number, revoked_hash(claims), self._clock.now())
        client = Client(*row) if row else None
        if client is None or claims.aud[:1] != (client.client_id,):
            raise InvalidToken
        return client


def service_number(claims: Claims) -> int | None:
    """The application's number in the `sub` of its own token; None: it is no such token."""
    digits = claims.sub.removeprefix(SERVICE_PREFIX)
    if digits == claims.sub or not (digits.isascii() and digits.isdecimal()) or len(digits) > 18:
        return None
    return int(digits)


def revoked_hash(claims: Claims) -> bytes:
    """What `spent_ids` holds of a token without a session that was revoked."""
    return spent_ids.id_hash(Purpose.REVOKED_TOKEN, claims.jti)


def bound_key(claims: Claims) -> str | None:
    """The thumbprint of the key that a token is bound to (`cnf.jkt`, RFC 9449 §6); None: to none."""
    confirmation = claims.get("cnf")
    if confirmation is None:
        return None
    jkt = confirmation.get("jkt") if hasattr(confirmation, "get") else None
    return jkt if isinstance(jkt, str) else ""
