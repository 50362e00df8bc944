"""The one sentence that all flows share: a proven identity becomes an MFA ticket or a session.

Every path to a session (password, second factor, invitation, and later magic link, SSO, passkey) ends in
`SignIn.complete`, so the gates and the second factor cannot be forgotten by one of them (SECURITY §1.2).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

import msgspec

from identry.core.clock import Clock
from identry.core.db import Database
from identry.core.ids import uuid7
from identry.core.origin import Origin
from identry.core.secrets import new_token, token_hash
from identry.opening import NewSession, Openings, Used, bytea
from identry.records import one_time_tokens, passkeys, seats, users
from identry.records.audit import Audit
from identry.records.one_time_tokens import Purpose
from identry.records.passkeys import Passkey
from identry.records.seats import LOCAL, Place
from identry.records.users import GlobalRole, User
from identry.refusals import (
    AccountInactive,
    CredentialsChanged,
    EmailDomainNotAllowed,
    MfaRequired,
    MfaSetupRequired,
    OwnProofRequired,
    PasswordLoginDisabled,
    PendingApproval,
    RegistrationRejected,
    TenantInactive,
    gate,
)
from identry.second_factor import FirstFactor
from identry.tokens import Grant, Mint, RefreshTokens, Seat, TokenPair
from identry_kit.apierror import Forbidden
from identry_kit.context import annotate

__all__ = [
    "LOCAL",
    "MFA_TICKET_ATTEMPTS",
    "MFA_TICKET_TTL",
    "AccountInactive",
    "CredentialsChanged",
    "Demands",
    "EmailDomainNotAllowed",
    "FirstFactor",
    "MfaRequired",
    "MfaSetupRequired",
    "OwnProofRequired",
    "PasswordLoginDisabled",
    "PendingApproval",
    "RegistrationRejected",
    "SignIn",
    "SignedIn",
    "Surface",
    "TenantInactive",
    "gate",
    "passkey_amr",
]
"""What every path to a session needs, the refusals included: other files import them from here."""

MFA_TICKET_TTL = timedelta(minutes=5)
MFA_TICKET_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session was made: its tokens, the user as signed in, and the tenant it belongs to."""

    tokens: TokenPair
    user: User
    tenant_id: UUID | None = None


def passkey_amr(passkey: Passkey) -> tuple[str, ...]:
    """What a passkey proves (RFC 8176): a key that stays in its device or may be copied, and who unlocked it."""
    return ("swk" if passkey.backup_eligible else "hwk", "user", "mfa")


@dataclass(frozen=True, slots=True)
class Surface:
    """What differs between the ways in.

    Attributes:
        mint: signs its access tokens.
        refresh_tokens: makes its refresh tokens.
        session_ttl: the horizon of a new session.
        ticket: what opens the second step; None: there is none, the code comes with the first.
        seated: whether a session belongs to a tenant.
        guided: whether a person is led through the second step: may answer with a passkey, and set up a factor that is
            demanded; elsewhere there are codes, and a plain no.
        setup: what opens that set-up.
    """

    mint: Mint
    refresh_tokens: RefreshTokens
    session_ttl: timedelta
    ticket: Purpose | None = Purpose.MFA_TICKET
    seated: bool = False
    guided: bool = False
    setup: Purpose = Purpose.MFA_SETUP


@dataclass(frozen=True, slots=True)
class Demands:
    """What the deployment asks of every sign-in; a tenant may ask for more, never for less.

    Attributes:
        password_login: False under `AUTH_POLICY=restricted`.
        mfa: `MFA_REQUIRED`.
        plan: of tenants that bought nothing.
    """

    password_login: bool = True
    mfa: bool = False
    plan: str = ""


class SignIn:
    """Turns a proven identity into a session of one surface."""

    def __init__(self, db: Database, clock: Clock, audit: Audit, surface: Surface, demands: Demands) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._surface = surface
        self._demands = demands
        self._openings = Openings(db)

    async def complete(
        self, user: User, amr: tuple[str, ...], origin: Origin, *, tenant_id: UUID | None = None
    ) -> SignedIn:
        """Gates and policy, then either a ticket for the second factor or a session with its tokens.

        Args:
            user: whose identity was proven, as read before the proof.
            amr: how (RFC 8176): `("pwd",)`, `("pwd", "otp", "mfa")` …
            origin: the request.
            tenant_id: the tenant that the session is for, on a surface where it has one; None: the newest that is open.

        Raises:
            RegistrationRejected, PendingApproval, AccountInactive, TenantInactive: a gate is closed (audited).
            PasswordLoginDisabled: deployment or tenant want single sign-on.
            MfaRequired: with `details.mfaToken`, when `amr` lacks `mfa` and the user has an authenticator app, or a
                passkey while deployment or tenant demand a second factor.
            MfaSetupRequired: deployment or tenant demand a second factor, and the user has none.
            OwnProofRequired: a tenant's own provider vouched for an account that is not that tenant's alone, the user
                has no second factor, and one is demanded or the session would reach beyond that tenant.
            CredentialsChanged: the account changed since the proof.
        """
        seat = await self.clear(user, amr, origin, tenant_id=tenant_id)
        return await self._open(user, amr, seat, origin) or await self._refuse_changed(user, origin)

    async def complete_using(
        self,
        used: Used,
        user: User,
        amr: tuple[str, ...],
        origin: Origin,
        *,
        places: list[Place],
        tenant_id: UUID | None = None,
    ) -> SignedIn | None:
        """`complete` after a second factor in one statement, which uses the proof up; None: nothing has happened.

        The caller then goes step by step, which tells why: a gate is closed, the proof was used before, the account
        changed.

        Args:
            used: what proves the second factor, and how it is used up.
            user: as in `complete`.
            amr: as in `complete`, `mfa` among it.
            origin: the request.
            places: of the user, as read before the proof.
            tenant_id: as in `complete`.
        """
        try:
            gate(user)
            seat, _ = self._obey(amr, places, tenant_id)
        except Forbidden:
            return None
        return await self._open(user, amr, seat, origin, used)

    async def clear(
        self, user: User, amr: tuple[str, ...], origin: Origin, *, tenant_id: UUID | None = None
    ) -> Seat | None:
        """All that `complete` asks before it opens a session; for those who open one of another kind after it.

        Raises:
            as `complete`, but for CredentialsChanged: whoever opens the session asks that.
        """
        await self.admit(user, origin)
        places = await seats.of_user(self._db, user.id)
        try:
            seat, obeyed = self._obey(amr, places, tenant_id)
        except Forbidden as closed:
            await self._audit_blocked(user, closed.code, origin)
            raise
        beyond = _vouched_beyond(user, amr, places, tenant_id)
        if beyond and not self._surface.seated:  # such a session reaches all tenants, and what staff may do
            if methods := await self._second_factors(user, demanded=True):
                raise await self._challenge(user, seats.VOUCHED, methods, origin, tenant_id)
            raise await self._own_proof_required(user, origin)
        if "mfa" not in amr:
            demanded = self._demands.mfa or any(place.mfa_required for place in obeyed)
            if methods := await self._second_factors(user, demanded=demanded):
                annotate(sign_in="mfa_required")
                raise await self._challenge(user, amr, methods, origin, tenant_id)
            if demanded and beyond:
                raise await self._own_proof_required(user, origin)
            if demanded:
                annotate(sign_in="mfa_setup_required")
                raise await self._demand_setup(user, amr, origin, tenant_id)
        return seat

    def _obey(
        self, amr: tuple[str, ...], places: list[Place], tenant_id: UUID | None
    ) -> tuple[Seat | None, list[Place]]:
        """Where a session that begins like this would sit, and the open places that it answers to.

        Raises:
            TenantInactive, PasswordLoginDisabled: none of this user's, or not begun like this.
        """
        seat = None
        if self._surface.seated:
            places = [place for place in places if tenant_id in {None, place.tenant_id}][:1]
            if not places or not places[0].open:
                raise TenantInactive
            seat = Seat(places[0].tenant_id, places[0].role, places[0].plan or self._demands.plan)
        # A session of a tenant obeys that tenant; one of the platform reaches all of the user's, so it obeys them all.
        obeyed = [place for place in places if place.open]
        if amr[0] in LOCAL and not self._local_may(obeyed):
            raise PasswordLoginDisabled
        return seat, obeyed

    async def _second_factors(self, user: User, *, demanded: bool) -> list[str]:
        """What may finish this sign-in. A passkey alone asks for nothing; where something else asks, it may answer."""
        codes = ["totp", "recovery_code"] if user.mfa_enabled else []
        asked = self._surface.guided and (demanded or user.mfa_enabled)
        return [*codes, "passkey"] if asked and await passkeys.has_any(self._db, user.id) else codes

    def _local_may(self, obeyed: list[Place]) -> bool:
        return self._demands.password_login and all(place.auth_policy != "restricted" for place in obeyed)

    async def admit(self, user: User, origin: Origin) -> None:
        """The gates alone, for a flow that has something to do between the proof and `complete`.

        Raises:
            RegistrationRejected, PendingApproval, AccountInactive: a gate is closed (audited as blocked).
        """
        try:
            gate(user)
        except Forbidden as closed:
            await self._audit_blocked(user, closed.code, origin)
            raise

    async def _audit_blocked(self, user: User, reason: str, origin: Origin) -> None:
        annotate(sign_in="blocked")
        await self._audit.record(
            self._db,
            "auth.login.blocked",
            origin,
            actor=user.id,
            target=user.id,
            success=False,
            details={"reason": reason},
        )

    async def _own_proof_required(self, user: User, origin: Origin) -> OwnProofRequired:
        await self._audit_blocked(user, OwnProofRequired.code, origin)
        return OwnProofRequired()

    async def _challenge(
        self, user: User, amr: tuple[str, ...], methods: list[str], origin: Origin, tenant_id: UUID | None
    ) -> MfaRequired:
        if self._surface.ticket is None:
            return MfaRequired()
        first = FirstFactor(amr, user.token_version, tenant_id)
        ticket = await self._issue(self._surface.ticket, user, first, "auth.mfa.challenged", origin)
        return MfaRequired(details={"mfaToken": ticket, "methods": methods})

    async def _demand_setup(
        self, user: User, amr: tuple[str, ...], origin: Origin, tenant_id: UUID | None
    ) -> MfaSetupRequired:
        """Where people are guided with a ticket that opens the set-up and nothing else; elsewhere it is a plain no."""
        if not self._surface.guided:
            await self._audit_blocked(user, MfaSetupRequired.code, origin)
            return MfaSetupRequired()
        first = FirstFactor(amr, user.token_version, tenant_id)
        ticket = await self._issue(self._surface.setup, user, first, "auth.mfa.setup_demanded", origin)
        return MfaSetupRequired(details={"sessionToken": ticket})

    async def _issue(self, purpose: Purpose, user: User, first: FirstFactor, event: str, origin: Origin) -> str:
        ticket, now = new_token(), self._clock.now()
        async with self._db.transaction() as tx:
            await one_time_tokens.issue(
                tx,
                purpose,
                user.id,
                token_hash(ticket),
                now=now,
                expires_at=now + MFA_TICKET_TTL,
                attempts=MFA_TICKET_ATTEMPTS,
                data=msgspec.json.encode(first).decode(),
            )
            await self._audit.record(tx, event, origin, actor=user.id, target=user.id)
        return ticket

    async def _open(
        self, user: User, amr: tuple[str, ...], seat: Seat | None, origin: Origin, used: Used | None = None
    ) -> SignedIn | None:
        """The session; None when the account changed since it was read, or what was to be used up was used."""
        session_id, now = uuid7(self._clock), self._clock.now()
        tenant_id = seat.tenant_id if seat else None
        refresh_token = self._surface.refresh_tokens.new(session_id)
        expires_at = now + self._surface.session_ttl
        new = NewSession(
            session_id,
            now,
            user.id,
            user.token_version,
            expires_at,
            amr,
            bytea(refresh_token.hash),
            origin.ip,
            origin.user_agent,
            origin.request_id,
            tenant_id,
            *sorted((uuid7(self._clock), uuid7(self._clock))),
        )
        if not await self._openings.open(new, used):
            return None
        annotate(sign_in="succeeded")
        grant = Grant(session_id, user.id, user.global_role, user.token_version, list(amr), now, expires_at, seat)
        tokens = await self._surface.mint.pair(grant, refresh_token.raw)
        return SignedIn(tokens, replace(user, last_login_at=now), tenant_id)

    async def _refuse_changed(self, user: User, origin: Origin) -> SignedIn:
        """Say what happened to the account since it was read; the proof that was given counts no more."""
        current = await users.find(self._db, user.id)
        if current is not None:
            await self.admit(current, origin)
        await self._audit_blocked(user, "account changed during sign-in", origin)
        raise CredentialsChanged


def _vouched_beyond(user: User, amr: tuple[str, ...], places: list[Place], tenant_id: UUID | None) -> bool:
    """Whether nobody but a tenant's own provider vouches for an account that is not that tenant's alone.

    Whoever runs that provider could be anybody of the tenant, so it takes a proof that nobody else has (decision 0093).
    """
    shared = user.global_role != GlobalRole.NONE or any(place.tenant_id != tenant_id for place in places)
    return shared and seats.only_vouched(amr)
