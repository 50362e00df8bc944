"""Ticket → one try is spent, on the ticket and on the account → code → `signin.complete`.

Source: contracts/platform-api.md §4.2 "MFA ticket", contracts/browser-api.md §8; SECURITY §2 rows 35 to 39. A try is
counted before the code is looked at and given back when it was right, so guesses in parallel count too.
"""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

import msgspec
import structlog

from identry.core import recovery_codes, totp
from identry.core.clock import Clock
from identry.core.db import Database, Executor
from identry.core.limits import MFA_VERIFY, Limit, Limiter, RateLimited
from identry.core.origin import Origin
from identry.core.passwords import Passwords
from identry.core.recovery_codes import RecoveryCodes
from identry.core.secrets import SealError, token_hash
from identry.flows.mfa import queries
from identry.records import factors
from identry.records.audit import Audit
from identry.records.factors import FAILURE_WINDOW, TotpFactor, TotpSecrets
from identry.records.one_time_tokens import Purpose
from identry.records.users import User
from identry.signin import FirstFactor, SignedIn, SignIn
from identry_kit.apierror import APIError, ServiceUnavailable, Unauthorized
from identry_kit.context import annotate

log = structlog.get_logger("identry.mfa")

_IGNORED = re.compile(r"[\s\-]")


class WrongCode(Unauthorized):
    """401: ticket or code is wrong, used or expired; the answer is the same."""

    browser_code = "invalid_code"
    message = "invalid or expired code"


class StaleTicket(WrongCode):
    """401: the ticket of the first step was never given, was used, has expired, or its tries are used up."""

    browser_code = "session_token_expired"


class FactorUnreadable(ServiceUnavailable):
    """503: the secret of the factor cannot be opened (`SECRET_KEY` was changed or the row damaged)."""

    message = "the second factor cannot be checked"

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "60"})


@dataclass(frozen=True, slots=True)
class _Proof:
    """A right code.

    Attributes:
        factor: `totp` or `recovery_code`.
        use: the write that uses it up; False: somebody else used it first.
        step: of a code whose acceptance is all there is to write; None: there is more, `use` does it.
    """

    factor: str
    use: Callable[[Executor], Awaitable[bool]]
    step: int | None = None


class VerifyMfa:
    """Finishes sign-ins that wait for a second factor.

    Args:
        ticket: which tickets: those of one surface.
        tries: how often a client address may try.
    """

    def __init__(
        self,
        db: Database,
        clock: Clock,
        audit: Audit,
        limiter: Limiter,
        passwords: Passwords,
        secrets: TotpSecrets,
        codes: RecoveryCodes,
        signin: SignIn,
        *,
        ticket: Purpose = Purpose.MFA_TICKET,
        tries: Limit = MFA_VERIFY,
    ) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._limiter = limiter
        self._passwords = passwords
        self._secrets = secrets
        self._codes = codes
        self._signin = signin
        self._ticket = ticket
        self._tries = tries

    async def __call__(self, raw_ticket: str, code: str, origin: Origin) -> SignedIn:
        """A session, for a ticket of `signin` and a code of the authenticator app or a recovery code.

        Raises:
            StaleTicket: the ticket opens nothing (any more).
            WrongCode: the code is wrong or was used before.
            RateLimited: the client address used up its tries, or the account its wrong codes.
            Forbidden: a gate was closed since the first factor.
            ServiceUnavailable: limiter, hashing queue or database cannot answer.
        """
        await self._limiter.spend(self._tries, origin.ip)
        hashed = token_hash(raw_ticket)
        user, factor, first = await self._waiting(hashed, origin)
        await self._spend_try(hashed, factor, origin)
        try:
            proof = await self._prove(factor, code)
        except APIError:
            # Nobody learned whether the code was right, so nothing failed.
            await factors.refund_failure(self._db, factor.user_id)
            raise
        if proof is None or not await self._use(proof, hashed, factor, origin):
            await self._refuse(user, "wrong code", origin)
            raise WrongCode
        return await self._signin.complete(user, (*first.amr, "otp", "mfa"), origin, tenant_id=first.tenant_id)

    async def _waiting(self, hashed: bytes, origin: Origin) -> tuple[User, TotpFactor, FirstFactor]:
        """Whose sign-in the ticket continues; worthless once password, role or state of the account changed."""
        found = await queries.waiting(self._db, self._ticket, hashed, self._clock.now())
        if found is None:
            await self._refuse(None, "invalid ticket", origin)
            raise StaleTicket
        user, factor = found.user, found.factor
        first = msgspec.json.decode(found.data, type=FirstFactor)
        if factor is None or factor.confirmed_at is None or user.token_version != first.token_version:
            await self._refuse(user, "account changed during sign-in", origin)
            raise StaleTicket
        return user, factor, first

    async def _spend_try(self, hashed: bytes, factor: TotpFactor, origin: Origin) -> None:
        """One of the ticket's five tries and one of the account's ten; committed before the code is looked at."""
        now = self._clock.now()
        refused = self._audit.row(
            "auth.mfa.failed",
            origin,
            actor="anonymous",
            target=factor.user_id,
            success=False,
            details={"reason": "too many tries for this ticket"},
        )
        locked_out = '{"reason":"too many wrong codes for this account"}'
        admitted, spent = await queries.spend_try(
            self._db, self._ticket, hashed, factor.user_id, now, refused, locked_out
        )
        if not admitted:
            annotate(sign_in="rate_limited")
            raise RateLimited(headers={"Retry-After": str(_seconds_until_unlocked(factor, now))})
        if not spent:
            annotate(sign_in="failed")
            raise StaleTicket

    async def _prove(self, factor: TotpFactor, code: str) -> _Proof | None:
        typed = _IGNORED.sub("", code)
        if totp.is_code(typed):
            return self._prove_totp(factor, typed)
        canonical = recovery_codes.canonical(typed)
        return None if canonical is None else await self._prove_recovery_code(factor, canonical)

    def _prove_totp(self, factor: TotpFactor, code: str) -> _Proof | None:
        try:
            secret = self._secrets.open(factor)
        except SealError as error:
            log.error("mfa.secret_unreadable", user_id=str(factor.user_id), reason=str(error))
            raise FactorUnreadable from None
        step = totp.matching_step(secret, code, self._clock.now(), after=factor.last_step)
        if step is None:
            return None

        async def use(tx: Executor) -> bool:
            if not await factors.advance(tx, factor.user_id, step):
                return False
            if factor.key_id != self._secrets.key_id:
                sealed = self._secrets.seal(factor.user_id, secret)
                await factors.reseal(tx, factor, sealed, self._secrets.key_id)
            return True

        return _Proof("totp", use, step if factor.key_id == self._secrets.key_id else None)

    async def _prove_recovery_code(self, factor: TotpFactor, code: str) -> _Proof | None:
        """One hash, whether or not there is a code that it could belong to."""
        selector = self._codes.selector(factor.user_id, code)
        stored = await factors.find_code(self._db, factor.user_id, selector)
        verdict = await self._passwords.verify(code, stored.code_hash if stored else None)
        if stored is None or not verdict.ok:
            return None
        return _Proof("recovery_code", lambda tx: factors.use_code(tx, stored.id, self._clock.now()))

    async def _use(self, proof: _Proof, hashed: bytes, factor: TotpFactor, origin: Origin) -> bool:
        """Use up code and ticket; the code first, so that a repeated code leaves the ticket its other tries."""
        event = self._audit.row(
            "auth.mfa.succeeded",
            origin,
            actor=factor.user_id,
            target=factor.user_id,
            details={"factor": proof.factor},
        )
        now = self._clock.now()
        if proof.step is not None:
            return await queries.settle_step(self._db, self._ticket, hashed, now, event, factor.user_id, proof.step)
        async with self._db.transaction() as tx:
            await factors.lock(tx, factor.user_id)
            return await proof.use(tx) and await queries.settle(tx, self._ticket, hashed, now, event)

    async def _refuse(self, user: User | None, reason: str, origin: Origin) -> None:
        annotate(sign_in="failed")
        await self._audit.record(
            self._db,
            "auth.mfa.failed",
            origin,
            actor="anonymous",
            target=user.id if user else None,
            success=False,
            details={"reason": reason},
        )


def _seconds_until_unlocked(factor: TotpFactor, now: datetime) -> int:
    since = factor.failures_since or now
    return max(1, math.ceil((since + FAILURE_WINDOW - now).total_seconds()))
