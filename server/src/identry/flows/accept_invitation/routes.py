"""GET /auth/invitations/{token} and POST /auth/invitations/accept."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from identry.core.limits import ACCEPT_INVITATION, ACCOUNT_FAILURES
from identry.core.new_passwords import UnacceptablePassword
from identry.flows.accept_invitation.acceptance import (
    AccountExists,
    InvitationExpired,
    InvitationUsed,
    UnknownInvitation,
)
from identry.flows.accept_invitation.service import AcceptInvitation, WrongPassword
from identry.signin import (
    AccountInactive,
    CredentialsChanged,
    EmailDomainNotAllowed,
    MfaRequired,
    MfaSetupRequired,
    PasswordLoginDisabled,
    PendingApproval,
    RegistrationRejected,
)
from identry.web.call import Call
from identry.web.operations import Operation
from identry.web.validation import FullName, NewPassword, OpaqueToken
from identry.web.views import SignedInView

REFUSALS = (
    UnknownInvitation,
    InvitationExpired,
    AccountExists,
    WrongPassword,
    UnacceptablePassword,
    PasswordLoginDisabled,
    EmailDomainNotAllowed,
    CredentialsChanged,
    PendingApproval,
    RegistrationRejected,
    AccountInactive,
)
"""Why an invitation cannot be accepted, on every surface; that it was used is said in the words of each."""


class OfferView(msgspec.Struct, rename="camel", frozen=True):
    """What the holder of an invitation is offered."""

    email: str
    company_id: UUID
    role: str
    expires_at: datetime


class AcceptBody(msgspec.Struct, rename="camel"):
    """The token of the mail, and the account that joins."""

    token: OpaqueToken
    password: NewPassword
    full_name: FullName


def operations(accept: AcceptInvitation) -> list[Operation]:
    """The room's rows of the operation table."""

    async def look(call: Call) -> OfferView:
        offer = (await accept.look(call.path["token"])).invitation
        return OfferView(offer.email, offer.company_id, offer.role, offer.expires_at)

    async def handle(call: Call) -> SignedInView:
        body: AcceptBody = call.body
        signed_in = await accept(body.token, body.password, body.full_name, call.origin)
        return SignedInView.of(signed_in.tokens, signed_in.user)

    return [
        Operation(
            "GET",
            "/auth/invitations/{token}",
            look,
            "What an invitation offers",
            tag="Invitations",
            reply=OfferView,
            errors=(UnknownInvitation, InvitationUsed, InvitationExpired),
        ),
        Operation(
            "POST",
            "/auth/invitations/accept",
            handle,
            "Accept an invitation and sign in",
            tag="Invitations",
            body=AcceptBody,
            reply=SignedInView,
            limits=(ACCEPT_INVITATION, ACCOUNT_FAILURES),
            errors=(*REFUSALS, InvitationUsed, MfaRequired, MfaSetupRequired),
            description="Makes the account when the address has none (approved, active, address proven); otherwise the "
            "password must be that of the existing account, which keeps its name. With a second factor the answer is "
            "`mfa_required`; the invitation is accepted then.",
            example={"token": "hvZ0…", "password": "correct horse battery", "fullName": "Ada Lovelace"},
        ),
    ]
