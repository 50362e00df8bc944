"""Limiter → account type → user → password (always verified) → `signin.complete`. Source: platform-api.md §4.2."""

from __future__ import annotations

from contextlib import suppress

from identry.core.clock import Clock
from identry.core.db import Database
from identry.core.known_devices import KnownDevices
from identry.core.limits import ACCOUNT_FAILURES, LOGIN, Limit, Limiter, RateLimited
from identry.core.origin import Origin
from identry.core.passwords import Passwords
from identry.records import users
from identry.records.audit import Audit
from identry.records.users import User
from identry.refusals import note_failed
from identry.signin import PasswordLoginDisabled, SignedIn, SignIn
from identry_kit.apierror import APIError, NotImplementedYet, Unauthorized
from identry_kit.context import annotate


class WrongCredentials(Unauthorized):
    """401: no such address, no password set, or a wrong password; the answer is the same."""

    browser_code = "invalid_credentials"
    message = "invalid email or password"


class VendorLogin(NotImplementedYet):
    """501: the vendor pipeline is reserved by the contract and not served."""

    message = "vendor accounts are not served by this deployment"


LOGIN_REFUSALS = Limit("login-refusals", 1, LOGIN.window)
ACCOUNT_REFUSALS = Limit("account-refusals", 1, ACCOUNT_FAILURES.window)
"""Of how many refusals in a window an audit row is written."""


class Login:
    """Signs a user in by address and password.

    Args:
        password_login: False under `AUTH_POLICY=restricted`.
        tries: how often a client address may try.
        failures: how many wrong passwords a pair of client address and account may send.
        locked: what is told when they are used up.
        devices: known ones have tries of their own; None: no device is known.
    """

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
        tries: Limit = LOGIN,
        failures: Limit = ACCOUNT_FAILURES,
        locked: type[APIError] = RateLimited,
        devices: KnownDevices | None = None,
    ) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._limiter = limiter
        self._passwords = passwords
        self._signin = signin
        self._password_login = password_login
        self._tries = tries
        self._failures = failures
        self._locked = locked
        self._devices = devices

    async def __call__(
        self, email: str, password: str, account_type: str, origin: Origin, device: str | None = None
    ) -> SignedIn:
        """A session for the right password; `device` is the token of a device, if it has one.

        Raises:
            RateLimited: the address, or the account at this address or device, used up its tries.
            VendorLogin: `account_type` is `vendor`.
            PasswordLoginDisabled: `AUTH_POLICY=restricted`.
            WrongCredentials: whatever is wrong with address or password.
            Forbidden: a gate is closed or a second factor is required (see `signin`).
            ServiceUnavailable: limiter, hashing queue or database cannot answer.
        """
        user = await self.prove(email, password, account_type, origin, device)
        return await self._signin.complete(user, ("pwd",), origin)

    async def prove(
        self, email: str, password: str, account_type: str, origin: Origin, device: str | None = None
    ) -> User:
        """Whose password it is; for those who open a session of another kind after it.

        Raises:
            as the call, but for what `signin` raises.
        """
        whose = self._counted_for(email, origin, device)
        await self._admit(whose, account_type, origin)
        try:
            user = await users.find_by_email(self._db, email)
            verdict = await self._passwords.verify(password, user.password_hash if user else None)
        except APIError:
            # Nobody learned whether the password was right, so nothing failed.
            annotate(sign_in="unavailable")
            await self._limiter.refund(self._failures, *whose)
            raise
        if user is None or not verdict.ok:
            target = user.id if user else None
            await note_failed(self._db, self._audit, "auth.login.failed", target, origin, reason=_reason(user))
            raise WrongCredentials
        await self._limiter.refund(self._failures, *whose)
        if verdict.needs_rehash:
            await self._rehash(user, password)
        return user

    def _counted_for(self, email: str, origin: Origin, device: str | None) -> tuple[str | None, ...]:
        """For whom a wrong password counts: the device, where it is known for this account, else the client address."""
        name = self._devices.name(device, email) if self._devices else None
        return ("device", name, email) if name else (origin.ip, email)

    async def _admit(self, whose: tuple[str | None, ...], account_type: str, origin: Origin) -> None:
        """Limits and policy, before anything is looked up; a failure is counted until the password proves right."""
        await self._spend(self._tries, LOGIN_REFUSALS, origin, origin.ip)
        if account_type == "vendor":
            raise VendorLogin
        if not self._password_login:
            raise PasswordLoginDisabled
        try:
            await self._spend(self._failures, ACCOUNT_REFUSALS, origin, *whose)
        except RateLimited as used_up:
            raise self._locked(headers=used_up.headers) from None

    async def _spend(self, limit: Limit, refusals: Limit, origin: Origin, *key: str | None) -> None:
        """Spend a limit; of its refusals one in each window and for each key is audited: a flood writes no flood."""
        try:
            await self._limiter.spend(limit, *key)
        except RateLimited as refused:
            annotate(sign_in="rate_limited")
            with suppress(APIError):
                await self._limiter.spend(refusals, *key)
                await self._audit.record(
                    self._db,
                    "auth.login.rate_limited",
                    origin,
                    actor="anonymous",
                    success=False,
                    details={"limit": limit.name},
                )
            raise refused from None

    async def _rehash(self, user: User, password: str) -> None:
        """Bring an old or foreign hash up to date; it must never fail the sign-in that proved the password."""
        try:
            password_hash = await self._passwords.hash(password)
            await users.replace_hash(self._db, user, password_hash)
        except APIError:
            return


def _reason(user: User | None) -> str:
    if user is None:
        return "unknown address"
    return "no password set" if user.password_hash is None else "wrong password"
