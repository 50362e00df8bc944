"""A browser's single sign-on session: one sign-in on our pages, for every application that comes after it.

It is a row of `sessions` like all others (no client, no tenant), so all that ends sessions ends it; its cookie holds a
token of the refresh token's kind, under a key of its own. **Opened** by `SignIn.complete` with a surface of
`CookieMint` and `browser_tokens`: `tokens.refresh_token` is then the cookie's value, and `succeed` settles what the
browser had before. **Found** by `find`, which answers only what every demand of now is content with.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from identry.core.clock import Clock
from identry.core.db import Database, Executor
from identry.records import authorization_codes, seats, sessions, users
from identry.records.users import User
from identry.tokens import Grant, RefreshTokens, TokenPair

_TOUCH = timedelta(minutes=1)
"""How old the last use may be on record before it is written down again."""

_USER = ", ".join(f"u.{name}" for name in users.COLUMNS.split(", "))

# A demand that is newer than the session counts: of the deployment ($4 a second factor, $5 no password), of the
# account, of every open tenant of its user. Who does not meet it signs in again.
_FIND = f"""
    SELECT s.amr, s.auth_time, COALESCE(s.rotated_at, s.created_at), {_USER}
    FROM {sessions.OF_USER}
    WHERE {sessions.ENDED} IS NULL AND s.refresh_token_hash = $3 AND s.client_id IS NULL AND s.tenant_id IS NULL
      AND ('mfa' = ANY (s.amr) OR NOT ($4 OR u.mfa_enabled))
      AND NOT ($5 AND s.amr[1] = ANY ({seats.LOCAL_SQL}))
      AND {seats.ADMITTED_BY_ALL}
"""  # noqa: S608 - constant expressions


def cookie_name(*, secure: bool) -> str:
    """What the session's cookie is called: `__Host-identry_session`, and without TLS `identry_session`."""
    return "__Host-identry_session" if secure else "identry_session"


@dataclass(frozen=True, slots=True)
class BrowserSession:
    """A live session of a browser.

    Attributes:
        session_id: its row.
        user: whose, as the row is now; active and approved.
        amr: how they signed in (RFC 8176).
        auth_time: when.
    """

    session_id: UUID
    user: User
    amr: list[str]
    auth_time: datetime


class CookieMint:
    """The mint of the pages' surface: a session has no tokens there but the one in its cookie."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def pair(self, grant: Grant, refresh_token: str) -> TokenPair:
        """A reply whose `refresh_token` is the cookie's value, and whose access token is empty."""
        left = int(grant.expires_at.timestamp() - self._clock.timestamp())
        return TokenPair("", 0, refresh_token, max(left, 0), grant.session_id)


class BrowserSessions:
    """Finds the sessions of browsers.

    Args:
        tokens: what their cookies hold (`ProviderEngines.browser_tokens`).
        idle: a session that was not used for this long counts no more.
        mfa_required: whether the deployment demands a second factor.
        password_login: False under `AUTH_POLICY=restricted`.
    """

    def __init__(
        self,
        db: Database,
        clock: Clock,
        tokens: RefreshTokens,
        idle: timedelta,
        *,
        mfa_required: bool,
        password_login: bool,
    ) -> None:
        self._db = db
        self._clock = clock
        self._tokens = tokens
        self._idle = idle
        self._mfa_required = mfa_required
        self._password_login = password_login

    async def find(self, cookie_value: str | None) -> BrowserSession | None:
        """The session of a cookie, and its use noted; None: none, ended, idle for too long, or a demand is unmet.

        Raises:
            ServiceUnavailable: the database cannot tell.
        """
        token = self._tokens.parse(cookie_value) if cookie_value else None
        if token is None:
            return None
        now = self._clock.now()
        restricted = not self._password_login
        row = await self._db.fetchrow(_FIND, token.session_id, now, token.hash, self._mfa_required, restricted)
        if row is None:
            return None
        amr, auth_time, used_at, *user = row
        if used_at + self._idle <= now:
            return None
        if used_at + _TOUCH <= now:
            await sessions.touch(self._db, token.session_id, now)
        return BrowserSession(token.session_id, User(*user), amr, auth_time)

    def named(self, cookie_value: str | None) -> UUID | None:
        """The id in a genuine cookie, alive or not: for who wants to end it."""
        token = self._tokens.parse(cookie_value) if cookie_value else None
        return token.session_id if token else None

    async def succeed(self, tx: Executor, cookie_value: str | None, session_id: UUID, user_id: UUID) -> list[UUID]:
        """Settle what the browser had before it signed in again; call it after `SignIn.complete`.

        The same person's applications go on under the new session; another person's end with the old one. Either way
        the old cookie is worth nothing any more.

        Args:
            tx: a transaction.
            cookie_value: the cookie that the browser came with.
            session_id: the new session.
            user_id: whose it is.

        Returns: ids of the sessions that ended, to be marked (`RevocationMarks`).
        """
        old = self.named(cookie_value)
        if old is None or old == session_id:
            return []
        row = await sessions.find(tx, old)
        if row is None or row.revoked_at is not None:
            return []
        now = self._clock.now()
        if row.user_id == user_id:
            await users.lock(tx, user_id)  # a code becomes a grant under this lock: before the move, or after it
            await sessions.move_grants(tx, old, session_id)
            await authorization_codes.move(tx, user_id, old, session_id)
        return await sessions.end(tx, old, "signed in again", now)
