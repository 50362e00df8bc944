"""Policy → limit → current password → new hash → one transaction: the hash, every other session's end, mail, audit."""

from __future__ import annotations

from uuid import UUID

from identry import ways_in
from identry.core.clock import Clock
from identry.core.db import Database
from identry.core.kv import RevocationMarks
from identry.core.limits import PASSWORD_CHANGE, Limiter
from identry.core.mail import Outbox
from identry.core.new_passwords import NewPasswords
from identry.core.origin import Origin
from identry.core.password_tries import PasswordTries
from identry.core.passwords import Passwords
from identry.records import one_time_tokens, sessions, tenants, user_profiles, users
from identry.records.audit import Audit
from identry.records.users import User
from identry.signin import PasswordLoginDisabled
from identry_kit.apierror import Conflict, Unauthorized


class WrongPassword(Unauthorized):
    """401: not the account's current password, or it was changed meanwhile, or the account has none."""

    browser_code = "invalid_credentials"
    message = "the current password is wrong"


class PasswordExists(Conflict):
    """409: the account has a password; it is changed on proof of that one."""

    code = "password_exists"
    message = "the account has a password already"


class PasswordChange:
    """Replaces a password by another, or sets the first one.

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
        self._tries = PasswordTries(passwords, limiter)
        self._new_passwords = new_passwords
        self._outbox = outbox
        self._marks = marks
        self._password_login = password_login

    async def __call__(
        self, user: User, session_id: UUID, tenant_id: UUID | None, current: str, wanted: str, origin: Origin
    ) -> None:
        """Set the password; every session but `session_id` and every one-time token of the user ends.

        `tenant_id` is that of the session; one that is of no tenant obeys every open one of the user's.

        Raises:
            PasswordLoginDisabled: deployment or tenant want single sign-on.
            RateLimited: too many wrong passwords for this account.
            WrongPassword: `current` is not the password (audited).
            UnacceptablePassword: the policy refuses `wanted`.
            ServiceUnavailable: limiter, hashing queue or database cannot answer.
        """
        await self._require_offered(user, tenant_id)
        await self._prove(user, session_id, current, origin)
        password_hash = await self._new_passwords.hash(wanted, email=user.email, field="new_password")
        ended = await self._replace(user, session_id, password_hash, origin)
        if ended is None:
            raise WrongPassword
        await self._marks.mark(*ended)

    async def offered(self, user: User, tenant_id: UUID | None = None) -> bool:
        """Whether a password could sign this user in: neither deployment nor tenant want single sign-on only."""
        if tenant_id is None:
            return (await ways_in.of(self._db, user, local_login=self._password_login)).local
        tenant = await tenants.find(self._db, tenant_id)
        return self._password_login and tenant is not None and tenant.auth_policy != "restricted"

    async def set_first(self, user: User, session_id: UUID, wanted: str, origin: Origin) -> None:
        """A password for an account that has none; what ends is what a change ends. The sign-in was a recent one.

        Raises:
            PasswordExists: there is one, or somebody set one meanwhile.
            PasswordLoginDisabled, UnacceptablePassword, ServiceUnavailable: as at a change.
        """
        await self._require_offered(user, None)
        if user.password_hash is not None:
            raise PasswordExists
        await self._limiter.spend(PASSWORD_CHANGE, str(user.id))
        password_hash = await self._new_passwords.hash(wanted, email=user.email, field="new_password")
        ended = await self._replace(user, session_id, password_hash, origin)
        if ended is None:
            raise PasswordExists
        await self._limiter.refund(PASSWORD_CHANGE, str(user.id))
        await self._marks.mark(*ended)

    async def _require_offered(self, user: User, tenant_id: UUID | None) -> None:
        if not await self.offered(user, tenant_id):
            raise PasswordLoginDisabled

    async def _prove(self, user: User, session_id: UUID, current: str, origin: Origin) -> None:
        if not await self._tries(current, user.password_hash, PASSWORD_CHANGE, str(user.id)):
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

    async def _replace(self, user: User, session_id: UUID, password_hash: str, origin: Origin) -> list[UUID] | None:
        """Ids of the sessions that ended; None when the account changed since its password was proven."""
        async with self._db.transaction() as tx:
            now = self._clock.now()
            held = await users.lock(tx, user.id)
            if held is None or held.token_version != user.token_version or not held.is_active:
                return None
            changed = await users.update(tx, user.id, {"password_hash": password_hash}, now=now, bump=True)
            await user_profiles.password_chosen(tx, user.id)
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
