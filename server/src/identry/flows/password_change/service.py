"""Policy → limit → current password → new hash → one transaction: the hash, every other session's end, mail, audit."""

from __future__ import annotations

from uuid import UUID

from identry.core.clock import Clock
from identry.core.db import Database
from identry.core.kv import RevocationMarks
from identry.core.limits import PASSWORD_CHANGE, Limiter
from identry.core.mail import Outbox
from identry.core.new_passwords import NewPasswords
from identry.core.origin import Origin
from identry.core.passwords import Passwords
from identry.records import one_time_tokens, sessions, tenants, users
from identry.records.audit import Audit
from identry.records.users import User
from identry.signin import PasswordLoginDisabled
from identry_kit.apierror import APIError, Unauthorized


class WrongPassword(Unauthorized):
    """401: not the account's current password, or it was changed meanwhile, or the account has none."""

    browser_code = "invalid_credentials"
    message = "the current password is wrong"


class PasswordChange:
    """Replaces a password by another.

    Args:
        password_login: False under `AUTH_POLICY=restricted`.
    """

    def __init__(
        self,
        db: Database,
        clock: Clock,
        audit: Audit,
        limiter: Limiter,
        passwords: Passwords,
        new_passwords: NewPasswords,
        outbox: Outbox,
        marks: RevocationMarks,
        *,
        password_login: bool,
    ) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._limiter = limiter
        self._passwords = passwords
        self._new_passwords = new_passwords
        self._outbox = outbox
        self._marks = marks
        self._password_login = password_login

    async def __call__(
        self, user: User, session_id: UUID, tenant_id: UUID, current: str, wanted: str, origin: Origin
    ) -> None:
        """Set the password; every session but `session_id` and every one-time token of the user ends.

        Raises:
            PasswordLoginDisabled: deployment or tenant want single sign-on.
            RateLimited: too many wrong passwords for this account.
            WrongPassword: `current` is not the password (audited).
            UnacceptablePassword: the policy refuses `wanted`.
            ServiceUnavailable: limiter, hashing queue or database cannot answer.
        """
        tenant = await tenants.find(self._db, tenant_id)
        if not self._password_login or tenant is None or tenant.auth_policy == "restricted":
            raise PasswordLoginDisabled
        await self._prove(user, session_id, current, origin)
        password_hash = await self._new_passwords.hash(wanted, email=user.email, field="new_password")
        ended = await self._replace(user, session_id, password_hash, origin)
        if ended is None:
            raise WrongPassword
        await self._marks.mark(*ended)

    async def _prove(self, user: User, session_id: UUID, current: str, origin: Origin) -> None:
        """Counted before it is looked at, and given back when it was right: guesses in parallel count too."""
        await self._limiter.spend(PASSWORD_CHANGE, str(user.id))
        try:
            verdict = await self._passwords.verify(current, user.password_hash)
        except APIError:
            await self._limiter.refund(PASSWORD_CHANGE, str(user.id))
            raise
        if not verdict.ok:
            await self._audit.record(
                self._db,
                "auth.password.change_failed",
                origin,
                actor=user.id,
                target=user.id,
                session_id=session_id,
                success=False,
                details={"reason": "wrong password" if user.password_hash else "no password set"},
            )
            raise WrongPassword
        await self._limiter.refund(PASSWORD_CHANGE, str(user.id))

    async def _replace(self, user: User, session_id: UUID, password_hash: str, origin: Origin) -> list[UUID] | None:
        """Ids of the sessions that ended; None when the account changed since its password was proven."""
        async with self._db.transaction() as tx:
            now = self._clock.now()
            held = await users.lock(tx, user.id)
            if held is None or held.token_version != user.token_version or not held.is_active:
                return None
            changed = await users.update(tx, user.id, {"password_hash": password_hash}, now=now, bump=True)
            await one_time_tokens.void(tx, user.id, now)
            ended = await sessions.revoke_all(tx, user.id, "password change", now, keep=session_id)
            await sessions.carry(tx, session_id, changed.token_version)
            await self._outbox.enqueue(
                tx, template="password_changed", to=user.email, context={"full_name": user.full_name}
            )
            await self._audit.record(
                tx,
                "auth.password.changed",
                origin,
                actor=user.id,
                target=user.id,
                session_id=session_id,
                details={"revokedSessions": len(ended)},
            )
            return ended
