"""What is asked of somebody whose identity is proven, before anything is opened for them.

The gates of the account, what deployment and tenants demand, and the second factor: whoever has another step to take
gets a ticket for it. What is opened then is for `signin`, or for who opens sessions of another kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import msgspec

from identry.core.clock import Clock
from identry.core.db import Database
from identry.core.origin import Origin
from identry.core.secrets import new_token, token_hash
from identry.opening import Spend, use_up
from identry.records import one_time_tokens, passkeys, seats
from identry.records.audit import Audit
from identry.records.one_time_tokens import Purpose
from identry.records.seats import LOCAL, Place
from identry.records.users import GlobalRole, User
from identry.refusals import (
    MfaRequired,
    MfaSetupRequired,
    OwnProofRequired,
    PasswordLoginDisabled,
    TenantInactive,
    gate,
    note_blocked,
)
from identry.second_factor import FirstFactor
from identry.tokens import Mint, RefreshTokens, Seat
from identry_kit.apierror import Forbidden
from identry_kit.context import annotate

MFA_TICKET_TTL = timedelta(minutes=5)
MFA_TICKET_ATTEMPTS = 5


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


class Clearance:
    """Asks, as one surface does."""

    def __init__(self, db: Database, clock: Clock, audit: Audit, surface: Surface, demands: Demands) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._surface = surface
        self._demands = demands

    async def clear(
        self,
        user: User,
        amr: tuple[str, ...],
        origin: Origin,
        *,
        tenant_id: UUID | None = None,
        spend: Spend | None = None,
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
        first = FirstFactor(amr, user.token_version, tenant_id)
        if beyond and not self._surface.seated:  # such a session reaches all tenants, and what staff may do
            if methods := await self._second_factors(user, demanded=True):
                first = msgspec.structs.replace(first, amr=seats.VOUCHED)
                raise await self._challenge(user, first, methods, origin, spend)
            raise await self._own_proof_required(user, origin)
        if "mfa" not in amr:
            demanded = self._demands.mfa or any(place.mfa_required for place in obeyed)
            if methods := await self._second_factors(user, demanded=demanded):
                annotate(sign_in="mfa_required")
                raise await self._challenge(user, first, methods, origin, spend)
            if demanded and beyond:
                raise await self._own_proof_required(user, origin)
            if demanded:
                annotate(sign_in="mfa_setup_required")
                raise await self._demand_setup(user, first, origin, spend)
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
        await note_blocked(self._db, self._audit, user.id, reason, origin)

    async def _own_proof_required(self, user: User, origin: Origin) -> OwnProofRequired:
        await self._audit_blocked(user, OwnProofRequired.code, origin)
        return OwnProofRequired()

    async def _challenge(
        self, user: User, first: FirstFactor, methods: list[str], origin: Origin, spend: Spend | None
    ) -> MfaRequired:
        if self._surface.ticket is None:
            return MfaRequired()
        ticket = await self._issue(self._surface.ticket, user, first, "auth.mfa.challenged", origin, spend)
        return MfaRequired(details={"mfaToken": ticket, "methods": methods})

    async def _demand_setup(
        self, user: User, first: FirstFactor, origin: Origin, spend: Spend | None
    ) -> MfaSetupRequired:
        """Where people are guided with a ticket that opens the set-up and nothing else; elsewhere it is a plain no."""
        if not self._surface.guided:
            await self._audit_blocked(user, MfaSetupRequired.code, origin)
            return MfaSetupRequired()
        ticket = await self._issue(self._surface.setup, user, first, "auth.mfa.setup_demanded", origin, spend)
        return MfaSetupRequired(details={"sessionToken": ticket})

    async def _issue(
        self, purpose: Purpose, user: User, first: FirstFactor, event: str, origin: Origin, spend: Spend | None
    ) -> str:
        ticket, now = new_token(), self._clock.now()
        async with self._db.transaction() as tx:
            if spend is not None:
                await use_up(tx, user.id, spend)
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


def _vouched_beyond(user: User, amr: tuple[str, ...], places: list[Place], tenant_id: UUID | None) -> bool:
    """Whether nobody but a tenant's own provider vouches for an account that is not that tenant's alone.

    Whoever runs that provider could be anybody of the tenant, so it takes a proof that nobody else has (decision 0093).
    """
    shared = user.global_role != GlobalRole.NONE or any(place.tenant_id != tenant_id for place in places)
    return shared and seats.only_vouched(amr)
