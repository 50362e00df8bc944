"""POST /api/v1/auth/logout."""

from __future__ import annotations

from identry.browser import BROWSER_PATH, Replies
from identry.flows.logout.service import Logout
from identry.web.browser_guard import BrowserBearer
from identry.web.call import Answer, Call
from identry.web.operations import Guard, Operation


def operations(logout: Logout, bearer: BrowserBearer, replies: Replies) -> list[Operation]:
    """The room's rows of the browser surface."""

    async def handle(call: Call) -> Answer:
        await logout.one(replies.cookie.read(call) or "", call.origin)
        if (session_id := await bearer.named_session(call)) is not None:
            await logout.session(session_id, call.origin)
        return Answer(b"", cookies=replies.gone())

    return [
        Operation(
            "POST",
            f"{BROWSER_PATH}/logout",
            handle,
            "End the session of the cookie or of the access token",
            tag="Browser",
            surface="browser",
            guard=Guard.COOKIE,
            status=204,
            description="Takes the cookie away; answers the same whether there was a session or not. Send "
            "`Content-Type: application/json`, no body, with credentials.",
        )
    ]
