"""What administrators do to accounts. Source: contracts/provider-api.md §12; SECURITY §2 rows 22, 50.

Who may is asked before and again inside the transaction, with both rows held: nobody acts on a higher rank, and the
platform keeps an active superadmin.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from identry.core.clock import Clock
from identry.core.db import Database, Executor
from identry.core.kv import RevocationMarks
from identry.core.origin import Origin
from identry.flows.platform_users import queries
from identry.flows.platform_users.queries import LiveSession, Membership
from identry.oauth import people
from identry.oauth.people import Person
from identry.records import app_members, factors, one_time_tokens, sessions, user_profiles, users
from identry.records.audit import Audit
from identry.records.users import ApprovalStatus, GlobalRole, User
from identry_kit.apierror import BadRequest, Conflict, Forbidden, NotFound

_RANKS = list(GlobalRole)


class PersonUnknown(NotFound):
    """404: no account has this number."""

    message = "user not found"


class HigherRank(Forbidden):
    """403: the account ranks higher than the caller's."""

    message = "this account is out of your reach"


class OneselfRefused(BadRequest):
    """400: an administrator does this to others only."""

    message = "you cannot do this to your own account"


class LastSuperadmin(Conflict):
    """409: the platform keeps at least one active superadmin."""

    message = "the last active superadmin must remain"


class NoAccount(BadRequest):
    """400: nobody has this address; the person signs up or is invited first."""

    message = "no account has this address"


class PlatformUsers:
    """Looks after accounts for the platform's administrators."""

    def __init__(self, db: Database, clock: Clock, audit: Audit, marks: RevocationMarks) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._marks = marks

    async def page(self, search: str, role: str, limit: int, offset: int) -> tuple[list[Person], int]:
        """One page of accounts by number, and how many there are; `role` empty: of every rank."""
        return await queries.page(self._db, search, role, limit, offset)

    async def read(self, number: int) -> Person:
        """One account.

        Raises:
            PersonUnknown: there is none.
        """
        found = await people.find_by_number(self._db, number)
        if found is None:
            raise PersonUnknown
        return found

    async def own(self, user_id: UUID) -> Person:
        """The caller's own account.

        Raises:
            PersonUnknown: it is gone.
        """
        found = await people.find(self._db, user_id)
        if found is None:
            raise PersonUnknown
        return found

    async def apps(self, number: int) -> list[Membership]:
        """The applications of an account.

        Raises:
            PersonUnknown: there is none.
        """
        return await queries.apps_of(self._db, (await self.read(number)).user_id)

    async def sessions(self, number: int) -> list[LiveSession]:
        """The live sessions of an account.

        Raises:
            PersonUnknown: there is none.
        """
        return await queries.sessions_of(self._db, (await self.read(number)).user_id, self._clock.now())

    async def revoke_tokens(self, caller: User, number: int, origin: Origin) -> None:
        """End every session and token of an account, one's own too.

        Raises:
            PersonUnknown, HigherRank: the target cannot be reached.
        """
        async with self._db.transaction() as tx:
            target = await self._held(tx, caller, number)
            ended = await self._end(tx, target, "tokens revoked")
            await self._record(tx, "user.tokens_revoked", caller, target, origin, revokedSessions=len(ended))
        await self._marks.mark(*ended)

    async def block(self, caller: User, number: int, origin: Origin, event: str = "user.deactivated") -> None:
        """Deactivate an account and end its sessions; doing it again changes nothing.

        Raises:
            PersonUnknown, HigherRank: the target cannot be reached.
            OneselfRefused: nobody shuts oneself out.
            LastSuperadmin: nobody would be left.
        """
        async with self._db.transaction() as tx:
            target = await self._held(tx, caller, number, oneself=False)
            if not target.is_active:
                return
            await self._keep_superadmin(tx, target)
            await users.update(tx, target.id, {"is_active": False}, now=self._clock.now())
            ended = await self._end(tx, target, "account deactivated")
            await self._record(tx, event, caller, target, origin, isActive={"from": True, "to": False})
        await self._marks.mark(*ended)

    async def unlock(self, caller: User, number: int, origin: Origin) -> None:
        """Let a blocked account in again, and give it every try of a second factor; repeatable.

        Raises:
            PersonUnknown, HigherRank: the target cannot be reached.
        """
        async with self._db.transaction() as tx:
            target = await self._held(tx, caller, number)
            await factors.forget_failures(tx, target.id)
            if target.is_active:
                await self._record(tx, "user.unlocked", caller, target, origin)
                return
            await users.update(tx, target.id, {"is_active": True}, now=self._clock.now())
            await self._record(tx, "user.reactivated", caller, target, origin, isActive={"from": False, "to": True})

    async def change(self, caller: User, number: int, asked: Mapping[str, Any], origin: Origin) -> Person:
        """Change the profile of an account, or demand that its password is changed.

        Raises:
            PersonUnknown, HigherRank: the target cannot be reached.
            InvalidProfile: what is wrong with a field.
        """
        fields = dict(asked)
        must_change = fields.pop("must_change_password", None)
        values = people.checked(fields) if fields or must_change is None else {}
        async with self._db.transaction() as tx:
            target = await self._held(tx, caller, number)
            await people.change(tx, target.id, people.columns(values), self._clock.now())
            if must_change is not None:
                await user_profiles.put(tx, target.id, {"must_change_password": bool(must_change)})
            names = sorted([*values, *(["must_change_password"] if must_change is not None else [])])
            await self._record(tx, "user.updated", caller, target, origin, fields=names)
        return await self.read(number)

    async def superadmin(self, number: int) -> Person:
        """One superadmin.

        Raises:
            PersonUnknown: no superadmin has this number.
        """
        found = await self.read(number)
        if found.global_role != GlobalRole.PLATFORM_SUPERADMIN:
            raise PersonUnknown
        return found

    async def promote(self, caller: User, email: str, origin: Origin) -> Person:
        """Make an account a superadmin; it is a member of no application any more. Its sessions end.

        Raises:
            NoAccount: nobody has this address, or the account cannot be used.
        """
        async with self._db.transaction() as tx:
            found = await users.find_by_email(tx, email)
            held = await users.lock_all(tx, *([caller.id, found.id] if found else []))
            self._require_superadmin(held.get(caller.id) if found else caller)
            target = held.get(found.id) if found else None
            if target is None or not target.is_active or target.approval_status != ApprovalStatus.APPROVED:
                raise NoAccount
            ended = await self._give(tx, caller, target, GlobalRole.PLATFORM_SUPERADMIN, origin)
            await app_members.delete_all(tx, target.id)
        await self._marks.mark(*ended)
        return await self.own(target.id)

    async def demote(self, caller: User, number: int, origin: Origin) -> None:
        """Make a superadmin an ordinary user. The account's sessions end.

        Raises:
            PersonUnknown: no superadmin has this number.
            OneselfRefused: another one does this.
            LastSuperadmin: nobody would be left.
        """
        async with self._db.transaction() as tx:
            target = await self._held(tx, caller, number, oneself=False)
            if target.global_role != GlobalRole.PLATFORM_SUPERADMIN:
                raise PersonUnknown
            await self._keep_superadmin(tx, target)
            ended = await self._give(tx, caller, target, GlobalRole.NONE, origin)
        await self._marks.mark(*ended)

    async def _give(self, tx: Executor, caller: User, target: User, role: GlobalRole, origin: Origin) -> list[UUID]:
        if target.global_role == role:
            return []
        await users.update(tx, target.id, {"global_role": role}, now=self._clock.now())
        ended = await self._end(tx, target, "account changed")
        moved = {"from": target.global_role, "to": role}
        await self._record(tx, "user.global_role_changed", caller, target, origin, globalRole=moved)
        return ended

    async def _held(self, tx: Executor, caller: User, number: int, *, oneself: bool = True) -> User:
        """The target, its row and the caller's locked, when the caller still may act on it."""
        found = await users.find_by_number(tx, number)
        held = await users.lock_all(tx, caller.id, *([found.id] if found else []))
        actor = held.get(caller.id)
        if actor is None or not actor.is_active or actor.token_version != caller.token_version:
            raise HigherRank
        target = held.get(found.id) if found else None
        if target is None:
            raise PersonUnknown
        if _rank(target) > _rank(actor) or _rank(actor) < _RANKS.index(GlobalRole.PLATFORM_ADMIN):
            raise HigherRank
        if not oneself and target.id == actor.id:
            raise OneselfRefused
        return target

    @staticmethod
    def _require_superadmin(actor: User | None) -> None:
        if actor is None or not actor.is_active or actor.global_role != GlobalRole.PLATFORM_SUPERADMIN:
            raise HigherRank

    @staticmethod
    async def _keep_superadmin(tx: Executor, target: User) -> None:
        if target.global_role != GlobalRole.PLATFORM_SUPERADMIN:
            return
        await users.lock_last_of_its_kind(tx)
        if await users.is_only_active_superadmin(tx, target.id):
            raise LastSuperadmin

    async def _end(self, tx: Executor, target: User, reason: str) -> list[UUID]:
        """End every session, token and one-time token of an account."""
        now = self._clock.now()
        await users.update(tx, target.id, {}, now=now, bump=True)
        await one_time_tokens.void(tx, target.id, now)
        return await sessions.revoke_all(tx, target.id, reason, now)

    async def _record(
        self, tx: Executor, event: str, caller: User, target: User, origin: Origin, **details: Any
    ) -> None:
        await self._audit.record(tx, event, origin, actor=caller.id, target=target.id, details=details)


def _rank(user: User) -> int:
    return _RANKS.index(GlobalRole(user.global_role))
