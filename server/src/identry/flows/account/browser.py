"""GET /api/v1/auth/me."""

from __future__ import annotations

from identry.browser import BROWSER_PATH, Me, Replies
from identry.web.call import Call
from identry.web.operations import Guard, Operation


def operations(replies: Replies) -> list[Operation]:
    """The room's rows of the browser surface."""

    async def me(call: Call) -> Me:
        return await replies.me(call.actor.session_id)

    return [
        Operation(
            "GET",
            f"{BROWSER_PATH}/me",
            me,
            "The caller in the tenant of the session",
            tag="Browser",
            surface="browser",
            guard=Guard.BROWSER,
            reply=Me,
        )
    ]
