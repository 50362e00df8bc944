"""Limit → is it on → password, where there is one → code → one transaction. Source: contracts/browser-api.md §2, §8.

A wrong code counts for the account as at a sign-in, so whoever holds a stolen session guesses none.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from identry.core.clock import Clock
from identry.core.db import Database, Executor
from identry.core.kv import RevocationMarks
from identry.core.limits import MFA_CHANGE, MFA_MANAGE, PASSWORD_CHANGE, Limiter
from identry.core.mail import Outbox
from identry.core.origin import Origin
from identry.core.password_tries import PasswordTries
from identry.core.passwords import Passwords
from identry.flows.mfa_change import queries
from identry.flows.mfa_change.queries import Glance
from identry.records import factors, passkeys, sessions, users
from identry.records.audit import Audit
from identry.records.factors import TotpFactor
from identry.records.users import User
from identry.second_factor import FactorChanges, Proof, SecondFactors, WrongCode
from identry.signin import CredentialsChanged
from identry_kit.apierror import APIError, BadRequest, Conflict, Forbidden, Unauthorized


class NotEnabled(Conflict):
    """409: the account has no second factor that is on."""

    code = "mfa_not_enabled"
    message = "no second factor is enabled"


class RequiredByPolicy(Forbidden):
    """403: the deployment or a tenant of the user demands a second factor."""

    code = "mfa_required_by_policy"
    message = "a second factor is required here; it cannot be disabled"


class PasswordMissing(BadRequest):
    """400: the account has a password, and none was sent."""

    code = "validation_error"
    message = "password: is required"
    example_details = {  # noqa: RUF012 - never written to
        "fields": [{"field": "password", "rule": "required", "message": "is required"}]
    }

    def __init__(self) -> None:
        super().__init__(details=self.example_details)


class CodeMissing(BadRequest):
    """400: no code was sent, and the session proved none a moment ago."""

    code = "validation_error"
    message = "code: is required"
    example_details = {  # noqa: RUF012 - never written to
        "fields": [{"field": "code", "rule": "required", "message": "is required"}]
    }

    def __init__(self) -> None:
        super().__init__(details=self.example_details)


class WrongPassword(Unauthorized):
    """401: not the account's password."""

    browser_code = "invalid_credentials"
    message = "the password is wrong"


_JUST_PROVEN = timedelta(minutes=10)


async def _nothing_to_use(_: Executor) -> bool:
    """What a session proved before is used up already."""
    return True


class MfaChange:
    """Looks after the second factor of one user.

    Args:
        required: `MFA_REQUIRED`.
        asks_password: whether removing the factor takes the password besides a code, where there is one.
        wrong: what a wrong code is told, in the words of the surface.
    """

    def __init__(
        self,
        db: Database,
        clock: Clock,
        audit: Audit,
        limiter: Limiter,
        passwords: Passwords,
        second: SecondFactors,
        changes: FactorChanges,
        outbox: Outbox,
        marks: RevocationMarks,
        *,
        required: bool,
        asks_password: bool = True,
        wrong: type[APIError] = WrongCode,
    ) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._limiter = limiter
        self._tries = PasswordTries(passwords, limiter)
        self._second = second
        self._changes = changes
        self._outbox = outbox
        self._marks = marks
        self._required = required
        self._asks_password = asks_password
        self._wrong = wrong

    async def glance(self, user_id: UUID) -> tuple[Glance, bool]:
        """The factor, and whether deployment or tenant demand one."""
        found = await queries.glance(self._db, user_id)
        return found, self._required or found.demanded

    async def disable(self, user: User, session_id: UUID, code: str, password: str | None, origin: Origin) -> None:
        """Remove the factor and its codes; every session but `session_id` ends.

        Raises:
            RateLimited: the client address used up its tries, or the account its wrong codes or passwords.
            NotEnabled, RequiredByPolicy: there is nothing to remove, or it must stay.
            PasswordMissing, WrongPassword, WrongCode: a proof is missing or wrong (audited).
            CredentialsChanged: the account changed meanwhile.
            ServiceUnavailable: nobody can tell.
        """
        await self._limiter.spend(MFA_MANAGE, origin.ip)
        factor = await self._enabled(user)
        await self._require_dispensable(self._db, user)
        await self._prove_password(user, session_id, password, origin)
        proof = await self._prove(user, session_id, factor, code, origin)

        async def removed(tx: Executor) -> list[UUID]:
            await self._require_dispensable(tx, user)
            await factors.remove(tx, user.id, self._clock.now())
            changed = await self._changes.conclude(
                tx,
                user,
                "auth.mfa.disabled",
                "mfa_disabled",
                origin,
                actor=user.id,
                keep=session_id,
                details={"factor": proof.factor},
            )
            return changed.ended

        await self._marks.mark(*await self._with(user, session_id, proof, origin, removed))

    async def _require_dispensable(self, db: Executor, user: User) -> None:
        """Whether the account can do without codes: nobody demands a second factor, or a passkey is one."""
        demanded = self._required or await queries.is_demanded(db, user.id)
        if demanded and not await passkeys.has_any(db, user.id):
            raise RequiredByPolicy

    async def renew_codes(self, user: User, session_id: UUID, code: str | None, origin: Origin) -> list[str]:
        """Ten new recovery codes, shown once; all earlier ones are void.

        Without a code only where the session proved one a moment ago, as it does when the factor is turned on.

        Raises:
            RateLimited: the client address or the account used up its tries.
            NotEnabled: there is no factor that they could stand in for.
            CodeMissing: none was sent, and none was proven a moment ago.
            WrongCode, CredentialsChanged, ServiceUnavailable: as `disable`.
        """
        await self._limiter.spend(MFA_MANAGE, origin.ip)
        factor = await self._enabled(user)
        await self._limiter.spend(MFA_CHANGE, str(user.id))
        proof = await self._proof_of(user, session_id, factor, code, origin)
        codes, hashes = await self._second.new_codes(user)

        async def renewed(tx: Executor) -> None:
            await factors.replace_codes(tx, user.id, hashes, self._clock)
            if code is not None:
                await factors.refund_failure(tx, user.id)
            context = {"full_name": user.full_name}
            await self._outbox.enqueue(tx, template="mfa_recovery_codes_renewed", to=user.email, context=context)
            await self._record(tx, "auth.mfa.recovery_codes_renewed", user, session_id, origin)

        await self._with(user, session_id, proof, origin, renewed)
        return codes

    async def step_up(self, user: User, session_id: UUID, code: str, origin: Origin) -> None:
        """Prove the factor once more: for a while the session may do what a tenant wants a recent code for.

        Raises:
            RateLimited, NotEnabled, WrongCode, CredentialsChanged, ServiceUnavailable: as `disable`.
        """
        await self._limiter.spend(MFA_MANAGE, origin.ip)
        factor = await self._enabled(user)
        proof = await self._prove(user, session_id, factor, code, origin)

        async def proven(tx: Executor) -> None:
            await factors.refund_failure(tx, user.id)
            await sessions.prove_factor(tx, session_id, self._clock.now())
            await self._record(tx, "auth.mfa.stepped_up", user, session_id, origin, factor=proof.factor)

        await self._with(user, session_id, proof, origin, proven)

    async def _enabled(self, user: User) -> TotpFactor:
        factor = await factors.find(self._db, user.id)
        if factor is None or factor.confirmed_at is None:
            raise NotEnabled
        return factor

    async def _prove_password(self, user: User, session_id: UUID, password: str | None, origin: Origin) -> None:
        """Where the account has one. Counted with those of `password/change`: a session guesses ten, whichever way."""
        if user.password_hash is None or not self._asks_password:
            return
        if password is None:
            raise PasswordMissing
        if not await self._tries(password, user.password_hash, PASSWORD_CHANGE, str(user.id)):
            await self._refuse(user, session_id, "wrong password", origin)
            raise WrongPassword

    async def _proof_of(
        self, user: User, session_id: UUID, factor: TotpFactor, code: str | None, origin: Origin
    ) -> Proof:
        if code is not None:
            return await self._prove(user, session_id, factor, code, origin)
        proven_at = await sessions.factor_proven_at(self._db, session_id)
        if proven_at is None or self._clock.now() - proven_at > _JUST_PROVEN:
            raise CodeMissing
        return Proof("session", _nothing_to_use)

    async def _prove(self, user: User, session_id: UUID, factor: TotpFactor, code: str, origin: Origin) -> Proof:
        proof = await self._second.require(user, factor, code)
        if proof is None:
            await self._refuse(user, session_id, "wrong code", origin)
            raise self._wrong
        return proof

    async def _with(
        self,
        user: User,
        session_id: UUID,
        proof: Proof,
        origin: Origin,
        write: Callable[[Executor], Awaitable[Any]],
    ) -> Any:
        """Use the code up and `write`, in one transaction that holds the user; what `write` returns."""
        async with self._db.transaction() as tx:
            held = await users.lock(tx, user.id)
            if held is None or held.token_version != user.token_version or not held.is_active:
                raise CredentialsChanged
            await factors.lock(tx, user.id)
            used = await proof.use(tx)
            done = await write(tx) if used else None
        if not used:
            await self._refuse(user, session_id, "code used before", origin)
            raise self._wrong
        return done

    async def _refuse(self, user: User, session_id: UUID, reason: str, origin: Origin) -> None:
        await self._record(self._db, "auth.mfa.failed", user, session_id, origin, success=False, reason=reason)

    async def _record(
        self,
        tx: Executor,
        event: str,
        user: User,
        session_id: UUID,
        origin: Origin,
        *,
        success: bool = True,
        **details: str,
    ) -> None:
        await self._audit.record(
            tx,
            event,
            origin,
            actor=user.id,
            target=user.id,
            session_id=session_id,
            success=success,
            details=details,
        )
