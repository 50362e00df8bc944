"""Who → secret, shown and kept sealed for ten minutes → its first code → on, with recovery codes.

Two ways in: a session that was opened a moment ago, or the ticket of a sign-in that a demand for a second factor
stopped; the ticket then becomes a session through `signin.complete`. Source: contracts/browser-api.md §2, §8.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

from identry.core import qr, totp
from identry.core.clock import Clock
from identry.core.db import Database, Executor
from identry.core.kv import RevocationMarks
from identry.core.limits import MFA_CHANGE, MFA_MANAGE, Limiter
from identry.core.origin import Origin
from identry.records import factors, one_time_tokens, passkeys, sessions, users
from identry.records.audit import Audit
from identry.records.factors import TotpFactor, TotpSecrets
from identry.records.one_time_tokens import Purpose
from identry.records.users import User
from identry.second_factor import (
    FactorChanged,
    FactorChanges,
    SecondFactors,
    StaleTicket,
    Waiting,
    WrongCode,
    waiting,
)
from identry.signin import CredentialsChanged, SignedIn, SignIn
from identry_kit.apierror import APIError, Conflict


class AlreadyEnabled(Conflict):
    """409: the account has a second factor that is on."""

    code = "mfa_already_enabled"
    message = "a second factor is enabled already"


class NoPendingSetup(Conflict):
    """409: no secret waits for its first code: never shown, shown anew meanwhile, or more than ten minutes ago."""

    code = "no_pending_setup"
    message = "no set-up is pending; begin again"


@dataclass(frozen=True, slots=True)
class Session:
    """A caller who is signed in."""

    user: User
    id: UUID


Enroller: TypeAlias = Session | Waiting
"""Who sets up: a session, or a sign-in that waits for it."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What the app of the person needs to know, once."""

    secret: str
    otpauth_uri: str
    qr_svg: str


@dataclass(frozen=True, slots=True)
class Enabled:
    """The recovery codes, shown once; and the session that a waiting sign-in became."""

    recovery_codes: list[str]
    signed_in: SignedIn | None


class MfaSetup:
    """Sets up authenticator apps.

    Args:
        issuer: the name of this service in the app (`MFA_ISSUER`).
        ticket: which tickets open the set-up: those of one surface.
        wrong: what a wrong code is told, in the words of the surface.
    """

    def __init__(
        self,
        db: Database,
        clock: Clock,
        audit: Audit,
        limiter: Limiter,
        secrets: TotpSecrets,
        second: SecondFactors,
        changes: FactorChanges,
        marks: RevocationMarks,
        signin: SignIn,
        *,
        issuer: str,
        ticket: Purpose = Purpose.MFA_SETUP,
        wrong: type[APIError] = WrongCode,
    ) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._limiter = limiter
        self._secrets = secrets
        self._second = second
        self._changes = changes
        self._marks = marks
        self._signin = signin
        self._issuer = issuer
        self._ticket = ticket
        self._wrong = wrong

    async def begin(self, who: Session | str, origin: Origin) -> Shown:
        """A new secret, in place of one that waits.

        Args:
            who: a session, or the raw ticket of a sign-in that waits for this.
            origin: the request.

        Raises:
            RateLimited: the client address used up its tries.
            StaleTicket: the ticket opens nothing (any more).
            AlreadyEnabled: a factor is on.
            Forbidden: a gate was closed since the first step.
        """
        await self._limiter.spend(MFA_MANAGE, origin.ip)
        user = (await self._enroller(who, origin)).user
        secret = totp.new_secret()
        sealed = self._secrets.seal(user.id, secret)
        async with self._db.transaction() as tx:
            waits = await factors.enrol(tx, user.id, sealed, self._secrets.key_id, self._clock.now())
            if waits:
                await self._audit.record(tx, "auth.mfa.setup_started", origin, actor=user.id, target=user.id)
        if not waits:
            raise AlreadyEnabled
        uri = totp.provisioning_uri(secret, issuer=self._issuer, email=user.email)
        return Shown(secret, uri, await asyncio.to_thread(qr.svg, uri))

    async def enable(self, who: Session | str, code: str, origin: Origin) -> Enabled:
        """Turn the factor on; every other session of the user ends, and a waiting sign-in becomes one.

        Raises:
            RateLimited: the client address or the account used up its tries.
            StaleTicket: the ticket opens nothing (any more), or its tries are used up.
            AlreadyEnabled, NoPendingSetup: nothing waits for a code.
            WrongCode: it is not a code of the secret.
            CredentialsChanged: the account changed meanwhile.
            Forbidden: a gate was closed since the first step.
            ServiceUnavailable: the secret does not open, or the hashing queue is full.
        """
        await self._limiter.spend(MFA_MANAGE, origin.ip)
        enroller = await self._enroller(who, origin)
        user = enroller.user
        await self._limiter.spend(MFA_CHANGE, str(user.id))
        await self._spend_try(enroller, origin)
        factor = await self._pending(user)
        step = self._second.step_of(factor, code)
        if step is None:
            await self._refuse(user, "wrong code at set-up", origin)
            raise self._wrong
        codes, hashes = await self._second.new_codes(user)
        async with self._db.transaction() as tx:
            changed = await self._turn_on(tx, enroller, factor, step, hashes, origin)
        await self._marks.mark(*changed.ended)
        if isinstance(enroller, Session):
            return Enabled(codes, None)
        amr = (*enroller.first.amr, "otp", "mfa")
        signed_in = await self._signin.complete(changed.user, amr, origin, tenant_id=enroller.first.tenant_id)
        return Enabled(codes, signed_in)

    async def _enroller(self, who: Session | str, origin: Origin) -> Enroller:
        if isinstance(who, Session):
            return who
        found = await waiting(self._db, self._ticket, who, self._clock.now())
        if found is None:
            await self._refuse(None, "invalid ticket", origin)
            raise StaleTicket
        await self._signin.admit(found.user, origin)
        return found

    async def _spend_try(self, enroller: Enroller, origin: Origin) -> None:
        """One of the ticket's five tries, committed before the code is looked at; sessions are limited by account."""
        if isinstance(enroller, Session):
            return
        now = self._clock.now()
        if await one_time_tokens.spend_attempt(self._db, self._ticket, enroller.ticket_hash, now) is None:
            await self._refuse(enroller.user, "too many tries for this ticket", origin)
            raise StaleTicket

    async def _pending(self, user: User) -> TotpFactor:
        factor = await factors.find(self._db, user.id)
        if factor is not None and factor.confirmed_at is not None:
            raise AlreadyEnabled
        if factor is None or not factor.pending(self._clock.now()):
            raise NoPendingSetup
        return factor

    async def _turn_on(
        self,
        tx: Executor,
        enroller: Enroller,
        factor: TotpFactor,
        step: int,
        hashes: dict[int, str],
        origin: Origin,
    ) -> FactorChanged:
        """All or nothing: whoever comes second finds nothing pending, and raising undoes what was written."""
        user, now = enroller.user, self._clock.now()
        held = await users.lock(tx, user.id)
        if held is None or held.token_version != user.token_version or not held.is_active:
            raise CredentialsChanged
        if not await factors.confirm(tx, user.id, factor.secret_encrypted, step, now):
            raise NoPendingSetup
        await factors.replace_codes(tx, user.id, hashes, self._clock)
        session_id = enroller.id if isinstance(enroller, Session) else None
        if isinstance(enroller, Waiting):
            used = await one_time_tokens.consume(tx, self._ticket, enroller.ticket_hash, now)
            if used is None or await passkeys.has_any(tx, user.id):  # it was for an account without any factor
                raise StaleTicket
        else:
            await sessions.prove_factor(tx, enroller.id, now)
        return await self._changes.conclude(
            tx, user, "auth.mfa.enabled", "mfa_enabled", origin, actor=user.id, keep=session_id
        )

    async def _refuse(self, user: User | None, reason: str, origin: Origin) -> None:
        await self._audit.record(
            self._db,
            "auth.mfa.failed",
            origin,
            actor=user.id if user else "anonymous",
            target=user.id if user else None,
            success=False,
            details={"reason": reason},
        )
