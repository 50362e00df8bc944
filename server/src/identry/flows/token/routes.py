"""POST /oauth/token."""

from __future__ import annotations

from typing import Annotated

import msgspec

from identry.flows.token.service import Asked, Token, TokenSet
from identry.oauth.errors import InvalidClient, InvalidScope, UnauthorizedClient, UnsupportedGrantType
from identry.web.call import Answer, Call
from identry.web.client_credentials import ClientFields, presented
from identry.web.operations import Operation

NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
"""RFC 6749 §5.1."""


class TokenBody(ClientFields):
    """A token request; which fields it needs depends on `grant_type`."""

    grant_type: Annotated[str, msgspec.Meta(max_length=200, examples=["client_credentials"])] = ""
    scope: Annotated[str, msgspec.Meta(max_length=10_000, examples=["api"])] = ""


def operations(token: Token) -> list[Operation]:
    """The room's rows of the operation table."""

    async def handle(call: Call) -> Answer:
        body: TokenBody = call.body
        issued = await token(Asked(body.grant_type, body.scope), presented(call, body), call.origin)
        return Answer(issued, headers=NO_STORE)

    return [
        Operation(
            "POST",
            "/oauth/token",
            handle,
            "Get tokens for a grant",
            tag="OAuth",
            surface="oauth",
            form="also",
            body=TokenBody,
            reply=TokenSet,
            errors=(InvalidClient, UnauthorizedClient, UnsupportedGrantType, InvalidScope),
            description="Clients authenticate with HTTP Basic or with `client_id` and `client_secret` in the body.",
            example={"grant_type": "client_credentials", "client_id": "reports", "client_secret": "…"},
        )
    ]
