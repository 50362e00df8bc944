"""POST /account/logout: out of this browser, and of the applications that were signed in to from it."""

from __future__ import annotations

import msgspec

from identry.flows.logout.service import Logout
from identry.web.account_pages import HOME, AccountPages
from identry.web.call import Answer, Call
from identry.web.cookies import Cookie
from identry.web.operations import Operation
from identry_kit.apierror import APIError


class Nothing(msgspec.Struct):
    """A form of one button."""


def operations(logout: Logout, account: AccountPages, session: Cookie, after: str) -> list[Operation]:
    """The room's form; `session` holds the browser's session, `after` is the page that says it is over."""

    async def out(call: Call) -> Answer:
        await logout.session(call.actor.session_id, call.origin)
        return account.pages.go(after, session.cleared())

    async def show(call: Call, error: APIError | None = None) -> Answer:
        return account.pages.failed(call, error) if error else account.pages.go(HOME)

    return [account.form(f"{HOME}/logout", out, show, "Sign out of this browser", back=HOME, body=Nothing)]
