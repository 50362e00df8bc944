"""Limits → application → policy → hash → one transaction: account, membership, link, mail, audit row.

Source: contracts/provider-api.md §7, §14. With `SIGNUP_HIDE_EXISTING` a taken address costs the same statements as a
free one and gets the same answer: what it would have written is rolled back to a savepoint, its owner gets mail.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import msgspec

from identry.app_refusals import UnknownApplication
from identry.core import email_domains
from identry.core.clock import Clock
from identry.core.db import Database, Executor
from identry.core.ids import uuid7
from identry.core.limits import SIGNUP, SIGNUP_EMAIL, Limiter
from identry.core.mail import Outbox
from identry.core.mail.outbox import instant
from identry.core.new_passwords import NewPasswords
from identry.core.origin import Origin
from identry.core.secrets import new_token
from identry.oauth import mailed_links
from identry.records import app_members, clients, tenants, users
from identry.records.audit import Audit
from identry.records.clients import Client
from identry.records.one_time_tokens import Purpose
from identry.records.users import ApprovalStatus, User
from identry.signin import PasswordLoginDisabled
from identry_kit.apierror import BadRequest, Forbidden

ROLE = "user"
"""What somebody who signs up is in the application."""


class SignupDisabled(Forbidden):
    """403: the application takes nobody who comes by themselves; `SIGNUP_ENABLED` says so unless it does itself."""

    browser_code = "signup_disabled"
    message = "sign-up is disabled"


class DomainNotAllowed(BadRequest):
    """400: `AUTH_ALLOWED_EMAIL_DOMAINS` does not name the address's domain."""

    browser_code = "email_domain_not_allowed"
    message = "addresses of this domain are not allowed here"


class EmailExists(BadRequest):
    """400: the address has an account."""

    browser_code = "email_exists"
    message = "email already exists"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a stranger says about themselves."""

    name: str
    email: str
    password: str = field(repr=False)
    client_id: str


@dataclass(frozen=True, slots=True)
class SignedUp:
    """What became of it.

    Attributes:
        number: of the new account; None: not told.
        raw_token: proves the address (of a hidden account: opens nothing), for deployments that show it.
    """

    number: int | None
    raw_token: str = field(repr=False)


TenantOfDomain = Callable[[str], Awaitable[UUID | None]]


class Signup:
    """Makes accounts.

    Args:
        enabled: `SIGNUP_ENABLED`, for applications that say nothing else.
        hide_existing: `SIGNUP_HIDE_EXISTING`.
        password_login: False under `AUTH_POLICY=restricted`.
        domains: `AUTH_ALLOWED_EMAIL_DOMAINS`.
        tenant_of_domain: the tenant that proved to own a domain; its policy holds for every address of it.
        ttl: how long the link of the mail works.
    """

    def __init__(
        self,
        db: Database,
        clock: Clock,
        audit: Audit,
        limiter: Limiter,
        new_passwords: NewPasswords,
        outbox: Outbox,
        ttl: timedelta,
        *,
        enabled: bool,
        hide_existing: bool,
        password_login: bool,
        domains: tuple[str, ...],
        tenant_of_domain: TenantOfDomain | None,
    ) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._limiter = limiter
        self._new_passwords = new_passwords
        self._outbox = outbox
        self._ttl = ttl
        self._enabled = enabled
        self._hide_existing = hide_existing
        self._password_login = password_login
        self._domains = domains
        self._tenant_of_domain = tenant_of_domain

    async def __call__(self, asked: Asked, origin: Origin) -> SignedUp:
        """The new account: approved, its address not yet proven, a member of the application.

        Raises:
            SignupDisabled, PasswordLoginDisabled: deployment or application do not offer this, or the owner of the
                address's domain wants single sign-on.
            RateLimited: the client address or the mail address used up its tries.
            UnknownApplication, DomainNotAllowed, UnacceptablePassword: as they say.
            EmailExists: the address has an account (not told with `SIGNUP_HIDE_EXISTING`).
            ServiceUnavailable: hashing queue, limiter or database cannot answer.
        """
        client = await self._admit(asked, origin)
        password_hash = await self._new_passwords.hash(asked.password, email=asked.email, field="password")
        owner = await users.find_by_email(self._db, asked.email)
        if owner is not None and not self._hide_existing:
            raise EmailExists
        user = self._newcomer(asked, password_hash)
        if owner is None:
            number, raw_token = await self._store(user, client, origin)
            if number is not None:
                return SignedUp(None if self._hide_existing else number, raw_token)
            if not self._hide_existing:
                raise EmailExists
        return SignedUp(None, await self._pretend(user, client, origin))

    async def _admit(self, asked: Asked, origin: Origin) -> Client:
        """Switches, limits and policy, before anything about the address is looked up."""
        await self._limiter.spend(SIGNUP, origin.ip)
        client = await clients.find(self._db, asked.client_id)
        if client is None or not client.is_active:
            raise UnknownApplication
        if not client.takes_strangers(deployment=self._enabled):
            raise SignupDisabled
        if not self._password_login:
            raise PasswordLoginDisabled
        if not email_domains.allowed(asked.email, self._domains):
            raise DomainNotAllowed
        await self._obey_owner(asked.email)
        await self._limiter.spend(SIGNUP_EMAIL, asked.email)
        return client

    async def _obey_owner(self, email: str) -> None:
        """A password that could sign nobody in is not taken; follows from the domain alone."""
        domain = email_domains.domain_of(email)
        owner = await self._tenant_of_domain(domain) if domain and self._tenant_of_domain else None
        tenant = await tenants.find(self._db, owner) if owner else None
        if tenant is not None and tenant.is_active and tenant.auth_policy == "restricted":
            raise PasswordLoginDisabled

    async def _store(self, user: User, client: Client, origin: Origin) -> tuple[int | None, str]:
        """The account's number and the token of its mail; no number: somebody took the address meanwhile."""
        raw_token = ""
        async with self._db.transaction() as tx:
            await tx.execute("SAVEPOINT signup")
            number = await self._insert(tx, user, client)
            if number is not None:
                raw_token = await mailed_links.issue(
                    tx, Purpose.EMAIL_VERIFICATION, user, client, self._clock.now(), self._ttl
                )
                await tx.execute("RELEASE SAVEPOINT signup")
                await self._mail(tx, user, client, raw_token)
                await self._record(tx, user.id, client, origin)
        return number, raw_token

    async def _pretend(self, user: User, client: Client, origin: Origin) -> str:
        """The statements of `_store`, of which only the mail to the owner and the audit row stay."""
        decoy = msgspec.structs.replace(user, email=f"{user.id.hex}@{new_token(8).lower()}.invalid")
        async with self._db.transaction() as tx:
            await tx.execute("SAVEPOINT signup")
            await self._insert(tx, decoy, client)
            raw_token = await mailed_links.issue(
                tx, Purpose.EMAIL_VERIFICATION, decoy, client, self._clock.now(), self._ttl
            )
            await tx.execute("ROLLBACK TO SAVEPOINT signup")
            context = {"full_name": user.full_name, "application_name": client.name}
            await self._outbox.enqueue(tx, template="signup_existing", to=user.email, context=context)
            await self._record(tx, None, client, origin)
        return raw_token

    async def _insert(self, tx: Executor, user: User, client: Client) -> int | None:
        if not await users.insert(tx, user):
            return None
        await app_members.insert(tx, client.id, user.id, ROLE, invite_sent=False, now=self._clock.now())
        return await users.number_of(tx, user.id)

    async def _mail(self, tx: Executor, user: User, client: Client, raw_token: str) -> None:
        context = {
            "full_name": user.full_name,
            "application_name": client.name,
            "token": raw_token,
            "expires_at": instant(self._clock.now() + self._ttl),
        }
        await self._outbox.enqueue(tx, template="verify_email", to=user.email, context=context)

    async def _record(self, tx: Executor, user_id: UUID | None, client: Client, origin: Origin) -> None:
        await self._audit.record(
            tx,
            "user.signed_up",
            origin,
            actor="anonymous",
            target=user_id,
            success=user_id is not None,
            details={"clientId": client.client_id, **({} if user_id else {"reason": "the address has an account"})},
        )

    def _newcomer(self, asked: Asked, password_hash: str) -> User:
        return users.new(
            uuid7(self._clock),
            asked.email,
            self._clock.now(),
            full_name=asked.name,
            password_hash=password_hash,
            is_active=True,
            approval_status=ApprovalStatus.APPROVED,
        )
