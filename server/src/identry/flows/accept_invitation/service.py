"""Token → account (a new one, or the existing one by its password) → membership → `signin.complete`.

An invitation is worth what its inviter may still give: whoever lost the right to invite leaves dead links behind.
Source: contracts/platform-api.md §4.1, §8; SECURITY §2 rows 15, 32.
"""

from __future__ import annotations

from identry import tenancy
from identry.authority import Actor, Situation, Wanted, refusal
from identry.core.clock import Clock
from identry.core.db import Database, Executor
from identry.core.ids import uuid7
from identry.core.limits import ACCEPT_INVITATION, ACCOUNT_FAILURES, Limiter
from identry.core.new_passwords import NewPasswords
from identry.core.origin import Origin
from identry.core.passwords import Passwords
from identry.core.secrets import token_hash
from identry.records import invitations, memberships, users
from identry.records.audit import Audit
from identry.records.invitations import Invitation, State
from identry.records.users import ApprovalStatus, AuthProvider, GlobalRole, User
from identry.signin import PasswordLoginDisabled, SignedIn, SignIn
from identry_kit.apierror import Conflict, Gone, NotFound, Unauthorized
from identry_kit.context import annotate


class UnknownInvitation(NotFound):
    """404: no invitation has this token (any more)."""

    message = "this invitation does not exist; a newer one may have replaced it"


class InvitationUsed(Conflict):
    """409: it was accepted before."""

    browser_code = "invitation_used"
    message = "this invitation was accepted before; sign in instead"


class InvitationExpired(Gone):
    """410: its time is over, or whoever sent it may not invite any more."""

    code = "expired"
    message = "this invitation is no longer valid; ask for a new one"


class AccountExists(Conflict):
    """409: an account with this address was made while this request was under way."""

    browser_code = "email_exists"
    message = "an account with this email already exists; accept with its password"


class WrongPassword(Unauthorized):
    """401: the address has an account, and this is not its password."""

    browser_code = "invalid_credentials"
    message = "this address has an account; accept with its password"


class AcceptInvitation:
    """Turns an invitation into a membership and a session."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        audit: Audit,
        limiter: Limiter,
        passwords: Passwords,
        new_passwords: NewPasswords,
        signin: SignIn,
        *,
        password_login: bool,
    ) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._limiter = limiter
        self._passwords = passwords
        self._new_passwords = new_passwords
        self._signin = signin
        self._password_login = password_login

    async def look(self, raw_token: str) -> Invitation:
        """The invitation of a token, as long as it can be accepted.

        Raises:
            UnknownInvitation, InvitationUsed, InvitationExpired: it cannot.
        """
        found = await invitations.find_by_token(self._db, token_hash(raw_token))
        state = found.state(self._clock.now()) if found else State.REVOKED
        if found is None or state == State.REVOKED:
            raise UnknownInvitation
        if state == State.ACCEPTED:
            raise InvitationUsed
        if state == State.EXPIRED or not await _inviter_may(self._db, found):
            raise InvitationExpired
        return found

    async def __call__(
        self, raw_token: str, password: str, full_name: str, origin: Origin, *, email: str | None = None
    ) -> SignedIn:
        """Join, and sign in.

        Args:
            raw_token: from the mail.
            password: of the existing account of the invited address, or of the one that is made now.
            full_name: of a new account; an existing one keeps its own.
            origin: the request.
            email: what the person says the address is; None: the invitation says it.

        Raises:
            PasswordLoginDisabled: `AUTH_POLICY=restricted`.
            UnknownInvitation, InvitationUsed, InvitationExpired: nothing to accept.
            UnacceptablePassword: the policy refuses the password of a new account; the invitation stays open.
            WrongPassword: not that of the existing account; the invitation stays open.
            AccountExists: made by another request meanwhile.
            Forbidden: a gate of the existing account is closed (the invitation stays open), or the second factor is
                still to come (the invitation is accepted).
            TooManyRequests, ServiceUnavailable: as at sign-in.
        """
        await self._limiter.spend(ACCEPT_INVITATION, origin.ip)
        if not self._password_login:
            raise PasswordLoginDisabled
        invitation = await self.look(raw_token)
        if email is not None and email != invitation.email:
            raise UnknownInvitation
        known = await users.find_by_email(self._db, invitation.email)
        if known is None:
            newcomer = await self._newcomer(invitation, password, full_name)
            user = await self._join(invitation, token_hash(raw_token), newcomer, origin, is_new=True)
        else:
            await self._prove(known, password, origin)
            user = await self._join(invitation, token_hash(raw_token), known, origin, is_new=False)
        return await self._signin.complete(user, ("pwd",), origin)

    async def _newcomer(self, invitation: Invitation, password: str, full_name: str) -> User:
        password_hash = await self._new_passwords.hash(password, email=invitation.email, field="password")
        now = self._clock.now()
        return User(
            id=uuid7(self._clock),
            email=invitation.email,
            password_hash=password_hash,
            full_name=full_name,
            global_role=GlobalRole.NONE,
            is_active=True,
            approval_status=ApprovalStatus.APPROVED,
            auth_provider=AuthProvider.PASSWORD,
            phone_number=None,
            profile_picture_url=None,
            email_verified=True,
            mfa_enabled=False,
            token_version=1,
            legacy_ids="{}",
            last_login_at=None,
            created_at=now,
            updated_at=now,
        )

    async def _prove(self, user: User, password: str, origin: Origin) -> None:
        """The password of the account, under the same limit as at sign-in, then the account's gates."""
        await self._limiter.spend(ACCOUNT_FAILURES, origin.ip, user.email)
        verdict = await self._passwords.verify(password, user.password_hash)
        if not verdict.ok:
            annotate(sign_in="failed")
            await self._audit.record(
                self._db,
                "auth.login.failed",
                origin,
                actor="anonymous",
                target=user.id,
                success=False,
                details={"reason": "wrong password", "by": "invitation"},
            )
            raise WrongPassword
        await self._limiter.refund(ACCOUNT_FAILURES, origin.ip, user.email)
        await self._signin.admit(user, origin)

    async def _join(self, invitation: Invitation, hashed: bytes, user: User, origin: Origin, *, is_new: bool) -> User:
        """Everything that acceptance means, or nothing of it: what raises in here rolls back what came before."""
        async with self._db.transaction() as tx:
            accepted = await invitations.accept(tx, invitation.id, hashed, self._clock.now())
            if accepted is None:
                # Accepted, revoked or renewed since it was looked at.
                current = await invitations.find_by_token(tx, hashed)
                raise InvitationUsed if current and current.accepted_at else UnknownInvitation
            if not await _inviter_may(tx, accepted):
                raise InvitationExpired
            member = await (self._create(tx, user, origin) if is_new else self._recognise(tx, user))
            await self._add_memberships(tx, accepted, member, origin)
            await self._audit.record(
                tx,
                "invitation.accepted",
                origin,
                actor=member.id,
                target=member.id,
                company_id=accepted.company_id,
                details={"invitationId": accepted.id, "role": accepted.role, "newAccount": is_new},
            )
        return member

    async def _create(self, tx: Executor, user: User, origin: Origin) -> User:
        if not await users.insert(tx, user):
            raise AccountExists
        await self._audit.record(
            tx, "user.created", origin, actor=user.id, target=user.id, details={"by": "invitation"}
        )
        return user

    async def _recognise(self, tx: Executor, proven: User) -> User:
        """The account as it is now, locked; its mailbox is proven by the token."""
        current = await users.lock(tx, proven.id)
        if current is None or current.token_version != proven.token_version or current.email != proven.email:
            raise WrongPassword
        if current.email_verified:
            return current
        return await users.update(tx, current.id, {"email_verified": True}, now=self._clock.now())

    async def _add_memberships(self, tx: Executor, invitation: Invitation, user: User, origin: Origin) -> None:
        """The company, then the business unit. What the user holds already stays as it is: no invitation lowers it."""
        now = self._clock.now()
        roles = await memberships.roles_in(tx, user.id, invitation.company_id, invitation.business_unit_id)
        if _ended_since(roles.company, invitation) or _ended_since(roles.unit, invitation):
            raise InvitationExpired
        if roles.company is None or not roles.company.is_active:
            company, is_new = await memberships.put_company(
                tx, uuid7(self._clock), invitation.company_id, user.id, invitation.role, is_active=True, now=now
            )
            await tenancy.follow(tx, self._clock, (invitation.company_id,), (user.id,))
            await self._audit_membership(tx, "company", company.role, is_new, invitation, user, origin)
        if invitation.business_unit_id is not None and (roles.unit is None or not roles.unit.is_active):
            unit, is_new = await memberships.put_business_unit(
                tx,
                uuid7(self._clock),
                invitation.company_id,
                invitation.business_unit_id,
                user.id,
                invitation.role,
                is_active=True,
                now=now,
            )
            await self._audit_membership(tx, "business_unit", unit.role, is_new, invitation, user, origin)

    async def _audit_membership(
        self, tx: Executor, kind: str, role: str, is_new: bool, invitation: Invitation, user: User, origin: Origin
    ) -> None:
        details = {"role": role, "isActive": True, "by": "invitation"}
        if kind == "business_unit":
            details["businessUnitId"] = str(invitation.business_unit_id)
        await self._audit.record(
            tx,
            f"membership.{kind}.{'created' if is_new else 'updated'}",
            origin,
            actor=user.id,
            target=user.id,
            company_id=invitation.company_id,
            details=details,
        )


def _ended_since(
    membership: memberships.CompanyMembership | memberships.BusinessUnitMembership | None, invitation: Invitation
) -> bool:
    """Whether staff ended the membership after the invitation was sent: an old link does not undo that."""
    return membership is not None and not membership.is_active and membership.updated_at > invitation.created_at


async def _inviter_may(db: Executor, invitation: Invitation) -> bool:
    """Whether who sent the invitation could still send it."""
    if invitation.invited_by is None:
        return False
    inviter = await users.find(db, invitation.invited_by)
    if inviter is None or not inviter.is_active or inviter.approval_status != ApprovalStatus.APPROVED:
        return False
    roles = await memberships.roles_in(db, inviter.id, invitation.company_id)
    situation = Situation(
        Actor(inviter.id, inviter.global_role, roles.company_role), wanted=Wanted(role=invitation.role)
    )
    return refusal("invitations", situation) is None
