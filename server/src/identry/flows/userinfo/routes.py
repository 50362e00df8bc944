"""GET and POST /oauth/userinfo."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from identry.flows.userinfo.service import TellUserinfo, Userinfo
from identry.oauth.errors import InsufficientScope, InvalidToken
from identry.web.call import Answer, Call
from identry.web.client_credentials import NO_STORE
from identry.web.operations import Guard, Operation
from identry.web.provider_guard import ProviderBearer, require_scope

_DESCRIPTION = (
    "With a user's access token of scope `openid`; `email` and `profile` add what they name, applications of the "
    "operator see it all. `sub` is the one of the ID token."
)


class UserinfoBody(msgspec.Struct):
    """The access token, when it is not in the header (RFC 6750 §2.2)."""

    access_token: Annotated[str, Meta(max_length=8192)] = ""


def operations(tell: TellUserinfo, bearer: ProviderBearer) -> list[Operation]:
    """The room's rows of the operation table."""

    async def get(call: Call) -> Answer:
        if call.caller is None:
            raise InsufficientScope("an application's own token has no user")
        if not call.client.first_party:
            require_scope(call, "openid")
        scopes = tuple(call.claims.text("scope").split())
        return Answer(await tell(call.actor.user, call.client, scopes), headers=NO_STORE)

    async def post(call: Call) -> Answer:
        body: UserinfoBody = call.body
        await bearer.either(call, body.access_token)
        return await get(call)

    return [
        Operation(
            "GET",
            "/oauth/userinfo",
            get,
            "Who the user is",
            tag="OAuth",
            surface="oauth",
            guard=Guard.APP_ANY,
            reply=Userinfo,
            errors=(InsufficientScope,),
            description=_DESCRIPTION,
        ),
        Operation(
            "POST",
            "/oauth/userinfo",
            post,
            "Who the user is, asked by POST",
            tag="OAuth",
            surface="oauth",
            form="only",
            body=UserinfoBody,
            reply=Userinfo,
            errors=(InvalidToken, InsufficientScope),
            description=f"{_DESCRIPTION} The token comes as `Authorization: Bearer`, or as `access_token` in the form.",
            example={"access_token": "eyJhbGciOi…"},
        ),
    ]
