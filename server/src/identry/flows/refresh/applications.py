"""POST /api/auth/refresh: for applications without a secret."""

from __future__ import annotations

import msgspec

from identry.core.limits import TOKEN
from identry.flows.refresh.public import RefreshPublic
from identry.rotation import InvalidRefreshToken
from identry.web.call import Answer, Call
from identry.web.client_credentials import NO_STORE
from identry.web.operations import Operation
from identry.web.validation import OpaqueToken


class AppRefreshBody(msgspec.Struct):
    """The current refresh token."""

    refresh_token: OpaqueToken


class AppRefreshed(msgspec.Struct, frozen=True, omit_defaults=True):
    """The next tokens."""

    access_token: str
    refresh_token: str
    token_type: str
    expires_in: int
    id_token: str = ""


def operations(refresh: RefreshPublic) -> list[Operation]:
    """The room's rows of the provider surface."""

    async def handle(call: Call) -> Answer:
        tokens = await refresh(call.body.refresh_token, call.origin)
        next_ones = AppRefreshed(
            tokens.access_token, tokens.refresh_token, tokens.token_type, tokens.expires_in, tokens.id_token
        )
        return Answer(next_ones, headers=NO_STORE)

    return [
        Operation(
            "POST",
            "/api/auth/refresh",
            handle,
            "Get the next tokens of a public application",
            tag="Accounts of applications",
            surface="api",
            body=AppRefreshBody,
            reply=AppRefreshed,
            limits=(TOKEN,),
            errors=(InvalidRefreshToken,),
            description="Applications with a secret refresh at `/oauth/token`. A token works once; repeated within ten "
            "seconds it returns the same successor, repeated later it ends the grant. Counted with `/oauth/token`.",
            example={"refresh_token": "AZr0…"},
        )
    ]
