"""Invite, list, send again and revoke. Source: contracts/browser-api.md §9; SECURITY §2 rows 32 and 50."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from identry.core import email_domains
from identry.core.clock import Clock
from identry.core.db import Database, Executor
from identry.core.ids import uuid7
from identry.core.limits import INVITATION_MAIL, INVITE, Limiter
from identry.core.mail import Outbox
from identry.core.mail.outbox import instant
from identry.core.origin import Origin
from identry.core.secrets import new_token, token_hash
from identry.flows.tenant_invitations import queries
from identry.flows.tenant_invitations.queries import Sent
from identry.offering import PERMISSION, may_offer
from identry.permissions import hold, require_within
from identry.records import groups, invitations, tenants
from identry.records.audit import Audit
from identry.records.invitations import Invitation, State
from identry.records.users import User
from identry.signin import EmailDomainNotAllowed
from identry_kit.apierror import Conflict, Forbidden, NotFound

_ROLE = "MEMBER"
"""What whoever joins only the tenant is in its company, where a role has to be named."""


class UnknownInvitation(NotFound):
    """404: this tenant has no such invitation."""

    message = "invitation not found"


class GroupsUnknown(NotFound):
    """404: this tenant has not all of these groups."""

    message = "group not found"


class AlreadyMember(Conflict):
    """409: the address belongs to an active member of the tenant."""

    code = "already_member"
    message = "this address already belongs to a member; change the groups instead"


class AlreadyClosed(Conflict):
    """409: the invitation was accepted or revoked."""

    message = "the invitation was accepted or revoked; send a new one if it is needed"


class StrongerInvitation(Forbidden):
    """403: the invitation of this address offers more than the caller may give: only its likes replace, renew or end
    it.
    """

    code = "permission_denied"
    message = "there is an invitation of this address that offers more than you may give"


@dataclass(frozen=True, slots=True)
class Policy:
    """What the deployment says about invitations.

    Attributes:
        ttl: how long a link works.
        domains: `AUTH_ALLOWED_EMAIL_DOMAINS`; a tenant's own list narrows it.
    """

    ttl: timedelta
    domains: tuple[str, ...] = ()


class TenantInvitations:
    """Asks addresses to join tenants."""

    def __init__(
        self, db: Database, clock: Clock, audit: Audit, limiter: Limiter, outbox: Outbox, policy: Policy
    ) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._limiter = limiter
        self._outbox = outbox
        self._policy = policy

    async def page(self, tenant_id: UUID, limit: int, offset: int) -> tuple[list[Sent], int]:
        """One page of the invitations, newest first, and how many there are."""
        return await queries.page(self._db, tenant_id, limit, offset)

    async def invite(
        self, caller: User, tenant_id: UUID, email: str, group_ids: set[UUID], origin: Origin
    ) -> Invitation:
        """Mail a link to the address; an open invitation of the same address is replaced, its older link void.

        Raises:
            RateLimited: the caller, or the address, used up its mails.
            PermissionDenied, BeyondOwnRights: the caller may not invite, or not into these groups.
            EmailDomainNotAllowed: deployment or tenant let in no addresses of this domain.
            GroupsUnknown: the tenant has not all of these groups.
            AlreadyMember: there is nothing to join.
            StrongerInvitation: the open one is beyond the caller.
        """
        await self._spend(caller, tenant_id, email)
        raw_token = new_token()
        async with self._db.transaction() as tx:
            held = await hold(tx, tenant_id, caller.id, PERMISSION)
            found = await groups.of_ids(tx, tenant_id, list(group_ids))
            if {group.id for group in found} != group_ids:
                raise GroupsUnknown
            require_within(held.rights, {key for group in found for key in group.permissions})
            name = await self._admit(tx, tenant_id, email)
            replaced = await invitations.find_open(tx, tenant_id, email)
            if replaced is not None and not await may_offer(tx, caller, replaced):
                raise StrongerInvitation
            drafted = self._draft(caller, tenant_id, email, sorted(group_ids))
            stored, is_new = await invitations.put(tx, drafted, token_hash(raw_token))
            await self._send(tx, stored, raw_token, caller, name)
            await self._record(tx, "invitation.created", stored, caller, origin, {"renewed": not is_new})
        return stored

    async def resend(self, caller: User, tenant_id: UUID, invitation_id: UUID, origin: Origin) -> Invitation:
        """Mail a new link for an invitation that is open or has expired; the older link is void, the time runs anew.

        From now on the caller is its inviter: the invitation is worth what the caller may give.

        Raises:
            RateLimited: the caller, or the address, used up its mails.
            PermissionDenied: the caller may not invite.
            UnknownInvitation, AlreadyClosed: there is none to send.
            EmailDomainNotAllowed, AlreadyMember, StrongerInvitation: as when inviting.
        """
        found = await invitations.find(self._db, tenant_id, invitation_id)
        if found is None:
            raise UnknownInvitation
        await self._spend(caller, tenant_id, found.email)
        raw_token = new_token()
        async with self._db.transaction() as tx:
            await hold(tx, tenant_id, caller.id, PERMISSION)
            current = await self._lock(tx, caller, tenant_id, invitation_id)
            name = await self._admit(tx, tenant_id, current.email)
            now = self._clock.now()
            wanted = replace(current, invited_by=caller.id, created_at=now, expires_at=now + self._policy.ttl)
            renewed = await invitations.renew(tx, wanted, token_hash(raw_token))
            if renewed is None:
                raise AlreadyClosed
            await self._send(tx, renewed, raw_token, caller, name)
            await self._record(tx, "invitation.resent", renewed, caller, origin)
        return renewed

    async def revoke(self, caller: User, tenant_id: UUID, invitation_id: UUID, origin: Origin) -> None:
        """End an invitation; repeatable.

        Raises:
            PermissionDenied, StrongerInvitation: the caller may not invite, or could not have sent this one.
            UnknownInvitation: the tenant has none of that id.
            AlreadyClosed: it was accepted.
        """
        async with self._db.transaction() as tx:
            await hold(tx, tenant_id, caller.id, PERMISSION)
            found = await self._lock(tx, caller, tenant_id, invitation_id)
            if found.accepted_at is not None:
                raise AlreadyClosed
            if found.revoked_at is None:
                await invitations.revoke(tx, found.id, self._clock.now())
                await self._record(tx, "invitation.revoked", found, caller, origin)

    async def _spend(self, caller: User, tenant_id: UUID, email: str) -> None:
        await self._limiter.spend(INVITE, str(caller.id))
        await self._limiter.spend(INVITATION_MAIL, str(tenant_id), email)

    async def _admit(self, tx: Executor, tenant_id: UUID, email: str) -> str:
        """Whether the address may come in at all; the name of the tenant."""
        tenant = await tenants.find(tx, tenant_id)
        assert tenant is not None
        if not email_domains.allowed(email, self._policy.domains, tenant.allowed_email_domains):
            raise EmailDomainNotAllowed
        if await queries.is_member(tx, tenant_id, email):
            raise AlreadyMember
        return tenant.name

    async def _lock(self, tx: Executor, caller: User, tenant_id: UUID, invitation_id: UUID) -> Invitation:
        found = await invitations.lock(tx, tenant_id, invitation_id)
        if found is None:
            raise UnknownInvitation
        if found.state(self._clock.now()) in {State.OPEN, State.EXPIRED} and not await may_offer(tx, caller, found):
            raise StrongerInvitation
        return found

    def _draft(self, caller: User, tenant_id: UUID, email: str, group_ids: list[UUID]) -> Invitation:
        now = self._clock.now()
        return Invitation(
            id=uuid7(self._clock),
            company_id=tenant_id,
            business_unit_id=None,
            email=email,
            role=_ROLE,
            invited_by=caller.id,
            created_at=now,
            expires_at=now + self._policy.ttl,
            accepted_at=None,
            revoked_at=None,
            group_ids=group_ids,
        )

    async def _send(self, tx: Executor, invitation: Invitation, raw_token: str, caller: User, tenant: str) -> None:
        await self._outbox.enqueue(
            tx,
            template="tenant_invitation",
            to=invitation.email,
            context={
                "inviter_name": caller.full_name,
                "company_name": tenant,
                "token": raw_token,
                "expires_at": instant(invitation.expires_at),
            },
        )

    async def _record(
        self,
        tx: Executor,
        event: str,
        invitation: Invitation,
        caller: User,
        origin: Origin,
        more: dict[str, object] | None = None,
    ) -> None:
        details = {"invitationId": invitation.id, "groupIds": invitation.group_ids, **(more or {})}
        await self._audit.record(tx, event, origin, actor=caller.id, company_id=invitation.company_id, details=details)
