"""Code and cookie → the user as it is now → `signin.complete`. Source: contracts/browser-api.md §2, §6."""

from __future__ import annotations

from identry.core.clock import Clock
from identry.core.db import Database, Executor
from identry.core.limits import EXCHANGE, Limiter
from identry.core.origin import Origin
from identry.federation import exchange_code
from identry.federation.exchange_code import Arrival
from identry.federation.provider import Providers, ProviderUnavailable
from identry.records import identities, users
from identry.records.audit import Audit
from identry.records.users import User
from identry.refusals import note_failed
from identry.signin import SignedIn, SignIn
from identry_kit.apierror import ServiceUnavailable, Unauthorized


class InvalidCode(Unauthorized):
    """401: the code is unknown, used, expired, or of another browser; the answer is the same."""

    browser_code = "invalid_code"
    message = "invalid or expired code; sign in again"


class ProviderGone(ServiceUnavailable):
    """503: whether the provider may still be used cannot be told."""

    message = "the identity provider's configuration cannot be read"


class Exchange:
    """Turns codes into sessions."""

    def __init__(
        self, db: Database, clock: Clock, audit: Audit, limiter: Limiter, providers: Providers, signin: SignIn
    ) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._limiter = limiter
        self._providers = providers
        self._signin = signin

    async def __call__(self, code: str, binding: str, origin: Origin) -> SignedIn:
        """A session for a code, presented by the browser whose cookie belongs to it.

        Raises:
            InvalidCode: the code opens nothing (any more).
            Forbidden: a gate was closed meanwhile, or the second factor is still to come.
            RateLimited, ServiceUnavailable: too many tries; limiter or database cannot answer.
        """
        await self._limiter.spend(EXCHANGE, origin.ip)
        found = await exchange_code.peek(self._db, self._clock, code, binding)
        if found is None:
            raise await self._refused(None, "invalid code", origin)
        user_id, arrival = found
        user = await users.find(self._db, user_id)
        if user is None or not await self._still_good(user, arrival):
            raise await self._refused(user, "account or provider changed during sign-in", origin)

        async def spend(tx: Executor) -> None:
            if not await exchange_code.consume(tx, self._clock, code, binding):
                raise InvalidCode

        try:
            return await self._signin.complete(user, arrival.amr, origin, tenant_id=arrival.tenant_id, spend=spend)
        except InvalidCode:
            raise await self._refused(user, "code used meanwhile", origin) from None

    async def _still_good(self, user: User, arrival: Arrival) -> bool:
        """Whether nothing took back meanwhile what the code stands on: credentials, identity, provider."""
        if user.token_version != arrival.token_version:
            return False
        if not await identities.exists(self._db, arrival.identity_id, user.id):
            return False
        try:
            return await self._providers.find(arrival.provider) is not None
        except ProviderUnavailable:
            raise ProviderGone(headers={"Retry-After": "5"}) from None

    async def _refused(self, user: User | None, reason: str, origin: Origin) -> InvalidCode:
        target = user.id if user else None
        await note_failed(self._db, self._audit, "auth.login.failed", target, origin, by="exchange", reason=reason)
        return InvalidCode()
