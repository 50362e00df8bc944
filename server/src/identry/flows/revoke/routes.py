"""POST /oauth/revoke."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from identry.flows.revoke.service import Revoke
from identry.oauth.errors import InvalidClient, InvalidToken, OAuthRequestError
from identry.web.call import Answer, Call
from identry.web.client_credentials import NO_STORE, TokenFields, presented
from identry.web.operations import Operation
from identry.web.provider_guard import ProviderBearer


class RevokeBody(TokenFields):
    """The token to give back; `token_type_hint` is not needed."""

    token_type_hint: Annotated[str, Meta(max_length=100, examples=["refresh_token"])] = ""


class Revoked(msgspec.Struct, frozen=True):
    """Nothing to tell."""


def operations(revoke: Revoke, bearer: ProviderBearer) -> list[Operation]:
    """The room's rows of the operation table."""

    async def handle(call: Call) -> Answer:
        body: RevokeBody = call.body
        if (call.header(b"authorization") or "basic").lower().startswith("basic"):
            await revoke.by_client(body.needed(), presented(call, body), call.origin)
        else:
            await bearer.user(call)
            await revoke.by_user(body.needed(), call.actor.user.id, call.origin)
        return Answer(Revoked(), headers=NO_STORE)

    return [
        Operation(
            "POST",
            "/oauth/revoke",
            handle,
            "End a grant by one of its tokens",
            tag="OAuth",
            surface="oauth",
            form="also",
            body=RevokeBody,
            reply=Revoked,
            errors=(OAuthRequestError, InvalidClient, InvalidToken),
            description="Access or refresh token; with either the whole grant ends (RFC 7009). For the client that it "
            "was given to, authenticated as for `POST /oauth/token`, and for the user, with an access token of theirs "
            "as `Authorization: Bearer`. An unknown token is no error. `503` means that it may still be good.",
            example={"token": "AZr0…", "client_id": "reports", "client_secret": "…"},
        )
    ]
