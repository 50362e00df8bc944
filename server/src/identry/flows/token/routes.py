"""POST /oauth/token."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from identry.core.limits import TOKEN, TOKEN_CONFIDENTIAL
from identry.flows.token.service import Asked, Token
from identry.oauth.errors import (
    AccessDenied,
    AuthorizationPending,
    ExpiredToken,
    InvalidClient,
    InvalidDpopProof,
    InvalidGrant,
    InvalidScope,
    InvalidTarget,
    OAuthRequestError,
    SlowDown,
    UnauthorizedClient,
    UnsupportedGrantType,
)
from identry.oauth.grants import TokenSet
from identry.web.call import Answer, Call
from identry.web.client_credentials import NO_STORE, ClientFields, presented
from identry.web.operations import Operation
from identry.web.provider_guard import shown_proof
from identry.web.validation import secret

_Code = Annotated[str, Meta(max_length=1024, extra={"check": secret})]


class TokenBody(ClientFields):
    """A token request; which fields it needs depends on `grant_type`."""

    grant_type: Annotated[str, Meta(max_length=200, examples=["client_credentials"])] = ""
    scope: Annotated[str, Meta(max_length=10_000, examples=["api"])] = ""
    code: _Code = ""
    redirect_uri: Annotated[str, Meta(max_length=2048)] = ""
    code_verifier: _Code = ""
    refresh_token: _Code = ""
    device_code: _Code = ""
    resource: Annotated[list[Annotated[str, Meta(max_length=1024)]], Meta(max_length=10)] = msgspec.field(
        default_factory=list
    )


def operations(token: Token) -> list[Operation]:
    """The room's rows of the operation table."""

    async def handle(call: Call) -> Answer:
        body: TokenBody = call.body
        asked = Asked(
            body.grant_type,
            body.scope,
            body.code,
            body.redirect_uri,
            body.code_verifier,
            body.refresh_token,
            body.device_code,
            tuple(body.resource),
            shown_proof(call),
        )
        issued, left = await token(asked, presented(call, body), call.origin)
        return Answer(issued, headers=NO_STORE | left)

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
            limits=(TOKEN, TOKEN_CONFIDENTIAL),
            errors=(
                OAuthRequestError,
                InvalidClient,
                InvalidGrant,
                UnauthorizedClient,
                UnsupportedGrantType,
                InvalidScope,
                InvalidTarget,
                InvalidDpopProof,
                AuthorizationPending,
                SlowDown,
                ExpiredToken,
                AccessDenied,
            ),
            description="`grant_type` is `authorization_code`, `refresh_token`, `client_credentials` or "
            "`urn:ietf:params:oauth:grant-type:device_code`. Clients authenticate with HTTP Basic, with `client_id` "
            "and `client_secret` in the body, or with `client_assertion` (`private_key_jwt`); a public one sends its "
            "`client_id`. With a `DPoP` header the tokens are bound to its key (RFC 9449). A refresh token works once; "
            "repeated within ten seconds it returns the same successor, repeated later it ends the grant.",
            example={"grant_type": "client_credentials", "client_id": "reports", "client_secret": "…"},
        )
    ]
