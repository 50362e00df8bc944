"""GET and POST /invite/{token}: somebody joins a company or a tenant, on a page."""

from __future__ import annotations

import msgspec

from identry.core.limits import ACCEPT_INVITATION, ACCOUNT_FAILURES, INVITATION_LOOK
from identry.flows.accept_invitation.acceptance import InvitationExpired, InvitationGone, UnknownInvitation
from identry.flows.accept_invitation.routes import REFUSALS
from identry.flows.accept_invitation.service import AcceptInvitation
from identry.hosted import Hosted
from identry.web.call import Answer, Call
from identry.web.operations import Operation
from identry.web.validation import FullName, NewPassword
from identry_kit.apierror import APIError

_PATH = "/invite/{token}"


class JoinForm(msgspec.Struct):
    """The account that joins: of a new one its password and name, of an existing one its password."""

    password: NewPassword
    full_name: FullName


def operations(accept: AcceptInvitation, hosted: Hosted) -> list[Operation]:
    """The room's pages."""

    async def show(call: Call, error: APIError | None = None) -> Answer:
        if isinstance(error, UnknownInvitation | InvitationGone | InvitationExpired):
            return await hosted.show(call, "invite_gone.html", error)
        token = call.path["token"]
        offer, ways = await accept.ways(token, call.origin)
        slug = offer.tenant.slug if offer.tenant else ""
        return await hosted.show(call, "invite.html", error, offer=offer, ways=ways, slug=slug, token=token)

    async def join(call: Call) -> Answer:
        body: JoinForm = call.body
        return await hosted.arrive(call, accept(call.path["token"], body.password, body.full_name, call.origin))

    return [
        hosted.pages.page(
            _PATH,
            show,
            "What an invitation offers",
            limits=(INVITATION_LOOK,),
            errors=(UnknownInvitation, InvitationGone, InvitationExpired),
        ),
        hosted.pages.form(
            _PATH,
            join,
            show,
            "Join, and sign in",
            body=JoinForm,
            limits=(ACCEPT_INVITATION, ACCOUNT_FAILURES),
            errors=(*REFUSALS, InvitationGone),
        ),
    ]
