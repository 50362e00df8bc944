"""GET /api/v1/auth/me: whether the session still counts, and who is in it, in one statement."""

from __future__ import annotations

from identry.browser import BROWSER_PATH, Me, Replies
from identry.profile import Profiles
from identry.web.browser_guard import belong
from identry.web.call import Call
from identry.web.guards import SessionRevoked, session_of
from identry.web.operations import Guard, Operation


def operations(replies: Replies, profiles: Profiles) -> list[Operation]:
    """The room's rows of the browser surface."""

    async def me(call: Call) -> Me:
        profile = await profiles.of_live(session_of(call.claims))
        if profile is None or not belong(call.claims, profile.tenant_id, profile.user_id):
            raise SessionRevoked
        return replies.shown(profile)

    return [
        Operation(
            "GET",
            f"{BROWSER_PATH}/me",
            me,
            "The caller in the tenant of the session",
            tag="Browser",
            surface="browser",
            guard=Guard.BROWSER_TOKEN,
            reply=Me,
        )
    ]
