"""/api/v1/users/invite and /api/v1/users/invitations."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from identry.core.clock import Clock
from identry.core.limits import INVITATION_MAIL, INVITE
from identry.flows.tenant_invitations.queries import Sent
from identry.flows.tenant_invitations.service import (
    AlreadyClosed,
    AlreadyMember,
    GroupsUnknown,
    StrongerInvitation,
    TenantInvitations,
    UnknownInvitation,
)
from identry.permissions import BeyondOwnRights, PermissionDenied
from identry.records.invitations import Invitation
from identry.signin import EmailDomainNotAllowed
from identry.web.call import Call
from identry.web.operations import Guard, Operation
from identry.web.paging import Page, PageSize, page_of
from identry.web.validation import Email

_INVITE = "/api/v1/users/invite"
_INVITATIONS = "/api/v1/users/invitations"
_ONE = _INVITATIONS + "/{invitation_id:uuid}"

InvitationState = Literal["open", "accepted", "revoked", "expired"]


class TenantInviteBody(msgspec.Struct):
    """Who shall join, and the groups to be in from the start."""

    email: Email
    group_ids: Annotated[list[UUID], Meta(max_length=100)] = []


class TenantInvitationsQuery(msgspec.Struct):
    """Which page of the list."""

    page: Page = "1"
    page_size: PageSize = "20"


class TenantInvitedView(msgspec.Struct, frozen=True):
    """An invitation that was sent; its token is only in the mail. `email_sent` false: this server sends no mail."""

    id: UUID
    email: str
    expires_at: datetime
    email_sent: bool


class OfferedGroupView(msgspec.Struct, frozen=True):
    """A group that an invitation offers."""

    id: UUID
    name: str


class TenantInvitationView(msgspec.Struct, frozen=True):
    """An invitation; `role` is set when it offers a role in the company instead of groups."""

    id: UUID
    email: str
    groups: list[OfferedGroupView]
    role: str | None
    invited_by: str | None
    created_at: datetime
    expires_at: datetime
    state: InvitationState

    @classmethod
    def of(cls, sent: Sent, now: datetime) -> TenantInvitationView:
        """The view of an invitation."""
        row = sent.invitation
        return cls(
            row.id,
            row.email,
            [OfferedGroupView(group.id, group.name) for group in sent.groups],
            row.role if row.group_ids is None else None,
            sent.invited_by,
            row.created_at,
            row.expires_at,
            row.state(now).lower(),  # type: ignore[arg-type]  # the words of InvitationState
        )


class TenantInvitationsReply(msgspec.Struct, frozen=True):
    """One page of invitations, newest first."""

    data: list[TenantInvitationView]
    page: int
    page_size: int
    total_count: int


def operations(invitations: TenantInvitations, clock: Clock, *, mail_leaves: bool) -> list[Operation]:
    """The room's rows of the operation table."""

    def invited(row: Invitation) -> TenantInvitedView:
        return TenantInvitedView(row.id, row.email, row.expires_at, mail_leaves)

    async def invite(call: Call) -> TenantInvitedView:
        body: TenantInviteBody = call.body
        return invited(
            await invitations.invite(call.actor.user, call.tenant_id, body.email, set(body.group_ids), call.origin)
        )

    async def page(call: Call) -> TenantInvitationsReply:
        asked = page_of(call.query.page, call.query.page_size)
        found, total = await invitations.page(call.tenant_id, asked.limit, asked.offset)
        views = [TenantInvitationView.of(sent, clock.now()) for sent in found]
        return TenantInvitationsReply(views, asked.page, asked.page_size, total)

    async def resend(call: Call) -> TenantInvitedView:
        return invited(
            await invitations.resend(call.actor.user, call.tenant_id, call.path["invitation_id"], call.origin)
        )

    async def revoke(call: Call) -> bytes:
        await invitations.revoke(call.actor.user, call.tenant_id, call.path["invitation_id"], call.origin)
        return b""

    common: dict[str, Any] = {
        "tag": "Tenant invitations",
        "guard": Guard.BROWSER,
        "surface": "browser",
        "permission": "users:invite",
    }
    may_not = (PermissionDenied, StrongerInvitation)
    mails: dict[str, Any] = {**common, "limits": (INVITE, INVITATION_MAIL)}
    return [
        Operation(
            "POST",
            _INVITE,
            invite,
            "Invite an address into the tenant",
            sensitive=True,
            body=TenantInviteBody,
            reply=TenantInvitedView,
            status=201,
            errors=(*may_not, BeyondOwnRights, EmailDomainNotAllowed, GroupsUnknown, AlreadyMember),
            description="Mails a link that works once, for seven days. Nobody invites into groups that may do more "
            "than they may themselves; that is asked again when the invitation is accepted, of the groups as they "
            "are then. An open invitation of the same address is replaced; its older link opens nothing any more.",
            example={"email": "ada@example.com", "group_ids": []},
            **mails,
        ),
        Operation(
            "GET",
            _INVITATIONS,
            page,
            "List the invitations",
            query=TenantInvitationsQuery,
            reply=TenantInvitationsReply,
            errors=(PermissionDenied,),
            description="Of every state, newest first. No token is ever shown.",
            **common,
        ),
        Operation(
            "POST",
            _ONE + "/resend",
            resend,
            "Send an invitation again",
            sensitive=True,
            reply=TenantInvitedView,
            errors=(*may_not, EmailDomainNotAllowed, UnknownInvitation, AlreadyMember, AlreadyClosed),
            description="With a new link and seven new days, also when it had expired. The older link opens nothing "
            "any more, and the caller counts as the inviter from now on.",
            **mails,
        ),
        Operation(
            "DELETE",
            _ONE,
            revoke,
            "Revoke an invitation",
            sensitive=True,
            status=204,
            errors=(*may_not, UnknownInvitation, AlreadyClosed),
            description="Repeatable.",
            **common,
        ),
    ]
