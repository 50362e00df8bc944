"""The end of a single sign-on: of the browser's session, and so of every grant that hangs on it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from uuid import UUID

from identry.core.clock import Clock
from identry.core.db import Database
from identry.core.kv import RevocationMarks
from identry.core.origin import Origin
from identry.oauth.browser_session import BrowserSessions
from identry.oauth.id_token_hint import Hint, IdTokenHints
from identry.oauth.redirects import with_parameters
from identry.records import clients, sessions, users
from identry.records.audit import Audit


@dataclass(frozen=True, slots=True)
class AskedToEnd:
    """A request for the end of a session; what is absent is empty."""

    id_token_hint: str = ""
    client_id: str = ""
    post_logout_redirect_uri: str = ""
    state: str = ""


class Next(Enum):
    """What a request without an address leads to."""

    DONE = "signed-out"
    CONFIRM = "logout"


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a request.

    Attributes:
        next: an address of the client, with `state`; or one of our pages.
        gone: whether the cookie of the browser's session is worth nothing any more.
    """

    next: str | Next
    gone: bool = False


class EndSession:
    """Ends browsers' sessions at the wish of applications and people."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        audit: Audit,
        marks: RevocationMarks,
        sessions: BrowserSessions,
        hints: IdTokenHints,
    ) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._marks = marks
        self._browsers = sessions
        self._hints = hints

    async def __call__(self, asked: AskedToEnd, session_cookie: str | None, origin: Origin) -> Ended:
        """End what an ID token of ours names; without one, the person is asked.

        Raises:
            ServiceUnavailable: the database or the keys cannot tell; nothing ended.
        """
        hint = await self._hints.read(asked.id_token_hint) if asked.id_token_hint else None
        if hint is None or asked.client_id not in {"", hint.client_id}:
            return await self._ask(session_cookie)
        where = await self._destination(asked, hint)
        if where is None:
            return await self._ask(session_cookie)
        user_id = await users.id_of_number(self._db, hint.number)
        own = self._browsers.named(session_cookie)
        if user_id is None:
            return Ended(where)
        gone = await self._end(user_id, {await sessions.bearer_of(self._db, hint.session_id), own}, origin)
        return Ended(where, own is not None and own in gone)

    async def confirm(self, session_cookie: str | None, origin: Origin) -> Ended:
        """The person said yes: end the session of this browser.

        Raises:
            ServiceUnavailable: the database could not be told; the session may still be alive.
        """
        session_id = self._browsers.named(session_cookie)
        row = await sessions.find(self._db, session_id) if session_id else None
        if row is not None:
            await self._end(row.user_id, {row.id}, origin)
        return Ended(Next.DONE, gone=True)

    async def _ask(self, session_cookie: str | None) -> Ended:
        return Ended(Next.DONE if await self._browsers.find(session_cookie) is None else Next.CONFIRM)

    async def _destination(self, asked: AskedToEnd, hint: Hint) -> str | Next | None:
        """Where to go afterwards; None: to an address that the client did not register."""
        if not asked.post_logout_redirect_uri:
            return Next.DONE
        client = await clients.find(self._db, hint.client_id)
        if client is None or asked.post_logout_redirect_uri not in client.post_logout_redirect_uris:
            return None
        return with_parameters(asked.post_logout_redirect_uri, {"state": asked.state})

    async def _end(self, user_id: UUID, session_ids: set[UUID | None], origin: Origin) -> list[UUID]:
        """End those of the sessions that are this user's; returns what ended, grants included."""
        ended: list[UUID] = []
        async with self._db.transaction() as tx:
            for session_id in sorted(one for one in session_ids if one is not None):
                row = await sessions.find(tx, session_id)
                if row is None or row.user_id != user_id or row.revoked_at is not None:
                    continue
                ended += await sessions.end(tx, session_id, "logout", self._clock.now())
                await self._audit.record(
                    tx, "auth.logout", origin, actor=user_id, target=user_id, session_id=session_id
                )
        await self._marks.mark(*ended)
        return ended
