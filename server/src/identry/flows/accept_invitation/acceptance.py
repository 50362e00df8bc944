"""What accepting an invitation does: memberships, groups, audit; part of the transaction of whoever proved the person.

By a password that is the room's own service; by an identity of another provider it is the flow that took it from there.
Source: contracts/browser-api.md §9, contracts/platform-api.md §8; SECURITY §2 rows 15, 32, 50.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec

from identry.core import email_domains
from identry.core.clock import Clock
from identry.core.db import Executor
from identry.core.origin import Origin
from identry.flows.accept_invitation.joining import Joining
from identry.offering import may_offer
from identry.records import invitations, tenants, users
from identry.records.audit import Audit
from identry.records.invitations import Invitation, State
from identry.records.tenants import Tenant
from identry.records.users import User
from identry.signin import CredentialsChanged, EmailDomainNotAllowed, PasswordLoginDisabled, gate
from identry.tenancy import OwnSignIn, name_of_company
from identry_kit.apierror import APIError, Conflict, Gone, NotFound


class UnknownInvitation(NotFound):
    """404: no invitation has this token (any more), or it is for another address."""

    message = "this invitation does not exist; a newer one may have replaced it"


class InvitationUsed(Conflict):
    """409: it was accepted before."""

    browser_code = "invitation_used"
    message = "this invitation was accepted before; sign in instead"


class InvitationGone(Gone):
    """410: it was accepted before."""

    code = "invitation_used"
    message = "this invitation was accepted before; sign in instead"


class InvitationExpired(Gone):
    """410: its time is over, or whoever sent it may not invite any more."""

    code = "expired"
    message = "this invitation is no longer valid; ask for a new one"


class AccountExists(Conflict):
    """409: an account with this address was made while this request was under way."""

    browser_code = "email_exists"
    message = "an account with this email already exists; accept with its password"


Proof = Literal["password", "identity"]
"""What proves the person besides the link."""


@dataclass(frozen=True, slots=True)
class Offer:
    """An invitation that can be accepted; `tenant` is None before the first membership of its company."""

    invitation: Invitation
    inviter: User
    tenant: Tenant | None

    @property
    def tenant_name(self) -> str:
        """What the tenant is, or will be, called."""
        return self.tenant.name if self.tenant else name_of_company(self.invitation.company_id)


@dataclass(frozen=True, slots=True)
class Ways:
    """What an invited person may prove themselves by.

    Attributes:
        password_login: False under `AUTH_POLICY=restricted`.
        microsoft: whether sign-in with Microsoft is configured.
        own_sign_in: whether a tenant has a sign-in of its own.
    """

    password_login: bool
    microsoft: bool
    own_sign_in: OwnSignIn

    async def of(self, db: Executor, offer: Offer) -> tuple[str, ...]:
        """The ways for one offer, whether or not its address has an account."""
        restricted = offer.tenant is not None and offer.tenant.auth_policy == "restricted"
        own = await self.own_sign_in(db, offer.invitation.company_id)
        return (
            *(["password"] if self.password_login and not restricted else []),
            *(["microsoft"] if self.microsoft and not (restricted and own) else []),
            *(["oidc"] if own else []),
        )


class InvitationAcceptance:
    """Turns an open invitation and a proven person into a membership.

    Args:
        password_login: False under `AUTH_POLICY=restricted`.
        domains: `AUTH_ALLOWED_EMAIL_DOMAINS`; a tenant's own list narrows it.
        used: what says that it was accepted before, in the words of the surface.
    """

    def __init__(
        self,
        clock: Clock,
        audit: Audit,
        *,
        password_login: bool,
        domains: tuple[str, ...] = (),
        used: type[APIError] = InvitationUsed,
    ) -> None:
        self._clock = clock
        self._audit = audit
        self._password_login = password_login
        self._domains = domains
        self._used = used
        self._joining = Joining(clock, audit)

    async def find(self, db: Executor, token_hash: bytes) -> Offer:
        """The invitation of a token, as long as it can be accepted.

        Raises:
            UnknownInvitation, InvitationUsed, InvitationExpired: it cannot.
        """
        found = self._require_open(await invitations.find_by_token(db, token_hash))
        inviter = await users.find(db, found.invited_by) if found.invited_by else None
        if inviter is None or not await may_offer(db, inviter, found):
            raise InvitationExpired
        return Offer(found, inviter, await tenants.find(db, found.company_id))

    def admit(self, offer: Offer, by: Proof) -> None:
        """The policies of deployment and tenant, which may have changed since the invitation was sent.

        Raises:
            EmailDomainNotAllowed: they let in no addresses of this domain.
            PasswordLoginDisabled: they want single sign-on, and the proof is a password.
        """
        self._admit(offer.tenant, offer.invitation.email, by)

    async def by_identity(
        self,
        tx: Executor,
        token_hash: bytes,
        user: User,
        verified_email: str | None,
        origin: Origin,
        *,
        is_new: bool = False,
    ) -> Invitation:
        """Accept for somebody whom another provider proved, in the transaction that takes that proof.

        Call it before anything else of the transaction writes, or holds a user or a tenant: the order in which rows are
        held begins here. Neither the link nor an equal address proves an account that exists: `user` is who the
        provider's identity was linked to.

        Args:
            tx: the caller's transaction; what raises in here must roll it back.
            token_hash: of the token that the pending login carries.
            user: whose identity was proven; with `is_new` the account is made here: approved, because an invited
                person waits for nobody, with the invited address, which the link proves.
            verified_email: the address that the provider tells, lower-case; None: it is not to be compared.
            origin: the request.
            is_new: whether the account is still to be made.

        Returns:
            The accepted invitation; its company is the tenant in which the session is to be opened.

        Raises:
            UnknownInvitation: there is none, or it was sent to another address than the account's or the provider's.
            InvitationUsed, InvitationExpired, EmailDomainNotAllowed: nothing to accept.
            Forbidden: a gate of the account is closed.
            CredentialsChanged, AccountExists: the account changed, or was made, since it was looked for.
        """
        offer = await self.find(tx, token_hash)
        if user.email != offer.invitation.email or verified_email not in {None, user.email}:
            raise UnknownInvitation
        gate(user)
        who = msgspec.structs.replace(user, email_verified=True) if is_new else user
        await self.accept(tx, offer.invitation, token_hash, who, origin, by="identity", is_new=is_new)
        return offer.invitation

    async def accept(
        self,
        tx: Executor,
        invitation: Invitation,
        token_hash: bytes,
        user: User,
        origin: Origin,
        *,
        by: Proof,
        is_new: bool = False,
    ) -> User:
        """Everything that acceptance means, or nothing of it: what raises in here rolls back what came before.

        Inviter and account are held, then the tenant, then the invitation: as whoever changes rights, members, groups
        or policy holds them. So none of these changes between the checks and the membership.

        `user` is who joins, as read when the proof was given; with `is_new` the account is made here. `by` is the
        proof, which the policy of the tenant may refuse.

        Raises:
            UnknownInvitation, InvitationUsed, InvitationExpired, EmailDomainNotAllowed: nothing to accept.
            CredentialsChanged: the account changed since it was read.
            PasswordLoginDisabled: the tenant wants single sign-on, and the proof is a password.
            AccountExists: somebody made the account meanwhile.
        """
        # Without holding anything first: of a crowd with one link, those who come too late wait for nobody.
        self._require_open(await invitations.find_by_token(tx, token_hash))
        held = await users.lock_all(tx, *filter(None, (invitation.invited_by, None if is_new else user.id)))
        tenant = await tenants.lock(tx, invitation.company_id)
        self._admit(tenant, invitation.email, by)
        accepted = await invitations.accept(tx, invitation.id, token_hash, self._clock.now())
        if accepted is None:
            # Accepted, revoked or renewed since it was looked at.
            current = await invitations.find_by_token(tx, token_hash)
            raise self._used if current and current.accepted_at else UnknownInvitation
        inviter = held.get(accepted.invited_by) if accepted.invited_by else None
        if inviter is None or not await may_offer(tx, inviter, accepted):
            raise InvitationExpired
        member = await (self._create(tx, user, origin) if is_new else self._recognise(tx, user, held.get(user.id)))
        if not await self._joining(tx, accepted, member, origin):
            raise InvitationExpired
        await self._record(tx, accepted, member, origin, by=by, is_new=is_new)
        return member

    def _require_open(self, found: Invitation | None) -> Invitation:
        state = found.state(self._clock.now()) if found else State.REVOKED
        if found is None or state == State.REVOKED:
            raise UnknownInvitation
        if state == State.ACCEPTED:
            raise self._used
        if state == State.EXPIRED:
            raise InvitationExpired
        return found

    def _admit(self, tenant: Tenant | None, email: str, by: Proof) -> None:
        """The policies of deployment and tenant, which may have changed since the invitation was sent."""
        if not email_domains.allowed(email, self._domains, tenant.allowed_email_domains if tenant else ()):
            raise EmailDomainNotAllowed
        if by == "password" and (not self._password_login or (tenant and tenant.auth_policy == "restricted")):
            raise PasswordLoginDisabled

    async def _create(self, tx: Executor, user: User, origin: Origin) -> User:
        if not await users.insert(tx, user):
            raise AccountExists
        await self._audit.record(
            tx, "user.created", origin, actor=user.id, target=user.id, details={"by": "invitation"}
        )
        return user

    async def _recognise(self, tx: Executor, proven: User, current: User | None) -> User:
        """The account as it is now, which is held; its mailbox is proven by the token."""
        if current is None or current.token_version != proven.token_version or current.email != proven.email:
            raise CredentialsChanged
        if current.email_verified:
            return current
        return await users.update(tx, current.id, {"email_verified": True}, now=self._clock.now())

    async def _record(
        self, tx: Executor, accepted: Invitation, member: User, origin: Origin, *, by: Proof, is_new: bool
    ) -> None:
        offered = {"role": accepted.role} if accepted.group_ids is None else {"groupIds": accepted.group_ids}
        await self._audit.record(
            tx,
            "invitation.accepted",
            origin,
            actor=member.id,
            target=member.id,
            company_id=accepted.company_id,
            details={
                "invitationId": accepted.id,
                **offered,
                "newAccount": is_new,
                **({} if by == "password" else {"by": by}),
            },
        )
