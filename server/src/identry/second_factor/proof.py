"""A code of the authenticator app, or a recovery code: right or wrong, and the one write that uses it up.

Source: contracts/browser-api.md §8; SECURITY §2 rows 35 and 36. A try is counted for the account before the code is
looked at and given back when it was right, so guesses in parallel count too.
"""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from identry.core import recovery_codes, totp
from identry.core.clock import Clock
from identry.core.db import Database, Executor
from identry.core.limits import RateLimited
from identry.core.mail import Outbox
from identry.core.passwords import Passwords
from identry.core.recovery_codes import RecoveryCodes
from identry.core.secrets import SealError
from identry.records import factors
from identry.records.factors import FAILURE_WINDOW, TotpFactor, TotpSecrets
from identry.records.users import User
from identry_kit.apierror import APIError, ServiceUnavailable, Unauthorized

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
class Proof:
    """A right code.

    Attributes:
        factor: `totp` or `recovery_code`.
        use: the write that uses it up; False when somebody else used it first.
    """

    factor: str
    use: Callable[[Executor], Awaitable[bool]]


class SecondFactors:
    """Proves codes, and makes new recovery codes."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        passwords: Passwords,
        secrets: TotpSecrets,
        codes: RecoveryCodes,
        outbox: Outbox,
    ) -> None:
        self._db = db
        self._clock = clock
        self._passwords = passwords
        self._secrets = secrets
        self._codes = codes
        self._outbox = outbox

    async def require(self, user: User, factor: TotpFactor, code: str) -> Proof | None:
        """`prove`, with the try counted for the account: what a signed-in user's code is asked through.

        Whoever uses the proof gives the try back in the same transaction (`factors.refund_failure`).

        Raises:
            RateLimited: the account used up its wrong codes.
            ServiceUnavailable: nobody can tell; the try is given back.
        """
        now = self._clock.now()
        if not await factors.reserve_failure(self._db, user.id, now):
            raise locked(factor, now)
        return await self.prove(user, factor, code)

    async def prove(self, user: User, factor: TotpFactor, code: str) -> Proof | None:
        """Whether a code as typed is right; the caller counted the try.

        Raises:
            ServiceUnavailable: the secret does not open, or the hashing queue is full; the try is given back.
        """
        try:
            return await self._prove(user, factor, code)
        except APIError:
            # Nobody learned whether the code was right, so nothing failed.
            await factors.refund_failure(self._db, factor.user_id)
            raise

    async def new_codes(self, user: User) -> tuple[list[str], dict[int, str]]:
        """Ten recovery codes as they are shown once, and their hashes by selector. Ten hashes of work.

        Raises:
            ServiceUnavailable: the hashing queue is full.
        """
        made = self._codes.new(user.id)
        hashes = {selector: await self._passwords.hash(code) for selector, code in made.items()}
        return [recovery_codes.shown(code) for code in made.values()], hashes

    def step_of(self, factor: TotpFactor, code: str) -> int | None:
        """The step that a code of the authenticator app belongs to, later than the last one accepted, or None.

        Raises:
            FactorUnreadable: the secret does not open.
        """
        return totp.matching_step(self._open(factor), _typed(code), self._clock.now(), after=factor.last_step)

    def step_at_once(self, factor: TotpFactor, code: str) -> int | None:
        """The step of a right code as typed whose acceptance is all there is to write; None: anything else.

        Raises:
            FactorUnreadable: the secret does not open.
        """
        plain = totp.is_code(_typed(code)) and factor.key_id == self._secrets.key_id
        return self.step_of(factor, code) if plain else None

    async def _prove(self, user: User, factor: TotpFactor, code: str) -> Proof | None:
        if totp.is_code(_typed(code)):
            return self._prove_totp(factor, code)
        canonical = recovery_codes.canonical(_typed(code))
        return None if canonical is None else await self._prove_recovery_code(user, factor, canonical)

    def _prove_totp(self, factor: TotpFactor, code: str) -> Proof | None:
        step = self.step_of(factor, code)
        if step is None:
            return None

        async def use(tx: Executor) -> bool:
            if not await factors.advance(tx, factor.user_id, step):
                return False
            if factor.key_id != self._secrets.key_id:
                sealed = self._secrets.seal(factor.user_id, self._open(factor))
                await factors.reseal(tx, factor, sealed, self._secrets.key_id)
            return True

        return Proof("totp", use)

    async def _prove_recovery_code(self, user: User, factor: TotpFactor, code: str) -> Proof | None:
        """One hash, whether or not there is a code that it could belong to. Its use is mailed."""
        selector = self._codes.selector(factor.user_id, code)
        stored = await factors.find_code(self._db, factor.user_id, selector)
        verdict = await self._passwords.verify(code, stored.code_hash if stored else None)
        if stored is None or not verdict.ok:
            return None

        async def use(tx: Executor) -> bool:
            if not await factors.use_code(tx, stored.id, self._clock.now()):
                return False
            left = await factors.count_codes(tx, factor.user_id)
            context = {"full_name": user.full_name, "codes_left": str(left)}
            await self._outbox.enqueue(tx, template="mfa_recovery_code_used", to=user.email, context=context)
            return True

        return Proof("recovery_code", use)

    def _open(self, factor: TotpFactor) -> str:
        try:
            return self._secrets.open(factor)
        except SealError as error:
            log.error("mfa.secret_unreadable", user_id=str(factor.user_id), reason=str(error))
            raise FactorUnreadable from None


def locked(factor: TotpFactor, now: datetime) -> RateLimited:
    """The refusal of an account whose wrong codes are used up."""
    since = factor.failures_since or now
    seconds = math.ceil((since + FAILURE_WINDOW - now).total_seconds())
    return RateLimited(headers={"Retry-After": str(max(1, seconds))})


def _typed(code: str) -> str:
    return _IGNORED.sub("", code)
