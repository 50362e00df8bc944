"""GET /api/v1/auth/invitations/{token} and POST /api/v1/auth/invitations/{token}/accept."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from identry.browser import BROWSER_PATH, NEXT_STEPS, LoginOk, Replies
from identry.core.limits import ACCEPT_INVITATION, ACCOUNT_FAILURES, INVITATION_LOOK
from identry.flows.accept_invitation.acceptance import InvitationExpired, InvitationGone, UnknownInvitation
from identry.flows.accept_invitation.routes import REFUSALS
from identry.flows.accept_invitation.service import AcceptInvitation
from identry.signin import TenantInactive
from identry.web.call import Answer, Call
from identry.web.operations import Operation
from identry.web.validation import FullName, NewPassword

BROWSER_REFUSALS = (*REFUSALS, InvitationGone, TenantInactive)
"""Why an invitation cannot be accepted on this surface."""


class InvitationOffer(msgspec.Struct, frozen=True):
    """What the holder of an invitation is offered; `methods` are the ways to accept, the same for every address."""

    email: str
    tenant_name: str
    invited_by: str
    methods: list[Literal["password", "microsoft", "oidc"]]
    expires_at: datetime


class BrowserAcceptBody(msgspec.Struct):
    """The account that joins: of a new one its password and name, of an existing one its password."""

    password: NewPassword
    full_name: FullName


def operations(accept: AcceptInvitation, replies: Replies) -> list[Operation]:
    """The room's rows of the browser surface."""

    async def look(call: Call) -> InvitationOffer:
        offer, ways = await accept.ways(call.path["token"], call.origin)
        return InvitationOffer(
            offer.invitation.email,
            offer.tenant_name,
            offer.inviter.full_name,
            list(ways),  # type: ignore[arg-type]  # the words of `methods`
            offer.invitation.expires_at,
        )

    async def handle(call: Call) -> Answer:
        body: BrowserAcceptBody = call.body
        return await replies.of(accept(call.path["token"], body.password, body.full_name, call.origin))

    return [
        Operation(
            "GET",
            f"{BROWSER_PATH}/invitations/{{token}}",
            look,
            "What an invitation offers",
            tag="Browser",
            surface="browser",
            reply=InvitationOffer,
            limits=(INVITATION_LOOK,),
            errors=(UnknownInvitation, InvitationGone, InvitationExpired),
            description="For the page to which the link of the mail leads. It tells nothing about accounts.",
        ),
        Operation(
            "POST",
            f"{BROWSER_PATH}/invitations/{{token}}/accept",
            handle,
            "Accept an invitation and sign in",
            tag="Browser",
            surface="browser",
            body=BrowserAcceptBody,
            reply=LoginOk,
            or_replies=NEXT_STEPS,
            limits=(ACCEPT_INVITATION, ACCOUNT_FAILURES),
            errors=BROWSER_REFUSALS,
            description="Makes the account when the address has none (approved, active, address proven); otherwise the "
            "password must be that of the existing account, which keeps its name: the link alone opens no account. "
            "With `mfa_required` or `mfa_setup_required` the person has joined, and there is no token yet.",
            example={"password": "correct horse battery", "full_name": "Ada Lovelace"},
        ),
    ]
