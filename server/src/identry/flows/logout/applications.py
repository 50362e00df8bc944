"""POST /api/auth/logout: every session of the caller ends, at every application."""

from __future__ import annotations

import msgspec

from identry.flows.logout.service import Logout
from identry.web.call import Call
from identry.web.operations import Guard, Operation


class LoggedOutThere(msgspec.Struct, frozen=True):
    """The caller is signed out everywhere."""

    message: str = "logged out"


def operations(logout: Logout) -> list[Operation]:
    """The room's rows of the provider surface."""

    async def handle(call: Call) -> LoggedOutThere:
        await logout.all(call.actor.user.id, call.actor.session_id, call.origin)
        return LoggedOutThere()

    return [
        Operation(
            "POST",
            "/api/auth/logout",
            handle,
            "Sign out everywhere",
            tag="Accounts of applications",
            surface="api",
            guard=Guard.APP_USER,
            reply=LoggedOutThere,
            description="Ends every session of the account, at every application, and voids every access token at "
            "once (`token_version` + 1).",
        )
    ]
