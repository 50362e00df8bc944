"""POST /auth/logout and /auth/logout-all."""

from __future__ import annotations

import msgspec

from identry.flows.logout.service import Logout
from identry.web.call import Call
from identry.web.operations import Guard, Operation
from identry.web.validation import OpaqueToken


class LogoutBody(msgspec.Struct, rename="camel"):
    """Any refresh token of the session to end."""

    refresh_token: OpaqueToken


class LoggedOut(msgspec.Struct, rename="camel", frozen=True):
    """The session, if there was one, is over."""

    logged_out: bool = True


class LoggedOutAll(msgspec.Struct, rename="camel", frozen=True):
    """How many live sessions were ended."""

    revoked_sessions: int


def operations(logout: Logout) -> list[Operation]:
    """The room's rows of the operation table."""

    async def one(call: Call) -> LoggedOut:
        body: LogoutBody = call.body
        await logout.one(body.refresh_token, call.origin)
        return LoggedOut()

    async def everywhere(call: Call) -> LoggedOutAll:
        return LoggedOutAll(await logout.all(call.actor.user.id, call.actor.session_id, call.origin))

    return [
        Operation(
            "POST",
            "/auth/logout",
            one,
            "End the session of a refresh token",
            tag="Sign in",
            body=LogoutBody,
            reply=LoggedOut,
            description="Answers the same for unknown and expired tokens.",
            example={"refreshToken": "AZr0…"},
        ),
        Operation(
            "POST",
            "/auth/logout-all",
            everywhere,
            "End every session of the caller",
            tag="Sign in",
            guard=Guard.BEARER,
            reply=LoggedOutAll,
            description="Also voids every access token at once (`tokenVersion` + 1).",
        ),
    ]
