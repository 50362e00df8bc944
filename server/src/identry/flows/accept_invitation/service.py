"""Token → account (a new one, or the existing one by its password) → membership → `signin.complete`.

An invitation is worth what its inviter may still give: whoever lost the right to invite leaves dead links behind.
Source: contracts/platform-api.md §4.1, §8, contracts/browser-api.md §2; SECURITY §2 rows 15, 32.
"""

from __future__ import annotations

from identry.core.clock import Clock
from identry.core.db import Database
from identry.core.ids import uuid7
from identry.core.limits import ACCEPT_INVITATION, ACCOUNT_FAILURES, INVITATION_LOOK, Limiter
from identry.core.new_passwords import NewPasswords
from identry.core.origin import Origin
from identry.core.password_tries import PasswordTries
from identry.core.passwords import Passwords
from identry.core.secrets import token_hash
from identry.flows.accept_invitation.acceptance import InvitationAcceptance, Offer, UnknownInvitation, Ways
from identry.records import users
from identry.records.audit import Audit
from identry.records.invitations import Invitation
from identry.records.users import ApprovalStatus, User
from identry.refusals import note_failed
from identry.signin import SignedIn, SignIn
from identry_kit.apierror import Unauthorized


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
        acceptance: InvitationAcceptance,
        ways: Ways,
    ) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._limiter = limiter
        self._tries = PasswordTries(passwords, limiter)
        self._new_passwords = new_passwords
        self._signin = signin
        self._acceptance = acceptance
        self._ways = ways

    async def look(self, raw_token: str) -> Offer:
        """The invitation of a token, as long as it can be accepted.

        Raises:
            UnknownInvitation, InvitationUsed, InvitationExpired: it cannot.
        """
        async with self._db.connection() as db:  # one for all that is read: a crowd queues once for each of its members
            return await self._acceptance.find(db, token_hash(raw_token))

    async def ways(self, raw_token: str, origin: Origin) -> tuple[Offer, tuple[str, ...]]:
        """As `look`, with what the invited person may prove themselves by.

        Raises:
            RateLimited: the client address looked too often.
        """
        await self._limiter.spend(INVITATION_LOOK, origin.ip)
        offer = await self.look(raw_token)
        return offer, await self._ways.of(self._db, offer)

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
            UnknownInvitation, InvitationUsed, InvitationExpired: nothing to accept.
            PasswordLoginDisabled: deployment or tenant want single sign-on.
            EmailDomainNotAllowed: deployment or tenant let in no addresses of this domain any more.
            UnacceptablePassword: the policy refuses the password of a new account; the invitation stays open.
            WrongPassword: not that of the existing account; the invitation stays open.
            AccountExists: made by another request meanwhile.
            Forbidden: a gate of the existing account is closed (the invitation stays open), or the second factor is
                still to come (the invitation is accepted).
            TooManyRequests, ServiceUnavailable: as at sign-in.
        """
        await self._limiter.spend(ACCEPT_INVITATION, origin.ip)
        offer = await self.look(raw_token)
        invitation = offer.invitation
        if email is not None and email != invitation.email:
            raise UnknownInvitation
        self._acceptance.admit(offer, "password")
        known = await users.find_by_email(self._db, invitation.email)
        if known is None:
            newcomer = await self._newcomer(invitation, password, full_name)
        else:
            await self._prove(known, password, origin)
        async with self._db.transaction() as tx:
            user = await self._acceptance.accept(
                tx,
                invitation,
                token_hash(raw_token),
                known or newcomer,
                origin,
                by="password",
                is_new=known is None,
            )
        return await self._signin.complete(user, ("pwd",), origin, tenant_id=invitation.company_id)

    async def _newcomer(self, invitation: Invitation, password: str, full_name: str) -> User:
        password_hash = await self._new_passwords.hash(password, email=invitation.email, field="password")
        return users.new(
            uuid7(self._clock),
            invitation.email,
            self._clock.now(),
            full_name=full_name,
            password_hash=password_hash,
            is_active=True,
            approval_status=ApprovalStatus.APPROVED,
            email_verified=True,
        )

    async def _prove(self, user: User, password: str, origin: Origin) -> None:
        """The password of the account, under the same limit as at sign-in, then the account's gates."""
        if not await self._tries(password, user.password_hash, ACCOUNT_FAILURES, origin.ip, user.email):
            told = {"reason": "wrong password", "by": "invitation"}
            await note_failed(self._db, self._audit, "auth.login.failed", user.id, origin, **told)
            raise WrongPassword
        await self._signin.admit(user, origin)
