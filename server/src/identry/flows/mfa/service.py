"""Ticket → code → a session, in one statement when all is as it should be; else step by step, which tells why not.

Step by step: one try is spent, on the ticket and on the account → code → `signin.complete`, which uses ticket and code
up. Guesses in parallel count too: a wrong code is answered only after its try was spent, and a right one opens a
session only while its statement, holding the rows, finds that ticket and account have a try left (decision 0083).
Source: contracts/platform-api.md §4.2 "MFA ticket", contracts/browser-api.md §8; SECURITY §2 rows 35 to 39.
"""

from __future__ import annotations

from functools import partial

import msgspec

from identry.core.clock import Clock
from identry.core.db import Database, Executor
from identry.core.limits import MFA_VERIFY, Limit, Limiter
from identry.core.origin import Origin
from identry.core.secrets import token_hash
from identry.core.together import Together
from identry.flows.mfa import queries
from identry.flows.mfa.queries import Waiting
from identry.records import factors
from identry.records.audit import Audit
from identry.records.factors import TotpFactor
from identry.records.one_time_tokens import Purpose
from identry.records.users import User
from identry.refusals import note_failed
from identry.second_factor import FirstFactor, Proof, SecondFactors, StaleTicket, WrongCode, locked
from identry.signin import SignedIn, SignIn
from identry_kit.context import annotate


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
        second: SecondFactors,
        signin: SignIn,
        *,
        ticket: Purpose = Purpose.MFA_TICKET,
        tries: Limit = MFA_VERIFY,
    ) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._limiter = limiter
        self._second = second
        self._signin = signin
        self._ticket = ticket
        self._tries = tries
        self._looks = Together(self._look)

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
        found, factor, first = await self._waiting(hashed, origin)
        user, amr = found.user, tuple(dict.fromkeys((*first.amr, "otp", "mfa")))  # a mailed link is "otp" as well
        step = self._second.step_at_once(factor, code)
        if step is not None:
            used = queries.using_code(self._ticket, hashed, step)
            signed_in = await self._signin.complete_using(
                used, user, amr, origin, places=found.places, tenant_id=first.tenant_id
            )
            if signed_in is not None:
                return signed_in
        await self._spend_try(hashed, factor, origin)
        proof = await self._second.prove(user, factor, code)
        try:
            if proof is None:
                raise WrongCode
            spend = partial(self._spend, proof, hashed, user, origin)
            return await self._signin.complete(user, amr, origin, tenant_id=first.tenant_id, spend=spend)
        except WrongCode:
            await self._refuse(user, "wrong code", origin)
            raise

    async def _waiting(self, hashed: bytes, origin: Origin) -> tuple[Waiting, TotpFactor, FirstFactor]:
        """Whose sign-in the ticket continues; worthless once password, role or state of the account changed."""
        found = await self._looks(hashed)
        if found is None:
            await self._refuse(None, "invalid ticket", origin)
            raise StaleTicket
        user, factor = found.user, found.factor
        first = msgspec.json.decode(found.data, type=FirstFactor)
        if factor is None or factor.confirmed_at is None or user.token_version != first.token_version:
            await self._refuse(user, "account changed during sign-in", origin)
            raise StaleTicket
        return found, factor, first

    async def _look(self, hashes: list[bytes]) -> dict[bytes, Waiting]:
        return await queries.waiting(self._db, self._ticket, hashes, self._clock.now())

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
            raise locked(factor, now)
        if not spent:
            annotate(sign_in="failed")
            raise StaleTicket

    async def _spend(self, proof: Proof, hashed: bytes, user: User, origin: Origin, tx: Executor) -> None:
        """Use up code and ticket.

        Raises:
            WrongCode: one of them was used meanwhile.
        """
        event = self._audit.row(
            "auth.mfa.succeeded", origin, actor=user.id, target=user.id, details={"factor": proof.factor}
        )
        await factors.lock(tx, user.id)
        if not (await proof.use(tx) and await queries.settle(tx, self._ticket, hashed, self._clock.now(), event)):
            raise WrongCode

    async def _refuse(self, user: User | None, reason: str, origin: Origin) -> None:
        target = user.id if user else None
        await note_failed(self._db, self._audit, "auth.mfa.failed", target, origin, reason=reason)
