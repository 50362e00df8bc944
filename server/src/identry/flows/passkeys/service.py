"""What a person does with their own passkeys once they are there. Source: ASVS 6.5.6, 7.4.3, 7.5.1."""

from __future__ import annotations

from uuid import UUID

from identry import ways_in
from identry.core.clock import Clock
from identry.core.db import Database, Executor
from identry.core.kv import RevocationMarks
from identry.core.mail import Outbox
from identry.core.origin import Origin
from identry.records import passkeys, seats, sessions, users
from identry.records.audit import Audit
from identry.records.passkeys import Passkey
from identry.records.users import User
from identry_kit.apierror import Conflict, Forbidden, NotFound


class UnknownPasskey(NotFound):
    """404: the caller has no passkey with this id."""

    message = "no such passkey"


class LastWayIn(Conflict):
    """409: without this passkey nobody could sign in to the account any more."""

    code = "last_sign_in_method"
    message = "this passkey is the only way to sign in; set a password or add another passkey first"


class FactorDemanded(Forbidden):
    """403: deployment or tenant demand a second factor, and this passkey is the only one."""

    code = "mfa_required_by_policy"
    message = "a second factor is demanded, and this passkey is the only one"


class OwnPasskeys:
    """Shows, renames and removes passkeys of one user.

    Args:
        local_login: False under `AUTH_POLICY=restricted`: a passkey is then no way in, only a second factor.
        mfa_required: `MFA_REQUIRED`.
    """

    def __init__(
        self,
        db: Database,
        clock: Clock,
        audit: Audit,
        outbox: Outbox,
        marks: RevocationMarks,
        *,
        local_login: bool,
        mfa_required: bool,
    ) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._outbox = outbox
        self._marks = marks
        self._local_login = local_login
        self._mfa_required = mfa_required

    async def all(self, user_id: UUID) -> tuple[list[Passkey], bytes | None]:
        """The user's passkeys, the oldest first, and the handle under which authenticators know the user."""
        return await passkeys.of_user(self._db, user_id), await passkeys.find_handle(self._db, user_id)

    async def rename(self, passkey_id: UUID, user: User, session_id: UUID, name: str, origin: Origin) -> Passkey:
        """Give a passkey another name.

        Raises:
            UnknownPasskey: unknown, or somebody else's; the answer is the same.
        """
        async with self._db.transaction() as tx:
            renamed = await passkeys.rename(tx, passkey_id, user.id, name)
            if renamed is not None:
                await self._tell(tx, "auth.passkey.renamed", renamed, origin, session_id)
        if renamed is None:
            raise UnknownPasskey
        return renamed

    async def remove(self, passkey_id: UUID, user: User, session_id: UUID, origin: Origin) -> None:
        """Take a passkey away; every session but `session_id` ends, and every sign-in under way.

        Raises:
            UnknownPasskey: unknown, or somebody else's; the answer is the same.
            FactorDemanded, LastWayIn: it is needed.
        """
        async with self._db.transaction() as tx:
            now = self._clock.now()
            held = await users.lock(tx, user.id)
            removed = await passkeys.remove(tx, passkey_id, user.id)
            if held is None or removed is None:
                raise UnknownPasskey
            if not await passkeys.has_any(tx, user.id):
                await self._require_dispensable(tx, held)
            changed = await users.update(tx, user.id, {}, now=now, bump=True)
            ended = await sessions.revoke_all(tx, user.id, "passkey removed", now, keep=session_id)
            await sessions.carry(tx, session_id, changed.token_version)
            context = {"full_name": held.full_name, "passkey_name": removed.name}
            await self._outbox.enqueue(tx, template="passkey_removed", to=held.email, context=context)
            await self._tell(tx, "auth.passkey.removed", removed, origin, session_id)
        await self._marks.mark(*ended)

    async def _require_dispensable(self, tx: Executor, user: User) -> None:
        """Whether the account can do without any passkey; raised inside the transaction, which undoes the removal."""
        places = [place for place in await seats.of_user(tx, user.id) if place.open]
        if not user.mfa_enabled and (self._mfa_required or any(place.mfa_required for place in places)):
            raise FactorDemanded
        ways = await ways_in.of(tx, user, local_login=self._local_login)
        if ways.local and not ways.any:
            raise LastWayIn

    async def _tell(self, tx: Executor, event: str, passkey: Passkey, origin: Origin, session_id: UUID | None) -> None:
        await self._audit.record(
            tx,
            event,
            origin,
            actor=passkey.user_id,
            target=passkey.user_id,
            session_id=session_id,
            details={"passkey": str(passkey.id)},
        )
