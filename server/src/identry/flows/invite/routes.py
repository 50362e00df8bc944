"""POST, GET /internal/companies/{companyId}/invitations and DELETE …/{id}."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from identry.authority import NotAllowed
from identry.core.clock import Clock
from identry.flows.invite.service import (
    RULE,
    AlreadyAccepted,
    AlreadyMember,
    CompanyUnknown,
    Invite,
    UnknownInvitation,
)
from identry.records.invitations import Invitation
from identry.signin import EmailDomainNotAllowed
from identry.web.call import Call
from identry.web.operations import Guard, Operation
from identry.web.paging import Page, PageSize, page_of
from identry.web.validation import Email, Role


class InviteBody(msgspec.Struct, rename="camel"):
    """Who shall join, as what."""

    email: Email
    role: Role
    business_unit_id: UUID | None = None


class PageQuery(msgspec.Struct, rename="camel"):
    """Which page of the list."""

    page: Page = "1"
    page_size: PageSize = "20"


class InvitationView(msgspec.Struct, rename="camel", frozen=True):
    """An invitation; its token is only in the mail."""

    id: UUID
    company_id: UUID
    business_unit_id: UUID | None
    email: str
    role: str
    invited_by: UUID | None
    created_at: datetime
    expires_at: datetime
    accepted_at: datetime | None
    revoked_at: datetime | None
    state: str

    @classmethod
    def of(cls, row: Invitation, now: datetime) -> InvitationView:
        """The view of a row."""
        return cls(
            row.id,
            row.company_id,
            row.business_unit_id,
            row.email,
            row.role,
            row.invited_by,
            row.created_at,
            row.expires_at,
            row.accepted_at,
            row.revoked_at,
            row.state(now),
        )


class InvitationReply(msgspec.Struct, rename="camel", frozen=True):
    """One invitation."""

    invitation: InvitationView


class InvitationPage(msgspec.Struct, rename="camel", frozen=True):
    """A page of invitations."""

    invitations: list[InvitationView]
    page: int
    page_size: int
    total_count: int


_PATH = "/internal/companies/{companyId:uuid}/invitations"


def operations(invite: Invite, clock: Clock) -> list[Operation]:
    """The room's rows of the operation table."""

    async def create(call: Call) -> InvitationReply:
        body: InviteBody = call.body
        row = await invite.create(
            call.actor.user, call.path["companyId"], body.business_unit_id, body.email, body.role, call.origin
        )
        return InvitationReply(InvitationView.of(row, clock.now()))

    async def page(call: Call) -> InvitationPage:
        wanted = page_of(call.query.page, call.query.page_size)
        rows, total = await invite.list(
            call.actor.user, call.path["companyId"], limit=wanted.limit, offset=wanted.offset
        )
        views = [InvitationView.of(row, clock.now()) for row in rows]
        return InvitationPage(views, wanted.page, wanted.page_size, total)

    async def revoke(call: Call) -> InvitationReply:
        row = await invite.revoke(call.actor.user, call.path["companyId"], call.path["id"], call.origin)
        return InvitationReply(InvitationView.of(row, clock.now()))

    return [
        Operation(
            "POST",
            _PATH,
            create,
            "Invite an address into a company",
            tag="Invitations",
            guard=Guard.BEARER,
            rule=RULE,
            body=InviteBody,
            reply=InvitationReply,
            status=201,
            errors=(NotAllowed, CompanyUnknown, EmailDomainNotAllowed, AlreadyMember),
            description="Mails a link that works once, for seven days. With `businessUnitId` the role is held there as "
            "well. An open invitation of the same address is renewed; its older link opens nothing any more.",
            example={"email": "ada@example.com", "role": "MEMBER"},
        ),
        Operation(
            "GET",
            _PATH,
            page,
            "The invitations of a company, newest first",
            tag="Invitations",
            guard=Guard.BEARER,
            rule=RULE,
            query=PageQuery,
            reply=InvitationPage,
            errors=(NotAllowed,),
        ),
        Operation(
            "DELETE",
            _PATH + "/{id:uuid}",
            revoke,
            "Revoke an invitation",
            tag="Invitations",
            guard=Guard.BEARER,
            rule=RULE,
            reply=InvitationReply,
            errors=(NotAllowed, UnknownInvitation, AlreadyAccepted),
            description="Repeatable.",
        ),
    ]
