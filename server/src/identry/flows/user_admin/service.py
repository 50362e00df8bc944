"""List, read, create, change and deactivate accounts, as far as the matrix allows (platform-api.md §6, §8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from identry import authority
from identry.authority import Situation, Wanted
from identry.core.clock import Clock
from identry.core.db import Database, Duplicate, Executor
from identry.core.ids import uuid7
from identry.core.kv import RevocationMarks
from identry.core.mail import Outbox
from identry.core.new_passwords import NewPasswords
from identry.core.origin import Origin
from identry.flows.user_admin import queries
from identry.flows.user_admin.effects import Effects, effects_of
from identry.flows.user_admin.standing import Scope, Standing
from identry.records import memberships, one_time_tokens, sessions, users
from identry.records.audit import Audit
from identry.records.memberships import BusinessUnitMembership, CompanyMembership
from identry.records.users import AuthProvider, User
from identry_kit.apierror import Conflict, NotFound

UPDATE_ROWS = ("users.update", "users.update.approval", "users.update.profile")


class UserUnknown(NotFound):
    """404: no account has this id."""

    message = "user not found"


class EmailTaken(Conflict):
    """409: another account has this address."""

    message = "an account with this email exists"


@dataclass(frozen=True, slots=True)
class NewUser:
    """What an administrator says about a new account."""

    email: str
    password: str | None
    full_name: str
    global_role: str
    auth_provider: str
    is_active: bool
    approval_status: str
    phone_number: str | None
    profile_picture_url: str | None


@dataclass(frozen=True, slots=True)
class Member:
    """An account with those of its memberships that the reader may see."""

    user: User
    companies: Sequence[CompanyMembership]
    units: Sequence[BusinessUnitMembership]


class UserAdmin:
    """Looks after accounts."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        audit: Audit,
        new_passwords: NewPasswords,
        outbox: Outbox,
        marks: RevocationMarks,
    ) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._new_passwords = new_passwords
        self._outbox = outbox
        self._marks = marks

    async def page(
        self, caller: User, filters: queries.Filters, sort: str, limit: int, offset: int
    ) -> tuple[list[User], int]:
        """One page of accounts and the number of all that match.

        Raises:
            NotAllowed: the caller is not platform staff.
        """
        authority.require("users.list", Situation(authority.Actor(caller.id, caller.global_role)))
        return await queries.page(self._db, filters, sort, limit, offset)

    async def read(self, caller: User, user_id: UUID) -> Member:
        """One account; company administrators see only its memberships of their companies.

        Raises:
            NotAllowed, UserUnknown: only staff are told that an account does not exist.
        """
        scope = await self._scope(self._db, ("users.read",), caller, user_id)
        authority.require_any("users.read", scope.situations(Wanted()))
        units = await memberships.business_units_of(self._db, user_id)
        if scope.sees_all("users.read"):
            return Member(scope.target, scope.target_companies, units)
        visible = scope.shared_companies("users.read")
        return Member(
            scope.target,
            [m for m in scope.target_companies if m.company_id in visible],
            [m for m in units if m.company_id in visible],
        )

    async def create(self, caller: User, new: NewUser, origin: Origin) -> User:
        """A new account, with a welcome mail.

        Raises:
            NotAllowed: the caller may not make accounts, or not with this `globalRole`.
            UnacceptablePassword, EmailTaken: what is wrong with the values.
            ServiceUnavailable: hashing queue or database cannot answer.
        """
        _require_create(caller, new)
        if new.password is not None:
            self._new_passwords.check(new.password, email=new.email, field="password")
        if await users.find_by_email(self._db, new.email):
            raise EmailTaken
        user = await self._new_row(new)
        async with self._db.transaction() as tx:
            _require_create((await users.lock_all(tx, caller.id)).get(caller.id), new)
            if not await users.insert(tx, user):
                raise EmailTaken
            details = {
                "globalRole": user.global_role,
                "approvalStatus": user.approval_status,
                "isActive": user.is_active,
            }
            await self._audit.record(tx, "user.created", origin, actor=caller.id, target=user.id, details=details)
            await self._mail(tx, "admin_welcome", user)
        return user

    async def update(self, caller: User, user_id: UUID, asked: Mapping[str, Any], origin: Origin) -> User:
        """Change the fields of `asked` (names as on the wire, at least one).

        Raises:
            NotAllowed, UserUnknown: see `read`; every field must be allowed.
            UnacceptablePassword, EmailTaken: what is wrong with the values.
            LastOfItsKind: the last active OWNER or PLATFORM_SUPERADMIN would be gone.
            ServiceUnavailable: hashing queue or database cannot answer.
        """
        wanted = Wanted(
            fields=frozenset(asked),
            global_role=asked.get("globalRole"),
            approval_status=asked.get("approvalStatus"),
            is_active=asked.get("isActive"),
        )
        scope = await self._scope(self._db, UPDATE_ROWS, caller, user_id)
        authority.require_update(scope.situations(wanted))
        password_hash = None
        if "password" in asked:
            password_hash = await self._new_passwords.hash(
                asked["password"], email=asked.get("email", scope.target.email), field="password"
            )
        try:
            async with self._db.transaction() as tx:
                scope = await self._locked_scope(tx, UPDATE_ROWS, caller, user_id)
                authority.require_update(scope.situations(wanted))
                effects = effects_of(scope.target, asked, password_hash)
                user, ended = await self._apply(tx, caller, scope.target, effects, origin)
        except Duplicate:
            raise EmailTaken from None
        await self._marks.mark(*ended)
        return user

    async def delete(self, caller: User, user_id: UUID, origin: Origin) -> User:
        """Deactivate the account and end its sessions; doing it again changes nothing.

        Raises:
            NotAllowed, UserUnknown: see `read`.
            LastOfItsKind: the last active OWNER or PLATFORM_SUPERADMIN would be gone.
        """
        authority.require_standing(("users.delete",), [authority.Actor(caller.id, caller.global_role)])
        async with self._db.transaction() as tx:
            scope = await self._locked_scope(tx, ("users.delete",), caller, user_id)
            authority.require_any("users.delete", scope.situations(Wanted()))
            effects = effects_of(scope.target, {"isActive": False})
            effects = replace(effects, events=[("user.deleted", details) for _, details in effects.events])
            user, ended = await self._apply(tx, caller, scope.target, effects, origin)
        await self._marks.mark(*ended)
        return user

    async def _apply(
        self, tx: Executor, caller: User, before: User, effects: Effects, origin: Origin
    ) -> tuple[User, list[UUID]]:
        """Write the change and all that it entails; the account as it is now, and the sessions that ended."""
        if not effects.columns:
            return before, []
        if effects.loses_standing or effects.loses_superadmin:
            await self._keep_last(tx, before, effects)
        now = self._clock.now()
        user = await users.update(tx, before.id, effects.columns, now=now, bump=effects.ends_sessions)
        ended: list[UUID] = []
        if effects.ends_sessions:
            ended = await sessions.revoke_all(tx, user.id, "account changed", now)
            await one_time_tokens.void(tx, user.id, now)
        for event, details in effects.events:
            await self._audit.record(tx, event, origin, actor=caller.id, target=user.id, details=details)
        for template in effects.mails:
            await self._mail(tx, template, user)
        return user, ended

    async def _keep_last(self, tx: Executor, before: User, effects: Effects) -> None:
        await users.lock_last_of_its_kind(tx)
        authority.keep_last(
            superadmin=effects.loses_superadmin and await users.is_only_active_superadmin(tx, before.id),
            owner=effects.loses_standing and bool(await memberships.companies_solely_owned_by(tx, before.id)),
        )

    async def _scope(self, db: Executor, rows: tuple[str, ...], caller: User, user_id: UUID) -> Scope:
        """Caller and target as they are, for a caller who may use at least one of the rows.

        Raises:
            NotAllowed, UserUnknown: see `read`.
        """
        standing = Standing(caller, await memberships.companies_of(db, caller.id))
        authority.require_standing(rows, standing.actors())
        target = await users.find(db, user_id)
        if target is None:
            raise UserUnknown if standing.sees_absence(rows) else authority.NotAllowed
        return standing.about(target, await memberships.companies_of(db, user_id))

    async def _locked_scope(self, tx: Executor, rows: tuple[str, ...], caller: User, user_id: UUID) -> Scope:
        """`_scope` of rows that stay locked: neither roles nor state of the two can change before the commit."""
        locked = await users.lock_all(tx, caller.id, user_id)
        return await self._scope(tx, rows, authority.still_acting(locked.get(caller.id)), user_id)

    async def _new_row(self, new: NewUser) -> User:
        password_hash = None
        if new.password and new.auth_provider == AuthProvider.PASSWORD:
            password_hash = await self._new_passwords.hash(new.password, email=new.email, field="password")
        return users.new(
            uuid7(self._clock),
            new.email,
            self._clock.now(),
            full_name=new.full_name,
            password_hash=password_hash,
            global_role=new.global_role,
            is_active=new.is_active,
            approval_status=new.approval_status,
            auth_provider=new.auth_provider,
            phone_number=new.phone_number,
            profile_picture_url=new.profile_picture_url,
        )

    async def _mail(self, tx: Executor, template: str, user: User) -> None:
        await self._outbox.enqueue(tx, template=template, to=user.email, context={"full_name": user.full_name})


def _require_create(caller: User | None, new: NewUser) -> None:
    caller = authority.still_acting(caller)
    actor = authority.Actor(caller.id, caller.global_role)
    authority.require("users.create", Situation(actor, wanted=Wanted(global_role=new.global_role)))
