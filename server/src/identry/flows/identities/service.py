"""The caller's own identities. Source: contracts/browser-api.md §6; SECURITY §2 rows 38, 40, 41."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol
from uuid import UUID

from identry import ways_in
from identry.core.clock import Clock
from identry.core.db import Database
from identry.core.mail import Outbox
from identry.core.origin import Origin
from identry.federation.departure import Departure, Errand
from identry.flows.identities import queries
from identry.flows.identities.queries import OwnProvider
from identry.records import identities, users
from identry.records.audit import Audit
from identry.records.identities import Identity
from identry.web.call import Actor
from identry_kit.apierror import Conflict, NotFound

_SPOKEN = {"entra": "Microsoft", "oidc": "Single sign-on"}


class ProviderUnknown(NotFound):
    """404: the tenant has no provider of its own, or it is switched off."""

    message = "this way to sign in is not offered"


class ProviderSilent(Conflict):
    """409: what has to be known of the tenant's provider cannot be had now. It is theirs: no outage of ours."""

    code = "provider_unavailable"
    message = "the identity provider cannot be reached; the test of its settings says why"


class UnknownIdentity(NotFound):
    """404: the caller has no such identity."""

    message = "identity not found"


class LastWayIn(Conflict):
    """409: without this identity nobody could sign in to the account any more."""

    code = "last_sign_in_method"
    message = "this is the last way to sign in; set a password or link another identity first"


class Starting(Protocol):
    """How a browser is sent to a provider."""

    def __call__(self, key: str, errand: Errand, origin: Origin) -> Awaitable[Departure]:
        """Send it there."""


class OwnIdentities:
    """Looks after the identities of whoever is signed in.

    Args:
        start: sends the browser to the provider.
        password_login: False under `AUTH_POLICY=restricted`: a password is no way in then.
    """

    def __init__(
        self, db: Database, clock: Clock, audit: Audit, outbox: Outbox, start: Starting, *, password_login: bool
    ) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._outbox = outbox
        self._start = start
        self._password_login = password_login

    async def listed(self, user_id: UUID) -> list[Identity]:
        """The caller's identities, the oldest first."""
        return await identities.of_user(self._db, user_id)

    async def providers(self, user_id: UUID) -> list[OwnProvider]:
        """The tenants of the caller that have a provider of their own, by name."""
        return await queries.providers_of(self._db, user_id)

    async def link(self, actor: Actor, key: str, return_to: str, origin: Origin, *, hosted: bool = False) -> Departure:
        """Send the browser to the provider of this key; the identity that is proven there becomes the caller's.

        `return_to` is where it goes on: a path of the app, or of this server's own pages when `hosted`.

        Raises:
            ProviderUnknown, ProviderSilent: there is no such provider, or it cannot be told where it is.
            RateLimited, ServiceUnavailable: too many; limiter or database cannot answer.
        """
        errand = Errand(return_to=return_to, user_id=actor.user.id, session_id=actor.session_id, hosted=hosted)
        return await self._start(key, errand, origin)

    async def remove(self, actor: Actor, identity_id: UUID, origin: Origin) -> None:
        """Forget one of the caller's identities.

        Raises:
            UnknownIdentity: the caller has none with this id.
            LastWayIn: there is no other way to sign in.
        """
        async with self._db.transaction() as tx:
            user = await users.lock(tx, actor.user.id)
            own = {identity.id: identity for identity in await identities.of_user(tx, actor.user.id)}
            identity = own.get(identity_id)
            if user is None or identity is None:
                raise UnknownIdentity
            await identities.delete(tx, identity_id, user.id)
            if not (await ways_in.of(tx, user, local_login=self._password_login)).any:
                raise LastWayIn
            await self._outbox.enqueue(
                tx,
                template="identity_removed",
                to=user.email,
                context={"full_name": user.full_name, "provider_name": _SPOKEN[identity.kind]},
            )
            await self._audit.record(
                tx,
                "identity.unlinked",
                origin,
                actor=user.id,
                target=user.id,
                session_id=actor.session_id,
                details={"identityId": str(identity_id), "issuer": identity.issuer},
            )
