"""The caller's own identities. Source: contracts/browser-api.md §6; SECURITY §2 rows 38, 40, 41."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from identry.core.clock import Clock
from identry.core.db import Database, Executor
from identry.core.mail import Outbox
from identry.core.origin import Origin
from identry.federation.departure import Departure, Errand
from identry.records import identities, tenants, users
from identry.records.audit import Audit
from identry.records.identities import Identity
from identry.records.users import User
from identry.web.call import Actor
from identry_kit.apierror import Conflict, Forbidden, NotFound, Unauthorized

FRESH = timedelta(minutes=10)
"""How old a sign-in may be that links another way in: a stolen access token alone plants none."""


_SPOKEN = {"entra": "Microsoft", "oidc": "Single sign-on"}


class SignInAgain(Unauthorized):
    """401: the sign-in is too long ago for this; sign in again. `details.maxAge` is how old it may be, in seconds."""

    code = "reauthentication_required"
    message = "sign in again to do this"
    example_details = {"maxAge": 600}  # noqa: RUF012 - never written to

    def __init__(self) -> None:
        seconds = int(FRESH.total_seconds())
        challenge = f'Bearer realm="identry", error="insufficient_user_authentication", max_age="{seconds}"'
        super().__init__(details={"maxAge": seconds}, headers={"WWW-Authenticate": challenge})


class OwnProofNeeded(Forbidden):
    """403: a tenant's own provider vouched for this sign-in, and the account is not that tenant's alone."""

    code = "permission_denied"
    message = "the account belongs to other tenants too; sign in another way to link an identity"


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

    async def link(self, actor: Actor, tenant_id: UUID, key: str, return_to: str, origin: Origin) -> Departure:
        """Send the browser to the provider of this key; the identity that is proven there becomes the caller's.

        Raises:
            ProviderUnknown, ProviderSilent: there is no such provider, or it cannot be told where it is.
            SignInAgain: the sign-in is too long ago.
            OwnProofNeeded: only a tenant's own provider says who is calling, and other tenants are concerned.
            RateLimited, ServiceUnavailable: too many; limiter or database cannot answer.
        """
        if self._clock.now() - actor.auth_time > FRESH:
            raise SignInAgain
        if "sso_tenant" in actor.amr and await tenants.belongs_elsewhere(self._db, tenant_id, actor.user.id):
            raise OwnProofNeeded
        errand = Errand(return_to=return_to, user_id=actor.user.id, session_id=actor.session_id)
        return await self._start(key, errand, origin)

    async def remove(self, actor: Actor, tenant_id: UUID, identity_id: UUID, origin: Origin) -> None:
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
            if len(own) == 1 and not await self._has_password(tx, user, tenant_id):
                raise LastWayIn
            await identities.delete(tx, identity_id, user.id)
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

    async def _has_password(self, tx: Executor, user: User, tenant_id: UUID) -> bool:
        tenant = await tenants.find(tx, tenant_id)
        restricted = tenant is None or tenant.auth_policy == "restricted"
        return user.password_hash is not None and self._password_login and not restricted
