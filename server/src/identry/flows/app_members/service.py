"""Members of an application. Source: contracts/provider-api.md §10, §12; SECURITY §2 rows 24, 32, 48–50.

What the caller may is decided by the row of the operation (`web.app_reach`); here is what becomes of the members.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from identry.core import email_domains
from identry.core.clock import Clock
from identry.core.db import Database, Executor
from identry.core.ids import uuid7
from identry.core.kv import RevocationMarks
from identry.core.mail import Outbox
from identry.core.mail.outbox import instant
from identry.core.origin import Origin
from identry.flows.app_members import queries
from identry.flows.app_members.queries import Member
from identry.oauth import mailed_links, people
from identry.records import app_members, sessions, users
from identry.records.audit import ActorType, Audit
from identry.records.clients import Client
from identry.records.one_time_tokens import Purpose
from identry.records.users import ADMINISTRATORS, ApprovalStatus, User
from identry.refusals import EmailDomainNotAllowed
from identry_kit.apierror import BadRequest, Conflict, Forbidden, NotFound

MAIL_IS_OFF = "mail is switched off in this deployment"


class MemberUnknown(NotFound):
    """404: the application has no such member; whether there is such an account is not told."""

    message = "user not found"


class InvalidRole(BadRequest):
    """400: no such role; an application has `admin`, `manager`, `editor`, `viewer` and `user`."""

    message = "invalid role: must be one of admin, manager, editor, viewer, user"


class AlreadyMember(Conflict):
    """409: the person has a role in this application."""

    message = "user already has a role in this application"


class OfThePlatform(Forbidden):
    """403: an administrator of the platform reaches every application and is a member of none."""

    message = "administrators of the platform are members of no application"


class OneselfRefused(BadRequest):
    """400: nobody takes themselves out."""

    message = "you cannot remove yourself"


@dataclass(frozen=True, slots=True)
class By:
    """Who acts: an administrator, or the application itself (None)."""

    user: User | None
    origin: Origin

    @property
    def actor(self) -> UUID | ActorType:
        """As the audit log names them."""
        return self.user.id if self.user else "machine"


@dataclass(frozen=True, slots=True)
class Added:
    """A new member. `invite_token` is empty when there was nothing to accept, or no mail leaves this deployment."""

    number: int
    role: str
    invite_token: str
    mailed: bool


class AppMembers:
    """Looks after the members of applications.

    Args:
        invite_ttl, verify_ttl: how long their links work.
        domains: `AUTH_ALLOWED_EMAIL_DOMAINS`.
        mails: whether mail leaves this deployment (or is kept for reading, in development).
    """

    def __init__(
        self,
        db: Database,
        clock: Clock,
        audit: Audit,
        outbox: Outbox,
        marks: RevocationMarks,
        *,
        invite_ttl: timedelta,
        verify_ttl: timedelta,
        domains: tuple[str, ...],
        mails: bool,
    ) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._outbox = outbox
        self._marks = marks
        self._invite_ttl = invite_ttl
        self._verify_ttl = verify_ttl
        self._domains = domains
        self._mails = mails

    async def page(self, app: Client, search: str, limit: int, offset: int) -> tuple[list[Member], int]:
        """One page of the members, and how many there are."""
        return await queries.page(self._db, app.id, search, limit, offset)

    async def read(self, app: Client, number: int) -> Member:
        """One member.

        Raises:
            MemberUnknown: there is none of this number.
        """
        found = await queries.find(self._db, app.id, number)
        if found is None:
            raise MemberUnknown
        return found

    async def add(self, app: Client, email: str, role: str, name: str, by: By) -> Added:
        """Make somebody a member; who has no account gets one, and a mail to set it up.

        Raises:
            InvalidRole, AlreadyMember, OfThePlatform: as they say.
            EmailDomainNotAllowed: the deployment makes no accounts for addresses of this domain.
        """
        _require_role(role)
        now = self._clock.now()
        async with self._db.transaction() as tx:
            person = await users.find_by_email(tx, email)
            if person is None:
                if not email_domains.allowed(email, self._domains):
                    raise EmailDomainNotAllowed
                await users.insert(tx, self._draft(email, name or email))  # or somebody else does so meanwhile
                person = await users.find_by_email(tx, email)
            held = await users.lock(tx, person.id) if person else None
            if held is None:
                raise MemberUnknown
            if held.global_role in ADMINISTRATORS:
                raise OfThePlatform
            invited = _is_to_be_set_up(held)
            sent = invited and self._mails
            if not await app_members.insert(tx, app.id, held.id, role, invite_sent=sent, now=now):
                raise AlreadyMember
            raw_token = await self._invite(tx, app, held, by) if invited else ""
            await self._record(tx, "app.member.added", app, held, by, role=role, invited=invited)
            number = await users.number_of(tx, held.id)
        return Added(number or 0, role, raw_token, sent)

    async def set_role(self, app: Client, number: int, role: str, by: By) -> str:
        """Give a member another role; tokens show it from the next refresh on.

        Raises:
            InvalidRole, MemberUnknown: as they say.
        """
        _require_role(role)
        async with self._db.transaction() as tx:
            member = await self._find(tx, app, number)
            await app_members.set_role(tx, app.id, member.person.user_id, role, self._clock.now())
            if member.role != role:
                moved = {"from": member.role, "to": role}
                await self._record(tx, "app.member.role_changed", app, member.person.user_id, by, role=moved)
        return role

    async def remove(self, app: Client, number: int, by: By) -> None:
        """Take a member out; the grants to the application end, the account stays.

        Raises:
            MemberUnknown: there is none of this number.
            OneselfRefused: it is the caller.
        """
        async with self._db.transaction() as tx:
            member = await self._find(tx, app, number)
            user_id = member.person.user_id
            if by.user is not None and by.user.id == user_id:
                raise OneselfRefused
            await app_members.delete(tx, app.id, user_id)
            now = self._clock.now()
            ended = await sessions.end_of_client(tx, app.id, "membership ended", now, of=[user_id])
            await self._record(tx, "app.member.removed", app, user_id, by, role=member.role)
        await self._marks.mark(*ended)

    async def change_profile(self, app: Client, number: int, asked: Mapping[str, Any], by: By) -> Member:
        """Change fields of a member's profile.

        Raises:
            InvalidProfile: nothing was sent, or what is wrong with a field.
            MemberUnknown: there is none of this number.
        """
        values = people.checked(asked)
        async with self._db.transaction() as tx:
            member = await self._find(tx, app, number)
            await people.change(tx, member.person.user_id, people.columns(values), self._clock.now())
            await self._record(tx, "user.profile_changed", app, member.person.user_id, by, fields=sorted(values))
        return await self.read(app, number)

    async def resend(self, app: Client, number: int, by: By) -> None:
        """Mail the invitation again, or the link that proves the address; nothing when both are done.

        Raises:
            MemberUnknown: there is none of this number.
        """
        async with self._db.transaction() as tx:
            member = await self._find(tx, app, number)
            person = await users.lock(tx, member.person.user_id)
            if person is None:
                raise MemberUnknown
            if _is_to_be_set_up(person):
                await self._invite(tx, app, person, by)
            elif not person.email_verified:
                await self._verify(tx, app, person)
            await self._record(tx, "app.member.mail_resent", app, person, by)

    async def _find(self, tx: Executor, app: Client, number: int) -> Member:
        """The member, held until the transaction ends: its user's row is its lock."""
        found = await queries.find(tx, app.id, number)
        if found is not None and await users.lock(tx, found.person.user_id) is not None:
            found = await queries.find(tx, app.id, number)
        if found is None:
            raise MemberUnknown
        return found

    async def _invite(self, tx: Executor, app: Client, person: User, by: By) -> str:
        """The token of a new invitation, mailed; older ones of the person are void."""
        now = self._clock.now()
        raw_token = await mailed_links.issue(tx, Purpose.APP_INVITE, person, app, now, self._invite_ttl)
        context = {
            "inviter_name": by.user.full_name if by.user else "",
            "application_name": app.name,
            "token": raw_token,
            "expires_at": instant(now + self._invite_ttl),
        }
        await self._outbox.enqueue(tx, template="app_invitation", to=person.email, context=context)
        return raw_token

    async def _verify(self, tx: Executor, app: Client, person: User) -> None:
        now = self._clock.now()
        raw_token = await mailed_links.issue(tx, Purpose.EMAIL_VERIFICATION, person, app, now, self._verify_ttl)
        context = {
            "full_name": person.full_name,
            "application_name": app.name,
            "token": raw_token,
            "expires_at": instant(now + self._verify_ttl),
        }
        await self._outbox.enqueue(tx, template="verify_email", to=person.email, context=context)

    def _draft(self, email: str, name: str) -> User:
        """An account without a password: whoever accepts the invitation sets one."""
        return users.new(
            uuid7(self._clock),
            email,
            self._clock.now(),
            full_name=name,
            is_active=True,
            approval_status=ApprovalStatus.APPROVED,
        )

    async def _record(self, tx: Executor, event: str, app: Client, target: User | UUID, by: By, **details: Any) -> None:
        target_id = target.id if isinstance(target, User) else target
        told = {"client": app.client_id, **details}
        await self._audit.record(tx, event, by.origin, actor=by.actor, target=target_id, details=told)


def _is_to_be_set_up(person: User) -> bool:
    """Whether the account was made by an invitation that nobody accepted yet."""
    return person.password_hash is None and not person.email_verified and person.is_active


def _require_role(role: str) -> None:
    if role not in app_members.ROLES:
        raise InvalidRole
