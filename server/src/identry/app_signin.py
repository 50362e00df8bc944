"""What every way to sign in at an application shares: a proven person becomes a grant, or is told what is missing.

Password, mailed link and invitation end here. The gates, the policies of deployment and tenant and the second factor
are those of `signin`; what is added is the application: the person is one of its members, the address is proven, and
the session is a grant to it. The code of a second factor comes with the first call (contracts/provider-api.md §7), so
nothing waits in between.
"""

from __future__ import annotations

import msgspec

from identry.core.clock import Clock
from identry.core.db import Database
from identry.core.origin import Origin
from identry.oauth.grants import Grants, Opening
from identry.records import app_members, clients, factors, seats, user_profiles
from identry.records.audit import Audit
from identry.records.clients import Client
from identry.records.users import ADMINISTRATORS, User
from identry.second_factor import FactorUnreadable, SecondFactors
from identry.signin import (
    AccountInactive,
    CredentialsChanged,
    MfaRequired,
    MfaSetupRequired,
    PasswordLoginDisabled,
    PendingApproval,
    RegistrationRejected,
    SignIn,
)
from identry_kit.apierror import BadRequest, Forbidden, Unauthorized
from identry_kit.context import annotate


class UnknownApplication(BadRequest):
    """400: no application has this `client_id`, or it is switched off."""

    message = "unknown application"


class DpopNeeded(BadRequest):
    """400: tokens of this application are bound to a key; it gets them at `/oauth/token`."""

    message = "this application needs proof of possession; sign in through /oauth/authorize"


class EmailNotVerified(Forbidden):
    """403: nobody proved yet that they read the mailbox of the address."""

    message = "email not verified"


class NotAMember(Forbidden):
    """403: the person does not belong to the application."""

    message = "not a member of this application"


class MfaCodeNeeded(Unauthorized):
    """401: the first factor was right; send the request again with `mfa_code`, a code of the app or a recovery code."""

    api_error = "mfa_required"
    message = "a code of the second factor is needed"


class WrongMfaCode(Unauthorized):
    """401: the first factor was right, the code was wrong or used before."""

    message = "invalid mfa code"


REFUSALS = (
    MfaCodeNeeded,
    WrongMfaCode,
    CredentialsChanged,
    EmailNotVerified,
    NotAMember,
    PendingApproval,
    RegistrationRejected,
    AccountInactive,
    PasswordLoginDisabled,
    MfaSetupRequired,
    FactorUnreadable,
)
"""Why a proven person gets no grant: for the operations that end here."""


class RefusedCode(BadRequest):
    """400: the code that a change of the second factor takes is wrong or was used before."""

    message = WrongMfaCode.message


class Login(msgspec.Struct, frozen=True, omit_defaults=True):
    """Somebody is signed in at an application (contracts/provider-api.md §3)."""

    access_token: str
    token_type: str
    expires_in: int
    user_id: int
    refresh_token: str = ""
    id_token: str = ""
    roles: list[str] = []
    app_roles: dict[str, str] = {}
    must_change_password: bool = False
    device_token: str = ""


class AppSignIn:
    """Signs people in at applications.

    Args:
        signin: of a surface that issues no tickets.
    """

    def __init__(
        self, db: Database, clock: Clock, audit: Audit, second: SecondFactors, signin: SignIn, grants: Grants
    ) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._second = second
        self._signin = signin
        self._grants = grants

    async def application(self, client_id: str) -> Client:
        """The application that somebody wants to sign in at.

        Raises:
            UnknownApplication: there is none, or it is switched off.
            DpopNeeded: its tokens are not to be had here.
        """
        client = await clients.find(self._db, client_id)
        if client is None or not client.is_active:
            raise UnknownApplication
        if client.require_dpop:
            raise DpopNeeded
        return client

    async def complete(
        self, user: User, client: Client, amr: tuple[str, ...], code: str | None, origin: Origin, via: str
    ) -> Login:
        """`admit`, then `open`."""
        return await self.open(user, client, await self.admit(user, client, amr, code, origin), origin, via)

    async def admit(
        self,
        user: User,
        client: Client,
        amr: tuple[str, ...],
        code: str | None,
        origin: Origin,
        *,
        mailbox_proven: bool = False,
    ) -> tuple[str, ...]:
        """All that is asked of a proven person; how they have authenticated after it. A code that was sent is used up.

        Args:
            user: as read before the proof.
            client: of `application`.
            amr: how (RFC 8176).
            code: of the second factor, as typed; None: none was sent.
            origin: the request.
            mailbox_proven: whether the proof was a mail.

        Raises:
            RegistrationRejected, PendingApproval, AccountInactive: a gate is closed (audited).
            EmailNotVerified, NotAMember: as they say (audited).
            MfaCodeNeeded, WrongMfaCode: the second factor is missing or wrong.
            PasswordLoginDisabled, MfaSetupRequired: the policy of deployment or tenant.
            RateLimited: the account used up its wrong codes.
            ServiceUnavailable: nobody can tell.
        """
        await self._signin.admit(user, origin)
        if not user.email_verified and not mailbox_proven:
            raise await self._blocked(user, EmailNotVerified, origin)
        if not await self.belongs(user, client):
            raise await self._blocked(user, NotAMember, origin)
        if user.mfa_enabled and code is not None:
            amr = await self._prove(user, amr, code, origin)
        try:
            await self._signin.clear(user, amr, origin)
        except MfaRequired:
            raise MfaCodeNeeded from None
        return amr

    async def belongs(self, user: User, client: Client) -> bool:
        """Whether somebody may use an application: its members and the platform's administrators; of an application of
        a tenant, those among them whose tenant it is.
        """
        if client.tenant_id is not None:
            places = await seats.of_user(self._db, user.id)
            if not any(place.open and place.tenant_id == client.tenant_id for place in places):
                return False
        if user.global_role in ADMINISTRATORS:
            return True
        return await app_members.find(self._db, client.id, user.id) is not None

    async def open(
        self,
        user: User,
        client: Client,
        amr: tuple[str, ...],
        origin: Origin,
        via: str,
        scopes: tuple[str, ...] | None = None,
    ) -> Login:
        """The grant of an admitted person, and its tokens; without `scopes` of all that the application may ask for.

        Raises:
            CredentialsChanged: account or application changed since the proof.
            ServiceUnavailable: the database cannot tell.
        """
        opening = Opening(
            client=client,
            user_id=user.id,
            token_version=user.token_version,
            amr=amr,
            auth_time=self._clock.now(),
            scopes=tuple(client.scopes) if scopes is None else scopes,
            signed_in=True,
            event="auth.login.succeeded",
            via=via,
        )
        opened = await self._grants.open(self._db, opening, origin)
        if opened is None:
            raise await self._blocked(user, CredentialsChanged, origin)
        annotate(sign_in="succeeded")
        tokens = await self._grants.tokens(opened)
        profile = await user_profiles.find(self._db, user.id)
        return Login(
            tokens.access_token,
            tokens.token_type,
            tokens.expires_in,
            opened.standing.number,
            tokens.refresh_token,
            tokens.id_token,
            tokens.roles,
            tokens.app_roles,
            profile.must_change_password,
        )

    async def _prove(self, user: User, amr: tuple[str, ...], code: str, origin: Origin) -> tuple[str, ...]:
        """Use up a code of the second factor; a wrong one counts for the account, whatever way it came."""
        factor = await factors.find(self._db, user.id)
        if factor is None or factor.confirmed_at is None:
            raise await self._blocked(user, CredentialsChanged, origin)
        proof = await self._second.require(user, factor, code)
        used = False
        if proof is not None:
            async with self._db.transaction() as tx:
                await factors.lock(tx, user.id)
                used = await proof.use(tx)
                if used:
                    await factors.refund_failure(tx, user.id)
                    await self._audit.record(
                        tx,
                        "auth.mfa.succeeded",
                        origin,
                        actor=user.id,
                        target=user.id,
                        details={"factor": proof.factor},
                    )
        if not used:
            annotate(sign_in="failed")
            await self._record(user, "auth.mfa.failed", "wrong code", origin)
            raise WrongMfaCode
        return tuple(dict.fromkeys((*amr, "otp", "mfa")))

    async def _blocked(
        self, user: User, refusal: type[Forbidden] | type[Unauthorized], origin: Origin
    ) -> Forbidden | Unauthorized:
        annotate(sign_in="blocked")
        await self._record(user, "auth.login.blocked", refusal.message, origin)
        return refusal()

    async def _record(self, user: User, event: str, reason: str, origin: Origin) -> None:
        await self._audit.record(
            self._db,
            event,
            origin,
            actor="anonymous" if event == "auth.mfa.failed" else user.id,
            target=user.id,
            success=False,
            details={"reason": reason},
        )
