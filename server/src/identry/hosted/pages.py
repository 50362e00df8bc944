"""Sign-ins end here on pages: the session's cookie and on to where the person was going, or the page of the next step.

Between two steps the ticket of the first is in a cookie of its own: in no address, for five minutes, for no script.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

from identry.hosted.asking import Asking, WhoAsks
from identry.hosted.service import Settle
from identry.oauth.browser_session import BrowserSession, BrowserSessions
from identry.signin import MFA_TICKET_TTL, MfaRequired, MfaSetupRequired, SignedIn
from identry.web.call import Answer, Call
from identry.web.cookies import Cookie
from identry.web.operations import Handler
from identry.web.pages import Pages, Show
from identry.web.trail import Trail
from identry_kit.apierror import APIError

VERIFY, SET_UP = "/login/verify", "/login/set-up"


@dataclass(frozen=True, slots=True)
class Step:
    """A sign-in that waits for its second step in this browser.

    Attributes:
        page: which page is next.
        ticket: opens it.
        methods: what may finish it.
    """

    page: str
    ticket: str
    methods: tuple[str, ...] = ()


class Steps:
    """The cookie of the step between."""

    def __init__(self, *, secure: bool) -> None:
        name = "__Host-identry_step" if secure else "identry_step"
        self._cookie = Cookie(name, "/", int(MFA_TICKET_TTL.total_seconds()), "Lax", secure)

    def holding(self, step: Step) -> tuple[bytes, bytes]:
        """The line that keeps a step."""
        return self._cookie.holding("~".join((step.page.rpartition("/")[2], step.ticket, *step.methods)))

    def cleared(self) -> tuple[bytes, bytes]:
        """The line that forgets it."""
        return self._cookie.cleared()

    def of(self, call: Call, page: str) -> Step | None:
        """The step that waits on this page, or None."""
        parts = (self._cookie.read(call) or "").split("~")
        if len(parts) < 2 or parts[0] != page.rpartition("/")[2]:
            return None
        return Step(page, parts[1], tuple(parts[2:]))


class Hosted:
    """Shows the pages of a sign-in, and ends it.

    Attributes:
        pages: makes answers.
        steps: the cookie of the step between.
        session: the cookie of the browser's session.
    """

    def __init__(
        self,
        pages: Pages,
        sessions: BrowserSessions,
        settle: Settle,
        session: Cookie,
        steps: Steps,
        who_asks: WhoAsks,
    ) -> None:
        self.pages = pages
        self.steps = steps
        self.session = session
        self._sessions = sessions
        self._settle = settle
        self._who_asks = who_asks

    async def asking(self, call: Call) -> Asking | None:
        """The application that sent the person here, if one did."""
        handle = Trail.of(call).request
        return await self._who_asks(handle, call) if handle else None

    async def known(self, call: Call) -> BrowserSession | None:
        """Who is signed in in this browser."""
        return await self._sessions.find(self.session.read(call))

    async def show(
        self, call: Call, template: str, error: APIError | None = None, *, asking: Asking | None = None, **values: Any
    ) -> Answer:
        """A page in the looks of whoever asks; see `Pages.show`."""
        asking = asking or await self.asking(call)
        return self.pages.show(call, template, error=error, worn=asking.worn if asking else None, **values)

    async def arrive(self, call: Call, signing_in: Awaitable[SignedIn], *cookies: tuple[bytes, bytes]) -> Answer:
        """On to where the person was going, signed in; or to the page of the next step.

        Raises:
            APIError: whatever else the sign-in raises.
        """
        trail = Trail.of(call)
        try:
            signed_in = await signing_in
        except MfaRequired as waiting:
            told: Any = waiting.details
            step = Step(VERIFY, told["mfaToken"], tuple(told["methods"]))
        except MfaSetupRequired as waiting:
            told = waiting.details
            step = Step(SET_UP, told["sessionToken"])
        else:
            return self.pages.go(trail.onward, *await self.opened(call, signed_in), *cookies)
        return self.pages.go(trail.to(step.page), self.steps.holding(step), *cookies)

    async def opened(self, call: Call, signed_in: SignedIn) -> tuple[tuple[bytes, bytes], ...]:
        """The lines that give a session to the browser, in place of what it had."""
        await self._settle(self.session.read(call), signed_in)
        return self.session.holding(signed_in.tokens.refresh_token), self.steps.cleared()

    async def over(self, call: Call, error: APIError) -> Answer:
        """The sign-in came to nothing; it can begin again."""
        return await self.show(call, "over.html", error, cookies=(self.steps.cleared(),))

    def plain(self, handler: Handler) -> Show:
        """A page that has no form: what is refused is told on a page of its own, in the looks of whoever asks."""

        async def show(call: Call, error: APIError | None = None) -> Answer:
            if error is None:
                answer: Answer = await handler(call)
                return answer
            asking = await self.asking(call)
            return self.pages.failed(call, error, worn=asking.worn if asking else None)

        show.__module__ = handler.__module__
        return show

    def back_to_login(self, call: Call) -> Answer:
        """To the beginning of the sign-in, on the same way: the step is unknown or over."""
        return self.pages.go(Trail.of(call).to("/login"), self.steps.cleared())
