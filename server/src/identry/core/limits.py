"""How often something may be tried: the limits as data, and the limiter that spends them.

Algorithm: an exact sliding window (`core.kv`). Source of the numbers: contracts/platform-api.md §10.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import structlog

from identry.core.address import address_bucket
from identry.core.clock import Clock
from identry.core.kv.protocol import KV, Hit, KVUnavailable
from identry_kit.apierror import ServiceUnavailable, TooManyRequests

log = structlog.get_logger(__name__)

MINUTE, HOUR = 60.0, 3600.0


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `limit` attempts in any `window` seconds, per key. `name` separates its keys from other limits'."""

    name: str
    limit: int
    window: float

    def __post_init__(self) -> None:
        if not self.name or self.limit < 1 or self.window <= 0:
            raise ValueError(f"not a limit: {self!r}")


LOGIN = Limit("login", 30, MINUTE)
"""Per client address."""
ACCOUNT_FAILURES = Limit("account-failures", 10, 15 * MINUTE)
"""Failed passwords per (client address, account): only that pair is refused, so a stranger cannot lock an owner out.

Spend it before the password is verified and refund it when the password was right: guesses in parallel count too.
"""
APP_ACCOUNT_FAILURES = Limit(ACCOUNT_FAILURES.name, 5, ACCOUNT_FAILURES.window)
"""The same count, which ends earlier on the provider's surface, its pages included (contracts/provider-api.md §13): a
password that was wrong on one surface was wrong on all, so nobody gets more guesses by going to another.
"""
REGISTER = Limit("register", 10, HOUR)
"""Per client address."""
RESET_REQUEST = Limit("reset-request", 10, HOUR)
"""Per client address."""
RESET_REQUEST_EMAIL = Limit("reset-request-email", 5, HOUR)
"""Per address that the mail would go to."""
RESET_CONFIRM = Limit("reset-confirm", 30, MINUTE)
"""Per client address."""
REFRESH = Limit("refresh", 60, MINUTE)
"""Per client address and worker: it guards work, not a secret that could be guessed (decision 0042)."""
MFA_VERIFY = Limit("mfa-verify", 30, MINUTE)
"""Per client address."""
ACCEPT_INVITATION = Limit("accept-invitation", 30, MINUTE)
"""Per client address."""


BROWSER_LOGIN = Limit("browser-login", 10, MINUTE)
"""Per client address (contracts/browser-api.md §5)."""
BROWSER_MFA_VERIFY = Limit("browser-mfa-verify", 10, MINUTE)
"""Per client address; a ticket allows five codes besides."""
FEDERATED_LOGIN = Limit("federated-login", 30, MINUTE)
"""Sign-ins begun at an identity provider, per client address (contracts/browser-api.md §5)."""
EXCHANGE = Limit("exchange", 30, MINUTE)
"""Exchange codes tried, per client address; each has 256 random bits."""
PASSKEY_OPTIONS = Limit("passkey-options", 30, MINUTE)
"""Challenges per client address; a sign-in page asks for one as it opens."""
PASSKEY_SIGN_IN = Limit("passkey-sign-in", 10, MINUTE)
"""Signatures per client address, for either step of a sign-in."""
PASSKEY_REGISTER = Limit("passkey-register", 20, 60 * MINUTE)
"""Challenges for new passkeys per account."""
MFA_MANAGE = Limit("mfa-manage", 30, MINUTE)
"""Per client address: setting up, changing and confirming with a second factor."""
MFA_CHANGE = Limit("mfa-change", 10, 15 * MINUTE)
"""Per account: each may make ten recovery codes, which are ten password hashes of work."""
CHECK_METHOD = Limit("check-method", 30, MINUTE)
"""Per client address."""
INVITATION_LOOK = Limit("invitation-look", 30, MINUTE)
"""Per client address."""
INVITE = Limit("invite", 30, MINUTE)
"""Per inviter."""
INVITATION_MAIL = Limit("invitation-mail", 10, HOUR)
"""Per tenant and invited address: nobody's mailbox is filled."""
PASSWORD_CHANGE = Limit("password-change", 10, 15 * MINUTE)
"""Wrong current passwords per account: whoever holds a stolen session guesses no password with it."""
EMAIL_CHANGE = Limit("email-change", 5, HOUR)
"""Per account: changes of its address that are begun."""
EMAIL_CHANGE_MAIL = Limit("email-change-mail", 5, HOUR)
"""Per address that the link would go to."""
SSO_TRIAL = Limit("sso-trial", 10, MINUTE)
"""Per tenant: each try asks a server that the tenant chose."""
DOMAIN_PROOF = Limit("domain-proof", 10, MINUTE)
"""Per tenant: each try asks the DNS."""

AUTHORIZE = Limit("authorize", 120, MINUTE)
"""Authorization requests that have to wait for somebody, per client address: each is a row until it expires."""
PUSHED_REQUEST = Limit("pushed-request", 600, MINUTE)
"""Per client address: servers push for all of their people."""


SIGNUP = Limit("signup", 3, HOUR)
"""Per client address (contracts/provider-api.md §13, as all that follow)."""
SIGNUP_EMAIL = Limit("signup-email", 5, HOUR)
"""Per address that somebody signs up with: nobody's mailbox is filled."""
VERIFY_EMAIL = Limit("verify-email", 30, MINUTE)
"""Per client address."""
APP_LOGIN = Limit("app-login", 5, MINUTE)
"""Per client address."""
PAGE_LOGIN = Limit("page-login", 5, MINUTE)
"""Per client address: the sign-in on the pages, which is what the provider's POST of the authorize form was."""
PAGE_LINK = Limit("page-link", 10, HOUR)
"""Links to sign in that are asked for on the pages, per client address; `MAGIC_LINK` counts besides, per mailbox."""
APP_RESET_REQUEST = Limit("app-reset-request", 5, MINUTE)
"""Per client address, the pages included; `RESET_REQUEST_EMAIL` counts besides, per mailbox."""
APP_RESET_CONFIRM = Limit("app-reset-confirm", 5, MINUTE)
"""Per client address, the pages included."""
APP_INVITE = Limit("app-invite", 10, MINUTE)
"""Looking at an invitation to an application and accepting it, each per client address."""
MAGIC_LINK = Limit("magic-link", 5, HOUR)
"""Per (address, application)."""
MAGIC_LINK_VERIFY = Limit("magic-link-verify", 5, MINUTE)
"""Per client address."""
TOKEN = Limit("token", 10, MINUTE)
"""Per client address, application and worker: public applications, and whoever proves to be none (provider-api §13)."""
TOKEN_CONFIDENTIAL = Limit("token-confidential", 600, MINUTE)
"""The same for applications that proved themselves: one back end asks for all of its users."""
DEVICE_AUTHORIZATION = Limit("device-authorization", 10, MINUTE)
"""Per client address and application."""
DEVICE_USER_CODE = Limit("device-user-code", 10, 10 * MINUTE)
"""User codes looked up, per account: 20^8 codes are not guessed at this rate (RFC 8628 §5.1)."""


class RateLimited(TooManyRequests):
    """429: come back after `Retry-After` seconds."""

    code = "rate_limited"
    message = "too many attempts; try again later"


class LimiterUnavailable(ServiceUnavailable):
    """503: the limit cannot be checked, and is not waived."""

    message = "the rate limit cannot be checked"


_UNAVAILABLE_RETRY_AFTER = 2
"""Seconds: about what the breaker of the engine needs to notice that Redis is back."""


class Limiter:
    """Spends limits from `kv`, shared by every worker.

    When `kv` cannot answer, `fallback`, an engine in this process, goes on, and each worker grants the whole limit
    until `kv` is back. Without a fallback the attempt is refused (503). Going over and coming back are logged once.
    """

    def __init__(self, kv: KV, *, fallback: KV | None = None, clock: Clock | None = None) -> None:
        self._kv = kv
        self._clock = clock
        self._fallback = fallback
        self._degraded = False

    async def spend(self, limit: Limit, *key: str | None) -> Hit:
        """Count one attempt of `key`: all its parts together, an IPv6 address as its /64, None as a part of its own.

        Raises RateLimited, or LimiterUnavailable when failing closed; both say when to come back.
        """
        storage_key = _storage_key(limit, key)
        try:
            hit = await self._kv.hit(storage_key, limit.limit, limit.window)
        except KVUnavailable:
            hit = await self._hit_without(storage_key, limit)
        else:
            if self._degraded:
                self._note(degraded=False)
        if not hit.allowed:
            raise RateLimited(headers=self._told(limit, hit))
        if (spent := _SPENT.get()) is not None:
            spent.append((limit, hit))
        return hit

    def _told(self, limit: Limit, hit: Hit) -> dict[str, str]:
        """When to come back; also in the headers of contracts/provider-api.md §4, where a clock was given."""
        seconds = max(1, math.ceil(hit.retry_after))
        told = {"Retry-After": str(seconds)}
        if self._clock is not None:
            reset = int(self._clock.timestamp()) + seconds
            told |= limit_headers(limit, hit) | {"X-RateLimit-Reset": str(reset)}
        return told

    async def refund(self, limit: Limit, *key: str | None) -> None:
        """Give one attempt of `key` back, so that only the others count.

        To count failures: spend, try, refund on success. An engine that is away keeps the attempt counted, which errs
        on the strict side. Never raises.
        """
        storage_key = _storage_key(limit, key)
        try:
            await self._kv.refund(storage_key)
        except KVUnavailable:
            if self._fallback is not None:
                await self._fallback.refund(storage_key)

    async def forget(self, limit: Limit, *key: str | None) -> None:
        """Drop what `key` has spent (after a password reset, say). Never raises; an engine that is away keeps it."""
        storage_key = _storage_key(limit, key)
        for engine in filter(None, (self._kv, self._fallback)):
            try:
                await engine.delete(storage_key)
            except KVUnavailable:
                log.debug("limits.not_forgotten")

    async def _hit_without(self, storage_key: str, limit: Limit) -> Hit:
        self._note(degraded=True)
        if self._fallback is None:
            raise LimiterUnavailable(headers={"Retry-After": str(_UNAVAILABLE_RETRY_AFTER)}) from None
        return await self._fallback.hit(storage_key, limit.limit, limit.window)

    def _note(self, *, degraded: bool) -> None:
        if degraded and not self._degraded:
            log.warning("limits.degraded", policy="in-process" if self._fallback else "refuse")
        elif self._degraded and not degraded:
            log.info("limits.restored")
        self._degraded = degraded


_SPENT: ContextVar[list[tuple[Limit, Hit]] | None] = ContextVar("spent", default=None)


@contextmanager
def spending() -> Iterator[list[tuple[Limit, Hit]]]:
    """What is spent in here, by this request, is noted in the list; the first first."""
    spent: list[tuple[Limit, Hit]] = []
    before = _SPENT.set(spent)
    try:
        yield spent
    finally:
        _SPENT.reset(before)


def limit_headers(limit: Limit, hit: Hit) -> dict[str, str]:
    """How much of a limit there is, and how much is left (contracts/provider-api.md §4)."""
    return {"X-RateLimit-Limit": str(limit.limit), "X-RateLimit-Remaining": str(hit.remaining)}


def _storage_key(limit: Limit, parts: tuple[str | None, ...]) -> str:
    """`<limit>:<digest>`: of a fixed size, without user input, and unambiguous about where one part ends."""
    told = b""
    for part in parts:
        data = b"" if part is None else b"=" + address_bucket(part).encode("utf-8", "surrogatepass")
        told += len(data).to_bytes(8, "big") + data
    return f"{limit.name}:{hashlib.blake2b(told, digest_size=16).hexdigest()}"
