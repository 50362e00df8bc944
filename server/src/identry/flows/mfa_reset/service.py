"""Hold both people and the tenant → may the caller, about this person → remove, end every session, mail, audit."""

from __future__ import annotations

from uuid import UUID

from identry.core.clock import Clock
from identry.core.db import Database, Executor
from identry.core.kv import RevocationMarks
from identry.core.origin import SYSTEM, Origin
from identry.permissions import hold, require_within
from identry.records import factors, groups, passkeys, tenants, users
from identry.records.audit import ActorType
from identry.records.users import GlobalRole, User
from identry.second_factor import FactorChanged, FactorChanges
from identry_kit.apierror import Conflict, Forbidden, NotFound

PERMISSION = "users:manage"


class PersonUnknown(NotFound):
    """404: nobody with this id belongs to the tenant."""

    message = "user not found"


class NotYourself(Forbidden):
    """403: nobody resets their own second factor; `mfa/disable` asks for its code."""

    code = "permission_denied"
    message = "you cannot reset your own second factor; disable it with a code"


class SharedAccount(Forbidden):
    """403: the account belongs to others as well, so its second factor is not this tenant's to remove."""

    code = "permission_denied"
    message = "the account belongs to another tenant or to platform staff as well; the operator resets it"


class NotEnabled(Conflict):
    """409: the person has neither an authenticator app nor a passkey."""

    code = "mfa_not_enabled"
    message = "no second factor is enabled"


class MfaReset:
    """Removes second factors of other people."""

    def __init__(self, db: Database, clock: Clock, changes: FactorChanges, marks: RevocationMarks) -> None:
        self._db = db
        self._clock = clock
        self._changes = changes
        self._marks = marks

    async def __call__(self, caller: User, tenant_id: UUID, user_id: UUID, origin: Origin) -> None:
        """Remove the person's factor, codes and passkeys; every session of the person ends, on every surface.

        Raises:
            PermissionDenied, BeyondOwnRights: the caller may not, or the person may do what the caller may not.
            PersonUnknown: nobody with this id belongs to the tenant.
            NotYourself, SharedAccount, NotEnabled: see there.
        """
        async with self._db.transaction() as tx:
            changed = await self._remove(tx, caller, tenant_id, user_id, origin)
        await self._marks.mark(*changed.ended)

    async def by_operator(self, email: str) -> None:
        """The same for whoever has this address, by somebody who runs the servers.

        Raises:
            PersonUnknown: nobody has the address.
            NotEnabled: see there.
        """
        async with self._db.transaction() as tx:
            found = await users.find_by_email(tx, email)
            person = await users.lock(tx, found.id) if found else None
            if person is None:
                raise PersonUnknown(f"no account {email}")
            changed = await self._take_off(tx, person, SYSTEM, actor="system")
        await self._marks.mark(*changed.ended)

    async def _remove(
        self, tx: Executor, caller: User, tenant_id: UUID, user_id: UUID, origin: Origin
    ) -> FactorChanged:
        held = await hold(tx, tenant_id, caller.id, PERMISSION, user_id)
        person = held.users.get(user_id)
        if person is None or await tenants.find_member(tx, tenant_id, user_id) is None:
            raise PersonUnknown
        if user_id == caller.id:
            raise NotYourself
        found = (await groups.of_users(tx, tenant_id, [user_id]))[user_id]
        require_within(held.rights, {key for group in found for key in group.permissions})
        if person.global_role != GlobalRole.NONE or await tenants.belongs_elsewhere(tx, tenant_id, user_id):
            raise SharedAccount
        return await self._take_off(tx, person, origin, actor=caller.id, tenant_id=tenant_id)

    async def _take_off(
        self, tx: Executor, person: User, origin: Origin, *, actor: UUID | ActorType, tenant_id: UUID | None = None
    ) -> FactorChanged:
        factor = await factors.find(tx, person.id)
        has_app = factor is not None and factor.confirmed_at is not None
        if has_app:
            await factors.remove(tx, person.id, self._clock.now())
        if not await passkeys.remove_all(tx, person.id) and not has_app:
            raise NotEnabled
        return await self._changes.conclude(
            tx, person, "auth.mfa.reset", "mfa_reset", origin, actor=actor, company_id=tenant_id
        )
