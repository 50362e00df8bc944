"""Limiter → account type → user → password (always verified) → `signin.complete`. Source: platform-api.md §4.2."""

from __future__ import annotations

from identry.core.clock import Clock
from identry.core.db import Database
from identry.core.limits import ACCOUNT_FAILURES, LOGIN, Limiter, RateLimited
from identry.core.origin import Origin
from identry.core.passwords import Passwords
from identry.records import users
from identry.records.audit import Audit
from identry.records.users import User
from identry.signin import PasswordLoginDisabled, SignedIn, SignIn
from identry_kit.apierror import APIError, NotImplementedYet, Unauthorized


class WrongCredentials(Unauthorized):
    """401: no such address, no password set, or a wrong password; the answer is the same."""

    message = "invalid email or password"


class VendorLogin(NotImplementedYet):
    """501: the vendor pipeline is reserved by the contract and not served."""

    message = "vendor accounts are not served by this deployment"


class Login:
    """Signs a user in by address and password."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        audit: Audit,
        limiter: Limiter,
        passwords: Passwords,
        signin: SignIn,
        *,
        password_login: bool,
    ) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._limiter = limiter
        self._passwords = passwords
        self._signin = signin
        self._password_login = password_login

    async def __call__(self, email: str, password: str, account_type: str, origin: Origin) -> SignedIn:
        """A session for the right password.

        Raises:
            RateLimited: the address or the pair (address, account) used up its tries.
            VendorLogin: `account_type` is `vendor`.
            PasswordLoginDisabled: `AUTH_POLICY=restricted`.
            WrongCredentials: whatever is wrong with address or password.
            Forbidden: a gate is closed or a second factor is required (see `signin`).
            ServiceUnavailable: limiter, hashing queue or database cannot answer.
        """
        await self._admit(email, account_type, origin)
        user = await users.find_by_email(self._db, email)
        verdict = await self._passwords.verify(password, user.password_hash if user else None)
        if user is None or not verdict.ok:
            await self._audit_failure(user, origin)
            raise WrongCredentials
        await self._limiter.refund(ACCOUNT_FAILURES, origin.ip, email)
        if verdict.needs_rehash:
            await self._rehash(user, password)
        return await self._signin.complete(user, ("pwd",), origin)

    async def _admit(self, email: str, account_type: str, origin: Origin) -> None:
        """Limits and policy, before anything is looked up; the failure is counted until the password proves right."""
        try:
            await self._limiter.spend(LOGIN, origin.ip)
            if account_type == "vendor":
                raise VendorLogin
            if not self._password_login:
                raise PasswordLoginDisabled
            await self._limiter.spend(ACCOUNT_FAILURES, origin.ip, email)
        except RateLimited:
            await self._audit.record(self._db, "auth.login.rate_limited", origin, actor="anonymous", success=False)
            raise

    async def _audit_failure(self, user: User | None, origin: Origin) -> None:
        await self._audit.record(
            self._db,
            "auth.login.failed",
            origin,
            actor="anonymous",
            target=user.id if user else None,
            success=False,
            details={"reason": "wrong password" if user else "unknown address"},
        )

    async def _rehash(self, user: User, password: str) -> None:
        """Bring an old or foreign hash up to date; it must never fail the sign-in that proved the password."""
        try:
            password_hash = await self._passwords.hash(password)
            await self._db.execute(
                "UPDATE users SET password_hash = $2 WHERE id = $1 AND password_hash = $3",
                user.id,
                password_hash,
                user.password_hash,
            )
        except APIError:
            return
