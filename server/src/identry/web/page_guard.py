"""Who is signed in in this browser? The guard of pages that are somebody's own."""

from __future__ import annotations

from identry.oauth.browser_session import BrowserSessions
from identry.web.call import Actor, Call
from identry.web.cookies import Cookie
from identry.web.page_forms import FormGuard
from identry.web.pages import SignInFirst


class PageGuard:
    """Reads the browser's session.

    Args:
        sessions: finds it.
        cookie: holds it.
        forms: what else a form has to prove.
    """

    def __init__(self, sessions: BrowserSessions, cookie: Cookie, forms: FormGuard) -> None:
        self._sessions = sessions
        self._cookie = cookie
        self._forms = forms

    async def person(self, call: Call) -> None:
        """Somebody who is signed in; sets `call.actor`.

        Raises:
            SignInFirst: nobody is.
            ServiceUnavailable: the database cannot tell.
        """
        found = await self._sessions.find(self._cookie.read(call))
        if found is None:
            raise SignInFirst
        call.actor = Actor(user=found.user, session_id=found.session_id, amr=found.amr, auth_time=found.auth_time)

    async def form(self, call: Call) -> None:
        """The same, for a form of one of our pages.

        Raises:
            ForeignForm: it is not one.
            SignInFirst, ServiceUnavailable: as above.
        """
        await self._forms.check_origin(call)
        await self.person(call)
