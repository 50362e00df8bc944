"""Who is calling? Each guard proves it and puts the proof on the call; a guard that cannot decide refuses.

Order of a bearer check (contracts/platform-api.md §9): shape → algorithm, key → signature → issuer, audience, type →
times → revocation mark → session live → user active and approved → token version. Everything up to the times is
`unauthorized`, what follows is `session_revoked`.
"""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from identry.core.clock import Clock
from identry.core.db import Executor
from identry.core.kv import RevocationMarks
from identry.core.secrets import equal
from identry.records import sessions, users
from identry.records.audit import Audit
from identry.records.session_reader import SessionReader
from identry.records.users import User
from identry.web.call import Actor, Call
from identry_kit.apierror import Unauthorized
from identry_kit.jwtauth import Claims, bearer_token


class SessionRevoked(Unauthorized):
    """401: the token is genuine, but its session is over."""

    code = "session_revoked"
    message = "the session has ended; sign in again"


class InternalKeyRequired(Unauthorized):
    """401: `X-Internal-API-Key` is missing or wrong."""

    message = "missing or invalid X-Internal-API-Key"


_USER = ", ".join(f"u.{name}" for name in users.COLUMNS.split(", "))
_LIVE = f"""
    SELECT s.id, {sessions.ENDED} AS ended, s.amr, s.auth_time, {_USER}
    FROM {sessions.OF_USERS}
"""  # noqa: S608 - constant column names


class TokenVerifier(Protocol):
    """Whoever can tell that a token is genuine."""

    async def verify(self, token: str) -> Claims:
        """The claims of a token. Raises Unauthorized, or ServiceUnavailable when nobody can tell."""


class Bearer:
    """Checks access tokens of the platform surface; each other surface has its own `session`."""

    _live = _LIVE

    def __init__(self, verifier: TokenVerifier, marks: RevocationMarks, db: Executor, clock: Clock) -> None:
        self._verifier = verifier
        self._marks = marks
        self._session = SessionReader(db, clock, self._live)

    async def token(self, call: Call) -> None:
        """Signature, claims and revocation mark; sets `call.claims`. No database.

        Raises:
            Unauthorized: missing, malformed, forged, expired or foreign token.
            SessionRevoked: its session is marked as ended.
        """
        claims = await self._verifier.verify(bearer_token(call.scope))
        call.claims = claims  # before the mark is asked: a genuine token says whose it is, for the log
        if self._marks.is_marked(session_of(claims)):
            raise SessionRevoked

    async def session(self, call: Call) -> None:
        """All of `token`, then session and user from the database; sets `call.actor`.

        Raises:
            Unauthorized, SessionRevoked: as above, or the session ended, or its user may not act any more.
            ServiceUnavailable: the database cannot answer.
        """
        await self.token(call)
        session_id = session_of(call.claims)
        row = await self._session(session_id)
        if row is None:
            raise SessionRevoked
        ended, amr, auth_time, *user = row
        call.actor = live_actor(call.claims, session_id, ended, amr, auth_time, User(*user))


def live_actor(
    claims: Claims, session_id: UUID, ended: str | None, amr: list[str], auth_time: object, user: User
) -> Actor:
    """The actor of a session row that still counts.

    Raises:
        SessionRevoked: the session ended, or token, session and user do not belong together any more.
    """
    if ended is not None or str(user.id) != claims.sub or user.token_version != claims.get("tokenVersion"):
        raise SessionRevoked
    return Actor(user=user, session_id=session_id, amr=amr, auth_time=auth_time)  # type: ignore[arg-type]  # asyncpg row


def session_of(claims: Claims) -> UUID:
    """The `sid` of verified claims.

    Raises:
        Unauthorized: the token has none, so it is not one of ours.
    """
    try:
        return UUID(claims.get("sid"))
    except (TypeError, ValueError, AttributeError):
        raise Unauthorized("invalid or expired token") from None


class MachineKey:
    """Checks `X-Internal-API-Key` against one or two keys (two during a rotation), in constant time."""

    def __init__(self, keys: tuple[str, ...], audit: Audit, db: Executor) -> None:
        self._keys = keys
        self._audit = audit
        self._db = db

    async def check(self, call: Call) -> None:
        """Let a machine pass.

        Raises:
            InternalKeyRequired: missing, repeated or wrong key (a wrong one is audited).
        """
        values = call.headers(b"x-internal-api-key")
        if len(values) == 1 and self.matches(values[0]):
            return
        if values:
            await self._audit.record(self._db, "internal_key.rejected", call.origin, actor="anonymous", success=False)
        raise InternalKeyRequired

    def matches(self, presented: str) -> bool:
        """Whether a presented key is one of ours; every key is compared, whatever the first result."""
        return sum(equal(presented, key) for key in self._keys) > 0
