"""POST /api/apps/{app_id}/service/magic-link and POST /api/auth/magic-link/verify."""

from __future__ import annotations

from typing import Annotated

import msgspec

from identry.app_refusals import REFUSALS
from identry.app_signin import Login
from identry.core.limits import MAGIC_LINK, MAGIC_LINK_VERIFY
from identry.flows.magic_link.sending import NoPage, SendMagicLink
from identry.flows.magic_link.verification import InvalidMagicLink, MagicLinkUsed, VerifyMagicLink
from identry.signin import (
    PasswordLoginDisabled,
)
from identry.web.call import Answer, Call
from identry.web.client_credentials import NO_STORE
from identry.web.operations import Guard, Operation
from identry.web.validation import ClientIdOf, Email, MfaCode, OpaqueToken


class MagicLinkBody(msgspec.Struct):
    """Who wants to sign in."""

    email: Email


class MagicLinkSent(msgspec.Struct, frozen=True, omit_defaults=True):
    """The same for every address."""

    message: str
    magic_url: Annotated[str, msgspec.Meta(description="In development only.")] = ""


class MagicLinkVerifyBody(msgspec.Struct):
    """The token of the link, and the application whose page it led to."""

    token: OpaqueToken
    client_id: ClientIdOf
    mfa_code: MfaCode = ""


def service_operations(send: SendMagicLink, *, show_link: bool) -> list[Operation]:
    """What applications ask for, on the admin port; `show_link`: development."""

    async def mail(call: Call) -> MagicLinkSent:
        url = await send(call.app, call.body.email, call.origin)
        text = "if this address belongs to a member, a mail with a link to sign in is on its way"
        return MagicLinkSent(text, url if show_link else "")

    return [
        Operation(
            "POST",
            "/api/apps/{app_id:number}/service/magic-link",
            mail,
            "Mail a link that signs a member in",
            tag="Applications",
            surface="api",
            guard=Guard.SERVICE,
            reach="app.service",
            body=MagicLinkBody,
            reply=MagicLinkSent,
            status=202,
            limits=(MAGIC_LINK,),
            errors=(NoPage, PasswordLoginDisabled),
            description="It leads to the application's `magic_link_url` with `token` and `client_id`, works once, for "
            "15 minutes, and voids the ones before. Answers the same, in the same time, for every address.",
            example={"email": "ada@example.com"},
        )
    ]


def operations(verify: VerifyMagicLink) -> list[Operation]:
    """The room's rows of the public port."""

    async def sign_in(call: Call) -> Answer:
        body: MagicLinkVerifyBody = call.body
        signed_in = await verify(body.token, body.client_id, body.mfa_code or None, call.origin)
        return Answer(signed_in, headers=NO_STORE)

    return [
        Operation(
            "POST",
            "/api/auth/magic-link/verify",
            sign_in,
            "Sign in with the token of a mailed link",
            tag="Accounts of applications",
            surface="api",
            body=MagicLinkVerifyBody,
            reply=Login,
            limits=(MAGIC_LINK_VERIFY,),
            errors=(
                InvalidMagicLink,
                MagicLinkUsed,
                *REFUSALS,
            ),
            description="Only by POST, from the page that the link leads to: programs that look into mail follow "
            "links. A link skips no second factor: with `mfa_required` send the same again with `mfa_code`.",
            example={"token": "5f2b…", "client_id": "reports"},
        )
    ]
