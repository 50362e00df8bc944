"""POST /oauth/par."""

from __future__ import annotations

from typing import Annotated

import msgspec

from identry.core.limits import PUSHED_REQUEST
from identry.flows.pushed_request.service import PushedRequest
from identry.oauth.errors import (
    InvalidClient,
    InvalidScope,
    InvalidTarget,
    LoginRequired,
    OAuthRequestError,
    RequestNotSupported,
    RequestUriNotSupported,
    UnauthorizedClient,
    UnmetRequirements,
    UnsupportedResponseType,
)
from identry.oauth.waiting import PUSHED_TTL
from identry.web.authorization import AuthorizationQuery
from identry.web.call import Answer, Call
from identry.web.client_credentials import ClientFields, presented
from identry.web.operations import Operation


class PushedBody(AuthorizationQuery):
    """An authorization request, and by what its client proves itself."""

    client_secret: Annotated[str, msgspec.Meta(max_length=1024)] = ""
    client_assertion_type: Annotated[str, msgspec.Meta(max_length=200)] = ""
    client_assertion: Annotated[str, msgspec.Meta(max_length=16_384)] = ""


class Pushed(msgspec.Struct, frozen=True):
    """Where the request is kept (RFC 9126 §2.2), and for how many seconds."""

    request_uri: str
    expires_in: int


def operations(push: PushedRequest) -> list[Operation]:
    """The room's rows of the operation table."""

    async def handle(call: Call) -> Answer:
        body: PushedBody = call.body
        fields = ClientFields(body.client_id, body.client_secret, body.client_assertion_type, body.client_assertion)
        request_uri = await push(body.asked(), presented(call, fields), call.origin)
        kept = Pushed(request_uri, int(PUSHED_TTL.total_seconds()))
        return Answer(kept, headers={"Cache-Control": "no-store"})

    return [
        Operation(
            "POST",
            "/oauth/par",
            handle,
            "Push an authorization request",
            tag="OAuth",
            surface="oauth",
            form="only",
            body=PushedBody,
            reply=Pushed,
            status=201,
            limits=(PUSHED_REQUEST,),
            errors=(
                InvalidClient,
                OAuthRequestError,
                UnauthorizedClient,
                UnsupportedResponseType,
                InvalidScope,
                InvalidTarget,
                LoginRequired,
                RequestNotSupported,
                RequestUriNotSupported,
                UnmetRequirements,
            ),
            description="RFC 9126: the client authenticates and sends what it would send to `/oauth/authorize`; the "
            "browser then comes there with `client_id` and `request_uri`, once, within a minute.",
            example={
                "client_id": "reports",
                "client_secret": "…",
                "response_type": "code",
                "redirect_uri": "https://app.test/cb",
                "state": "af0ifjsldkj",
                "scope": "openid email",
                "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
                "code_challenge_method": "S256",
            },
        )
    ]
