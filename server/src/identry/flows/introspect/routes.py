"""POST /oauth/introspect."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from identry.flows.introspect.service import Introspect, Introspection
from identry.oauth.errors import InvalidClient, OAuthRequestError
from identry.web.call import Answer, Call
from identry.web.client_credentials import NO_STORE, TokenFields, presented
from identry.web.operations import Operation


class IntrospectBody(TokenFields):
    """The token in question; `token_type_hint` is not needed."""

    token_type_hint: Annotated[str, Meta(max_length=100, examples=["access_token"])] = ""


def operations(introspect: Introspect) -> list[Operation]:
    """The room's rows of the operation table."""

    async def handle(call: Call) -> Answer:
        body: IntrospectBody = call.body
        return Answer(await introspect(body.needed(), presented(call, body)), headers=NO_STORE)

    return [
        Operation(
            "POST",
            "/oauth/introspect",
            handle,
            "What a token is worth now",
            tag="OAuth",
            surface="oauth",
            form="also",
            body=IntrospectBody,
            reply=Introspection,
            errors=(OAuthRequestError, InvalidClient),
            description="For resource servers that want to know at once when a token was revoked (RFC 7662). Whatever "
            "the token lacks, the answer is `active: false` and nothing more. Clients authenticate as for "
            "`POST /oauth/token`; public ones cannot.",
            example={"token": "eyJhbGciOi…", "client_id": "reports", "client_secret": "…"},
        )
    ]
