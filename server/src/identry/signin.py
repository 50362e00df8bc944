"""The one sentence that all flows share: a proven identity becomes an MFA ticket or a session.

Every path to a session (password, second factor, invitation, mailed link, provider, passkey) ends in
`SignIn.complete`, so what is asked before it (`clearance.py`) cannot be forgotten by one of them (SECURITY §1.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import msgspec

from identry.clearance import MFA_TICKET_ATTEMPTS, MFA_TICKET_TTL, Clearance, Demands, Surface
from identry.core.clock import Clock
from identry.core.db import Database
from identry.core.ids import uuid7
from identry.core.origin import Origin
from identry.opening import NewSession, Openings, Spend, Used, bytea, use_up
from identry.records import users
from identry.records.audit import Audit
from identry.records.passkeys import Passkey
from identry.records.seats import LOCAL, Place
from identry.records.users import User
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
from identry.tokens import Grant, Seat, TokenPair
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


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session was made: its tokens, the user as signed in, and the tenant it belongs to."""

    tokens: TokenPair
    user: User
    tenant_id: UUID | None = None


def passkey_amr(passkey: Passkey) -> tuple[str, ...]:
    """What a passkey proves (RFC 8176): a key that stays in its device or may be copied, and who unlocked it."""
    return ("swk" if passkey.backup_eligible else "hwk", "user", "mfa")


class SignIn(Clearance):
    """Turns a proven identity into a session of one surface."""

    def __init__(self, db: Database, clock: Clock, audit: Audit, surface: Surface, demands: Demands) -> None:
        super().__init__(db, clock, audit, surface, demands)
        self._openings = Openings(db)

    async def complete(
        self,
        user: User,
        amr: tuple[str, ...],
        origin: Origin,
        *,
        tenant_id: UUID | None = None,
        spend: Spend | None = None,
    ) -> SignedIn:
        """Gates and policy, then either a ticket for the second factor or a session with its tokens.

        Args:
            user: whose identity was proven, as read before the proof.
            amr: how (RFC 8176): `("pwd",)`, `("pwd", "otp", "mfa")` …
            origin: the request.
            tenant_id: the tenant that the session is for, on a surface where it has one; None: the newest that is open.
            spend: uses up what proved it, in one transaction with the session or the ticket that comes of it: whoever
                is refused, or meets an outage, may come with it again. None: nothing is used up.

        Raises:
            RegistrationRejected, PendingApproval, AccountInactive, TenantInactive: a gate is closed (audited).
            PasswordLoginDisabled: deployment or tenant want single sign-on.
            MfaRequired: with `details.mfaToken`, when `amr` lacks `mfa` and the user has an authenticator app, or a
                passkey while deployment or tenant demand a second factor.
            MfaSetupRequired: deployment or tenant demand a second factor, and the user has none.
            OwnProofRequired: a tenant's own provider vouched for an account that is not that tenant's alone, the user
                has no second factor, and one is demanded or the session would reach beyond that tenant.
            CredentialsChanged: the account changed since the proof.
            APIError: whatever `spend` raises.
        """
        seat = await self.clear(user, amr, origin, tenant_id=tenant_id, spend=spend)
        return await self._open(user, amr, seat, origin, spend=spend) or await self._refuse_changed(user, origin)

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

    async def _open(
        self,
        user: User,
        amr: tuple[str, ...],
        seat: Seat | None,
        origin: Origin,
        used: Used | None = None,
        spend: Spend | None = None,
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
        if not await (self._open_spending(new, spend) if spend else self._openings.open(new, used)):
            return None
        annotate(sign_in="succeeded")
        grant = Grant(session_id, user.id, user.global_role, user.token_version, list(amr), now, expires_at, seat)
        tokens = await self._surface.mint.pair(grant, refresh_token.raw)
        return SignedIn(tokens, msgspec.structs.replace(user, last_login_at=now), tenant_id)

    async def _open_spending(self, new: NewSession, spend: Spend) -> bool:
        try:
            async with self._db.transaction() as tx:
                await use_up(tx, new.user_id, spend)
                if not await self._openings.open_in(tx, new):
                    raise CredentialsChanged  # nothing is used up
        except CredentialsChanged:
            return False
        return True

    async def _refuse_changed(self, user: User, origin: Origin) -> SignedIn:
        """Say what happened to the account since it was read; the proof that was given counts no more."""
        current = await users.find(self._db, user.id)
        if current is not None:
            await self.admit(current, origin)
        await self._audit_blocked(user, "account changed during sign-in", origin)
        raise CredentialsChanged
