"""POST /api/v1/auth/refresh: the same rotation, with the cookie as its skin."""

from __future__ import annotations

from identry.browser import BROWSER_PATH, LoginOk, Replies
from identry.core.limits import REFRESH
from identry.flows.refresh.service import InvalidRefreshToken, Refresh, SessionRevoked
from identry.web.call import Answer, Call
from identry.web.operations import Guard, Operation


def operations(refresh: Refresh, replies: Replies) -> list[Operation]:
    """The room's rows of the browser surface."""

    async def handle(call: Call) -> Answer:
        with replies.taking_away():
            renewed = await refresh.renewed(replies.cookie.read(call) or "", call.origin)
        return await replies.session(renewed.tokens, renewed.profile)

    return [
        Operation(
            "POST",
            f"{BROWSER_PATH}/refresh",
            handle,
            "Get a new access token with the refresh cookie",
            tag="Browser",
            surface="browser",
            guard=Guard.COOKIE,
            reply=LoginOk,
            limits=(REFRESH,),
            errors=(InvalidRefreshToken, SessionRevoked),
            description="For a page that was just loaded, and before an access token expires. Send "
            "`Content-Type: application/json`, no body, with credentials. Two tabs that do so at once get the same "
            "successor. After a 401 the cookie is gone: show the sign-in page.",
        )
    ]
