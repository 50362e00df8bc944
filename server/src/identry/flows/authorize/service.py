"""The authorization endpoint: is anything missing (a sign-in, an agreement)? Then a page; otherwise a code.

Every step asks everything again, from the stored request and the browser's session, so it does not matter in which
order, how often or from where the steps are called (SECURITY §2 row 28).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from identry.core.clock import Clock
from identry.core.db import Database, Executor
from identry.core.limits import AUTHORIZE, Limiter
from identry.core.origin import Origin
from identry.oauth import codes, redirects
from identry.oauth.authorization import Asked, AuthorizationRequest, Sent, Target, Waiting, Waits
from identry.oauth.browser_session import BrowserSession, BrowserSessions
from identry.oauth.errors import AccessDenied, ConsentRequired, LoginRequired, UnknownRedirect, UnmetRequirements
from identry.oauth.request_checks import RequestChecks
from identry.oauth.waiting import PUSHED_PREFIX, WaitingRequests
from identry.records import app_members, consents, passkeys, seats
from identry.records.authorization_codes import Code
from identry.records.clients import Client
from identry.records.users import ADMINISTRATORS, User
from identry_kit.apierror import BadRequest
from identry_kit.context import annotate

Page = Literal["login", "consent"]


@dataclass(frozen=True, slots=True)
class Browser:
    """What a browser brought along.

    Attributes:
        session_cookie: of its single sign-on session.
        binding_cookie: that ties waiting requests to it.
    """

    session_cookie: str | None
    binding_cookie: str | None


class Authorize:
    """Answers authorization requests.

    Args:
        issuer: `OAUTH_ISSUER`.
    """

    def __init__(
        self,
        db: Database,
        clock: Clock,
        limiter: Limiter,
        checks: RequestChecks,
        waiting: WaitingRequests,
        sessions: BrowserSessions,
        *,
        issuer: str,
    ) -> None:
        self._db = db
        self._clock = clock
        self._limiter = limiter
        self._checks = checks
        self._waiting = waiting
        self._sessions = sessions
        self._issuer = issuer

    async def __call__(self, asked: Asked, browser: Browser, origin: Origin) -> Sent | Waits:
        """The answer to a request, or the page that comes before it.

        Raises:
            UnknownApplication, UnknownRedirect, InvalidRequestUri: nobody may be sent anywhere.
            RateLimited, ServiceUnavailable: too many requests that wait; database, limiter or keys cannot tell.
        """
        client, target, pushed = await self._target(asked)
        try:
            request = pushed or await self._checks(asked, client, target)
            session = await self._sessions.find(browser.session_cookie)
            page = await self._missing(client, request, session)
            if page is None and session is not None:
                raw_code = await self._code(self._db, client, request, session)
                if raw_code is not None:
                    return target.code(raw_code)
            self._no_page(request, page)
        except BadRequest as refusal:
            annotate(authorize=refusal.code)
            return target.refusal(refusal)
        await self._limiter.spend(AUTHORIZE, origin.ip)
        known = session.session_id if session else None
        return await self._waiting.hold(client, request, page or "login", browser.binding_cookie, known)

    async def go_on(self, handle: str, browser: Browser) -> Sent | Waits:
        """The answer to a request that waited, or the page that still comes before it.

        Raises:
            RequestGone: there is none that waits in this browser.
            ServiceUnavailable: the database cannot tell.
        """
        waiting = await self._waiting.get(handle, browser.binding_cookie)
        session = await self._sessions.find(browser.session_cookie)
        try:
            page = await self._missing(waiting.client, waiting.request, session)
        except BadRequest as refusal:
            return await self._refuse(waiting, refusal)
        if page is None and session is not None:
            async with self._db.transaction() as tx:
                raw_code = await self._code(tx, waiting.client, waiting.request, session)
                if raw_code is not None:
                    await self._waiting.finish(tx, waiting)
            if raw_code is not None:
                return waiting.target(self._issuer).code(raw_code)
        return Waits(page or "login", handle)

    async def _refuse(self, waiting: Waiting, refusal: BadRequest) -> Sent:
        async with self._db.transaction() as tx:
            await self._waiting.finish(tx, waiting)
        annotate(authorize=refusal.code)
        return waiting.target(self._issuer).refusal(refusal)

    async def _target(self, asked: Asked) -> tuple[Client, Target, AuthorizationRequest | None]:
        """Client and address of the answer; of a pushed request also what it says, and it is used up."""
        if not asked.request_uri.startswith(PUSHED_PREFIX):
            return *await self._checks.target(asked), None
        client = await self._checks.client(asked)
        request = await self._waiting.pulled(asked.request_uri, client.client_id)
        if not redirects.matches(client.redirect_uris, request.redirect_uri, native=client.is_native):
            raise UnknownRedirect
        return client, Target(request.redirect_uri, request.response_mode, request.state, self._issuer), request

    async def _missing(
        self, client: Client, request: AuthorizationRequest, session: BrowserSession | None
    ) -> Page | None:
        """The page that has to come first, if any.

        Raises:
            AccessDenied, UnmetRequirements: no page would help.
        """
        if session is None:
            return "login"
        if not request.is_met_by(session):
            await self._could_be_met(request, session)
            return "login"
        await self._admit(client, session.user)
        if client.first_party or request.agreed_in == session.session_id:
            return None
        if "consent" not in request.prompt and await consents.covers(
            self._db, session.user.id, client.id, request.scopes
        ):
            return None
        return "consent"

    async def _could_be_met(self, request: AuthorizationRequest, session: BrowserSession) -> None:
        """Somebody with a code passes it whenever they sign in, with a passkey they may; who has neither never will."""
        if not request.mfa or "mfa" in session.amr or not request.is_renewed_by(session):
            return
        if not await passkeys.has_any(self._db, session.user.id):
            raise UnmetRequirements

    async def _admit(self, client: Client, user: User) -> None:
        """An application of a tenant is for the people of that tenant, one for members for those alone."""
        if client.tenant_id is not None:
            places = await seats.of_user(self._db, user.id)
            if not any(place.open and place.tenant_id == client.tenant_id for place in places):
                raise AccessDenied("this application is for another organisation")
        if not client.members_only or user.global_role in ADMINISTRATORS:
            return
        if await app_members.find(self._db, client.id, user.id) is None:
            raise AccessDenied("this application is for its members")

    def _no_page(self, request: AuthorizationRequest, page: Page | None) -> None:
        if "none" in request.prompt:
            raise ConsentRequired if page == "consent" else LoginRequired

    async def _code(
        self, db: Executor, client: Client, request: AuthorizationRequest, session: BrowserSession
    ) -> str | None:
        """A code; None when the session ended in the meantime."""
        code = Code(
            client_id=client.id,
            user_id=session.user.id,
            browser_session_id=session.session_id,
            redirect_uri=request.redirect_uri,
            redirect_uri_given=request.redirect_uri_given,
            scopes=request.scopes,
            audiences=request.audiences or None,
            nonce=request.nonce or None,
            code_challenge=request.code_challenge or None,
            dpop_jkt=request.dpop_jkt or None,
            auth_time=session.auth_time,
            amr=session.amr,
            token_version=session.user.token_version,
        )
        return await codes.issue(db, code, self._clock.now())
