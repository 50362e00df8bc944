"""Create, list and revoke invitations. Authority: the row `invitations` of contracts/platform-api.md §8."""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol
from uuid import UUID

from identry.authority import Actor, NotAllowed, Situation, Wanted, require, require_standing
from identry.core import email_domains
from identry.core.clock import Clock
from identry.core.db import Database, Executor
from identry.core.ids import uuid7
from identry.core.mail import Outbox
from identry.core.mail.outbox import instant
from identry.core.origin import Origin
from identry.core.secrets import new_token, token_hash
from identry.offering import MATRIX_ROW, may_offer
from identry.records import invitations, memberships, tenants, users
from identry.records.audit import Audit
from identry.records.invitations import Invitation, State
from identry.records.users import User
from identry.signin import EmailDomainNotAllowed
from identry_kit.apierror import Conflict, NotFound

RULE = MATRIX_ROW


class AlreadyMember(Conflict):
    """409: the address belongs to an active member."""

    message = "this address already belongs to an active member"


class AlreadyAccepted(Conflict):
    """409: an accepted invitation cannot be revoked; change the membership instead."""

    message = "the invitation was accepted; change the membership instead"


class UnknownInvitation(NotFound):
    """404: this company has no such invitation."""

    message = "invitation not found"


class CompanyUnknown(NotFound):
    """404: the directory of companies knows no such company."""

    message = "company not found"


class CompanyDirectory(Protocol):
    """Who knows which companies exist (the Finance database)."""

    async def exists(self, company_id: UUID) -> bool:
        """Whether there is such a company.

        Raises:
            ServiceUnavailable: it cannot be told.
        """


class Invite:
    """Asks addresses to join companies.

    Args:
        ttl: how long a link works (seven days).
        companies: knows which companies exist; None: every id is taken as it is.
        domains: `AUTH_ALLOWED_EMAIL_DOMAINS`; a tenant's own list narrows it.
    """

    def __init__(
        self,
        db: Database,
        clock: Clock,
        audit: Audit,
        outbox: Outbox,
        ttl: timedelta,
        companies: CompanyDirectory | None = None,
        domains: tuple[str, ...] = (),
    ) -> None:
        self._domains = domains
        self._companies = companies
        self._db = db
        self._clock = clock
        self._audit = audit
        self._outbox = outbox
        self._ttl = ttl

    async def create(
        self, caller: User, company_id: UUID, business_unit_id: UUID | None, email: str, role: str, origin: Origin
    ) -> Invitation:
        """Mail a link to the address; an open invitation of the same address is renewed, its older link void.

        Raises:
            NotAllowed: the caller may not invite with that role.
            CompanyUnknown: no such company.
            EmailDomainNotAllowed: deployment or tenant let in no addresses of this domain.
            AlreadyMember: nothing is left to join.
        """
        actor = await self._actor(self._db, caller, company_id)
        require(RULE, Situation(actor, wanted=Wanted(role=role)))
        if self._companies is not None and not await self._companies.exists(company_id):
            raise CompanyUnknown
        tenant = await tenants.find(self._db, company_id)
        if not email_domains.allowed(email, self._domains, tenant.allowed_email_domains if tenant else ()):
            raise EmailDomainNotAllowed
        raw_token = new_token()
        async with self._db.transaction() as tx:
            # Asked again inside: a renewal replaces somebody's invitation, which must be within the caller's reach too.
            member = await self._is_member(tx, company_id, business_unit_id, email)
            replaced = await invitations.find_open(tx, company_id, email)
            if replaced is not None and not member and not await may_offer(tx, caller, replaced):
                raise NotAllowed
            if not member:
                drafted = self._draft(caller, company_id, business_unit_id, email, role)
                stored = await self._store(tx, drafted, raw_token, caller, origin)
        if member:
            raise AlreadyMember
        return stored

    def _draft(
        self, caller: User, company_id: UUID, business_unit_id: UUID | None, email: str, role: str
    ) -> Invitation:
        now = self._clock.now()
        return Invitation(
            id=uuid7(self._clock),
            company_id=company_id,
            business_unit_id=business_unit_id,
            email=email,
            role=role,
            invited_by=caller.id,
            created_at=now,
            expires_at=now + self._ttl,
            accepted_at=None,
            revoked_at=None,
        )

    async def _store(
        self, tx: Executor, drafted: Invitation, raw_token: str, caller: User, origin: Origin
    ) -> Invitation:
        stored, is_new = await invitations.put(tx, drafted, token_hash(raw_token))
        await self._outbox.enqueue(
            tx,
            template="invitation",
            to=stored.email,
            context={
                "inviter_name": caller.full_name,
                "role": stored.role,
                "token": raw_token,
                "expires_at": instant(stored.expires_at),
            },
        )
        await self._audit.record(
            tx,
            "invitation.created",
            origin,
            actor=caller.id,
            company_id=stored.company_id,
            details={"invitationId": stored.id, "role": stored.role, "renewed": not is_new},
        )
        return stored

    async def list(self, caller: User, company_id: UUID, *, limit: int, offset: int) -> tuple[list[Invitation], int]:
        """One page of the company's invitations, newest first, and how many there are.

        Raises:
            NotAllowed: the caller may not invite into this company.
        """
        require_standing([RULE], [await self._actor(self._db, caller, company_id)])
        return await invitations.list_of(self._db, company_id, limit=limit, offset=offset)

    async def revoke(self, caller: User, company_id: UUID, invitation_id: UUID, origin: Origin) -> Invitation:
        """End an invitation; repeatable.

        Raises:
            NotAllowed: the caller may not invite into this company, or not with that role.
            UnknownInvitation: the company has none of that id.
            AlreadyAccepted: too late.
        """
        actor = await self._actor(self._db, caller, company_id)
        require_standing([RULE], [actor])
        async with self._db.transaction() as tx:
            now = self._clock.now()
            found = await invitations.lock(tx, company_id, invitation_id)
            if found is None:
                raise UnknownInvitation
            if not await may_offer(tx, caller, found):
                raise NotAllowed
            if found.state(now) == State.ACCEPTED:
                raise AlreadyAccepted
            if found.revoked_at is None:
                await invitations.revoke(tx, found.id, now)
                await self._audit.record(
                    tx,
                    "invitation.revoked",
                    origin,
                    actor=caller.id,
                    company_id=company_id,
                    details={"invitationId": found.id, "role": found.role},
                )
            revoked = await invitations.lock(tx, company_id, invitation_id)
        assert revoked is not None
        return revoked

    @staticmethod
    async def _actor(db: Executor, caller: User, company_id: UUID) -> Actor:
        roles = await memberships.roles_in(db, caller.id, company_id)
        return Actor(caller.id, caller.global_role, roles.company_role)

    @staticmethod
    async def _is_member(tx: Executor, company_id: UUID, business_unit_id: UUID | None, email: str) -> bool:
        """Whether the address has nothing to gain: an active member (of the business unit too, when one is named)."""
        user = await users.find_by_email(tx, email)
        if user is None:
            return False
        roles = await memberships.roles_in(tx, user.id, company_id, business_unit_id)
        return (roles.company_role if business_unit_id is None else roles.unit_role) is not None
