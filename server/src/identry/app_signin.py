"""What every way to sign in at an application shares: a proven person becomes a grant, or is told what is missing.

Password, mailed link and invitation end here. The gates, the policies of deployment and tenant and the second factor
are those of `clearance`; what is added is the application: the person is one of its members, the address is proven, and
the session is a grant to it. The code of a second factor comes with the first call (contracts/provider-api.md §7), so
nothing waits in between.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import msgspec

from identry.app_refusals import (
    DpopNeeded,
    EmailNotVerified,
    MfaCodeNeeded,
    NotAMember,
    UnknownApplication,
    WrongMfaCode,
)
from identry.clearance import Clearance
from identry.core.clock import Clock
from identry.core.db import Database, Executor
from identry.core.origin import Origin
from identry.oauth.grants import Grants, Opened, Opening
from identry.opening import Spend, use_up
from identry.records import app_members, clients, factors, seats, user_profiles
from identry.records.audit import Audit
from identry.records.clients import Client
from identry.records.users import ADMINISTRATORS, User
from identry.refusals import CredentialsChanged, MfaRequired, note_blocked, note_failed
from identry.second_factor import SecondFactors
from identry_kit.apierror import Forbidden, Unauthorized
from identry_kit.context import annotate


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


@dataclass(frozen=True, slots=True)
class Admitted:
    """Somebody of whom nothing more is asked.

    Attributes:
        amr: how they authenticated (RFC 8176).
        spends: what uses up what proved it, in the transaction that opens the grant.
    """

    amr: tuple[str, ...]
    spends: tuple[Spend, ...] = ()

    def before(self, spend: Spend) -> Admitted:
        """The same, with something more that is used up, after the others."""
        return replace(self, spends=(*self.spends, spend))


class AppSignIn:
    """Signs people in at applications.

    Args:
        clearance: of a surface that issues no tickets.
    """

    def __init__(
        self, db: Database, clock: Clock, audit: Audit, second: SecondFactors, clearance: Clearance, grants: Grants
    ) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._second = second
        self._clearance = clearance
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
    ) -> Admitted:
        """All that is asked of a proven person. A code that was sent is looked at; `open` uses it up.

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
        await self._clearance.admit(user, origin)
        if not user.email_verified and not mailbox_proven:
            raise await self._blocked(user, EmailNotVerified, origin)
        if not await self.belongs(user, client):
            raise await self._blocked(user, NotAMember, origin)
        typed = code if user.mfa_enabled else None
        if typed is not None:
            amr = tuple(dict.fromkeys((*amr, "otp", "mfa")))  # a mailed link is "otp" as well
        try:
            await self._clearance.clear(user, amr, origin)
        except MfaRequired:
            raise MfaCodeNeeded from None
        return Admitted(amr, () if typed is None else (await self._prove(user, typed, origin),))

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
        admitted: Admitted,
        origin: Origin,
        via: str,
        scopes: tuple[str, ...] | None = None,
    ) -> Login:
        """The grant of an admitted person, and its tokens; without `scopes` of all that the application may ask for.

        Raises:
            CredentialsChanged: account or application changed since the proof.
            WrongMfaCode: the code was used meanwhile.
            APIError: whatever else uses a proof up raises.
            ServiceUnavailable: the database cannot tell.
        """
        opening = Opening(
            client=client,
            user_id=user.id,
            token_version=user.token_version,
            amr=admitted.amr,
            auth_time=self._clock.now(),
            scopes=tuple(client.scopes) if scopes is None else scopes,
            signed_in=True,
            event="auth.login.succeeded",
            via=via,
        )
        try:
            opened = await self._opened(opening, admitted.spends, origin)
        except CredentialsChanged:
            raise await self._blocked(user, CredentialsChanged, origin) from None
        except WrongMfaCode:
            raise await self._wrong_code(user, origin) from None
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

    async def _opened(self, opening: Opening, spends: tuple[Spend, ...], origin: Origin) -> Opened:
        """The grant, and what proved the person used up; both or neither.

        Raises:
            CredentialsChanged: account or application changed since the proof.
        """
        if not spends:
            opened = await self._grants.open(self._db, opening, origin)
        else:
            async with self._db.transaction() as tx:
                await use_up(tx, opening.user_id, *spends)
                if (opened := await self._grants.open(tx, opening, origin)) is None:
                    raise CredentialsChanged  # nothing is used up
        if opened is None:
            raise CredentialsChanged
        return opened

    async def _prove(self, user: User, code: str, origin: Origin) -> Spend:
        """What uses a right code of the second factor up; a wrong one counts for the account, whatever way it came."""
        factor = await factors.find(self._db, user.id)
        if factor is None or factor.confirmed_at is None:
            raise await self._blocked(user, CredentialsChanged, origin)
        proof = await self._second.require(user, factor, code)
        if proof is None:
            raise await self._wrong_code(user, origin)

        async def spend(tx: Executor) -> None:
            await factors.lock(tx, user.id)
            if not await proof.use(tx):
                raise WrongMfaCode
            await factors.refund_failure(tx, user.id)
            details = {"factor": proof.factor}
            await self._audit.record(tx, "auth.mfa.succeeded", origin, actor=user.id, target=user.id, details=details)

        return spend

    async def _wrong_code(self, user: User, origin: Origin) -> WrongMfaCode:
        await note_failed(self._db, self._audit, "auth.mfa.failed", user.id, origin, reason="wrong code")
        return WrongMfaCode()

    async def _blocked(
        self, user: User, refusal: type[Forbidden] | type[Unauthorized], origin: Origin
    ) -> Forbidden | Unauthorized:
        await note_blocked(self._db, self._audit, user.id, refusal.message, origin)
        return refusal()
