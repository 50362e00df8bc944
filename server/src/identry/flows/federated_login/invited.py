"""Somebody comes back from the provider with an invitation: the identity proves the person, the link the address.

Neither proves an account that exists: that takes an identity which is linked to it already, or all that linking takes
without an invitation (arrivals.py). Everything happens in the caller's transaction; whoever is refused leaves nothing
behind, and the invitation stays open.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Literal, Protocol
from uuid import UUID

from identry.core.clock import Clock
from identry.core.db import Executor
from identry.core.origin import Origin
from identry.flows.federated_login.arrivals import Arrivals
from identry.flows.federated_login.refusals import Refused, require_open
from identry.flows.federated_login.standing import Admitted, Contended, Proven
from identry.records import identities, tenants, users
from identry.records.identities import Identity
from identry.records.invitations import Invitation
from identry.records.users import User
from identry_kit.apierror import APIError, Conflict, Unauthorized

_FIRST = "first sign-in"
_WORDS: dict[str, Literal["not_found", "invitation_expired", "invitation_used", "email_domain_not_allowed"]] = {
    "not_found": "not_found",
    "expired": "invitation_expired",
    "invitation_used": "invitation_used",
    "email_domain_not_allowed": "email_domain_not_allowed",
}
"""Codes of a refused acceptance → what the app is told."""


class Invitations(Protocol):
    """Whoever accepts invitations."""

    def by_identity(
        self,
        tx: Executor,
        token_hash: bytes,
        user: User,
        verified_email: str | None,
        origin: Origin,
        *,
        is_new: bool = False,
    ) -> Awaitable[Invitation]:
        """Accept for a proven person, as part of the transaction; raises APIErrors that say why not."""


class InvitedArrivals:
    """Lets invited people in."""

    def __init__(self, clock: Clock, arrivals: Arrivals, invitations: Invitations) -> None:
        self._clock = clock
        self._arrivals = arrivals
        self._invitations = invitations

    async def admit(self, tx: Executor, proven: Proven, invitation_hash: bytes, origin: Origin) -> Admitted:
        """Who signs in, now a member of the tenant that invited.

        Raises:
            Refused: nobody; the invitation is worth nothing, is for another address, or the account needs more proof.
            Contended: begin again in a new transaction.
        """
        known = await identities.find(tx, proven.identity.key)
        user, by = await (self._owner(tx, known) if known else self._newly_linked(tx, proven))
        require_open(user)
        # An identity that is linked already says who it is by its key; the address beside it may have changed.
        told = None if known else proven.identity.email
        accepted = await self._accept(tx, invitation_hash, user, told, origin, is_new=by == _FIRST)
        tenant_id = accepted.company_id
        if proven.provider.tenant_id not in {None, tenant_id}:
            raise Refused("tenant_unknown", "provider of another tenant", user.id)
        self._arrivals.require_domain(proven.identity.email, await tenants.find(tx, tenant_id), user.id)
        return Admitted(user, await self._identity(tx, proven, user, known, by, origin), tenant_id)

    async def _owner(self, tx: Executor, known: Identity) -> tuple[User, str]:
        user = await users.find(tx, known.user_id)
        if user is None:
            raise Contended
        return user, ""

    async def _newly_linked(self, tx: Executor, proven: Proven) -> tuple[User, str]:
        """The account of the address that the provider tells: one that may be linked silently, or a new one."""
        email = proven.identity.email
        if email is None:
            raise Refused("token_invalid", "no usable address")
        holder = await users.find_by_email(tx, email)
        if holder is not None:
            await self._arrivals.require_no_doubt(tx, proven, holder)
            return holder, "verified domain"
        return self._arrivals.newcomer(proven, email), _FIRST

    async def _accept(
        self, tx: Executor, invitation_hash: bytes, user: User, told: str | None, origin: Origin, *, is_new: bool
    ) -> Invitation:
        try:
            return await self._invitations.by_identity(tx, invitation_hash, user, told, origin, is_new=is_new)
        except (Unauthorized, Conflict):  # the account changed, or was made, since it was looked for
            raise Contended from None
        except APIError as refused:
            if refused.code not in _WORDS:
                raise
            raise Refused(_WORDS[refused.code], f"invitation: {refused.code}", user.id) from None

    async def _identity(
        self, tx: Executor, proven: Proven, user: User, known: Identity | None, by: str, origin: Origin
    ) -> UUID:
        if known is None:
            return await self._arrivals.attach(tx, proven, user, by, origin)
        told = proven.identity
        if not await identities.touch(tx, known.id, told.email, told.full_name or None, self._clock.now()):
            raise Contended
        return known.id
