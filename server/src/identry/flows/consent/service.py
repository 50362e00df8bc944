"""What a consent page shows, and the two ways out of it."""

from __future__ import annotations

from dataclasses import dataclass

from identry.core.clock import Clock
from identry.core.db import Database, Executor
from identry.core.origin import Origin
from identry.oauth.authorization import Sent, Waiting, Waits
from identry.oauth.browser_session import BrowserSession, BrowserSessions
from identry.oauth.errors import AccessDenied
from identry.oauth.waiting import WaitingRequests
from identry.records import consents
from identry.records.audit import Audit
from identry.records.clients import Client
from identry.records.users import User


@dataclass(frozen=True, slots=True)
class Asking:
    """What a person is asked.

    Attributes:
        client: which application asks.
        user: whose agreement it wants.
        scopes: everything that it asks for.
        new: those of them that the person has not agreed to before.
        redirect_uri: where the browser goes afterwards.
    """

    client: Client
    user: User
    scopes: list[str]
    new: list[str]
    redirect_uri: str


class Consent:
    """Asks, and takes the answer.

    Args:
        issuer: `OAUTH_ISSUER`.
    """

    def __init__(
        self,
        db: Database,
        clock: Clock,
        audit: Audit,
        waiting: WaitingRequests,
        sessions: BrowserSessions,
        *,
        issuer: str,
    ) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._waiting = waiting
        self._sessions = sessions
        self._issuer = issuer

    async def asking(self, handle: str, session_cookie: str | None, binding: str | None) -> Asking | None:
        """What the page shows; None: the request wants a sign-in first (`/oauth/authorize/continue` leads there).

        Raises:
            RequestGone: no request waits in this browser under that handle.
            ServiceUnavailable: the database cannot tell.
        """
        waiting = await self._waiting.get(handle, binding)
        session = await self._sessions.find(session_cookie)
        if session is None or not waiting.request.is_met_by(session):
            return None
        before = await consents.scopes_of(self._db, session.user.id, waiting.client.id)
        scopes = waiting.request.scopes
        new = [scope for scope in scopes if scope not in before]
        return Asking(waiting.client, session.user, scopes, new, waiting.request.redirect_uri)

    async def agree(self, handle: str, session_cookie: str | None, binding: str | None, origin: Origin) -> Waits:
        """The person agrees: remembered, and the request goes on.

        Raises:
            RequestGone: as in `asking`, or it was finished meanwhile.
            ServiceUnavailable: the database cannot tell.
        """
        waiting = await self._waiting.get(handle, binding)
        session = await self._sessions.find(session_cookie)
        if session is not None and waiting.request.is_met_by(session):
            async with self._db.transaction() as tx:
                await self._waiting.agree(tx, waiting, session.session_id)
                scopes = waiting.request.scopes
                await consents.grant(tx, session.user.id, waiting.client.id, scopes, self._clock.now())
                await self._note(tx, "oauth.consent.granted", waiting, session, origin)
        return Waits("oauth/authorize/continue", handle)

    async def decline(self, handle: str, session_cookie: str | None, binding: str | None, origin: Origin) -> Sent:
        """The person does not agree: the application is told `access_denied`, nothing is remembered.

        Raises:
            RequestGone: as in `agree`.
            ServiceUnavailable: the database cannot tell.
        """
        waiting = await self._waiting.get(handle, binding)
        session = await self._sessions.find(session_cookie)
        async with self._db.transaction() as tx:
            await self._waiting.finish(tx, waiting)
            if session is not None:
                await self._note(tx, "oauth.consent.declined", waiting, session, origin, success=False)
        return waiting.target(self._issuer).refusal(AccessDenied("the person did not agree"))

    async def _note(
        self,
        tx: Executor,
        event: str,
        waiting: Waiting,
        session: BrowserSession,
        origin: Origin,
        *,
        success: bool = True,
    ) -> None:
        user_id, details = session.user.id, {"client": waiting.client.client_id, "scopes": waiting.request.scopes}
        await self._audit.record(
            tx,
            event,
            origin,
            actor=user_id,
            target=user_id,
            session_id=session.session_id,
            success=success,
            details=details,
        )
