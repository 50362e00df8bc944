"""POST /auth/refresh."""

from __future__ import annotations

import msgspec

from identry.core.limits import REFRESH
from identry.flows.refresh.service import InvalidRefreshToken, Refresh, SessionRevoked
from identry.tokens import TokenPair
from identry.web.call import Call
from identry.web.operations import Operation
from identry.web.validation import OpaqueToken


class RefreshBody(msgspec.Struct, rename="camel"):
    """The current refresh token."""

    refresh_token: OpaqueToken


def operations(refresh: Refresh) -> list[Operation]:
    """The room's rows of the operation table."""

    async def handle(call: Call) -> TokenPair:
        body: RefreshBody = call.body
        return await refresh(body.refresh_token, call.origin)

    return [
        Operation(
            "POST",
            "/auth/refresh",
            handle,
            "Rotate the refresh token and get a new access token",
            tag="Sign in",
            body=RefreshBody,
            reply=TokenPair,
            limits=(REFRESH,),
            errors=(InvalidRefreshToken, SessionRevoked),
            description="A token works once. Repeated within `REFRESH_GRACE` (10 s), while its successor is unused, it "
            "returns the same successor; repeated later it ends the session, because somebody else may hold a copy.",
            example={"refreshToken": "AZr0…"},
        )
    ]
