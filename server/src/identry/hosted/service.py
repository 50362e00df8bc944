"""After a sign-in: what the browser had before is settled."""

from __future__ import annotations

from identry.core.db import Database
from identry.core.kv import RevocationMarks
from identry.oauth.browser_session import BrowserSessions
from identry.signin import SignedIn


class Settle:
    """Ends the browser's former session; of the same person, its applications go on under the new one."""

    def __init__(self, db: Database, sessions: BrowserSessions, marks: RevocationMarks) -> None:
        self._db = db
        self._sessions = sessions
        self._marks = marks

    async def __call__(self, former_cookie: str | None, signed_in: SignedIn) -> None:
        """Settle; `former_cookie` is what the browser came with.

        Raises:
            ServiceUnavailable: the database is gone; the new session is not handed out then.
        """
        if former_cookie is None:
            return
        async with self._db.transaction() as tx:
            ended = await self._sessions.succeed(tx, former_cookie, signed_in.tokens.session_id, signed_in.user.id)
        await self._marks.mark(*ended)
