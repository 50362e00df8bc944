"""Limit → policy → hash → one transaction: the pending user, its mail, its audit row. Source: platform-api.md §4."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from uuid import UUID

from identry.core import email_domains
from identry.core.clock import Clock
from identry.core.db import Database
from identry.core.ids import uuid7
from identry.core.limits import REGISTER, Limiter
from identry.core.mail import Outbox
from identry.core.new_passwords import NewPasswords
from identry.core.origin import Origin
from identry.records import tenants, users
from identry.records.audit import Audit
from identry.records.users import User
from identry.signin import EmailDomainNotAllowed, PasswordLoginDisabled
from identry_kit.apierror import Conflict, Forbidden


class RegistrationDisabled(Forbidden):
    """403: `PUBLIC_REGISTRATION_ENABLED` is not true."""

    code = "registration_disabled"
    message = "public registration is disabled"


class EmailTaken(Conflict):
    """409: an account with this address exists."""

    browser_code = "email_exists"
    message = "an account with this email already exists"


@dataclass(frozen=True, slots=True)
class Registration:
    """What a stranger may say about themselves; everything else of an account is decided here."""

    email: str
    password: str = field(repr=False)
    full_name: str
    phone_number: str | None
    profile_picture_url: str | None


TenantOfDomain = Callable[[str], Awaitable[UUID | None]]


async def no_tenant(domain: str) -> UUID | None:  # noqa: ARG001 - the signature of TenantOfDomain
    """No tenant proved to own any domain."""
    return None


class Register:
    """Stores registrations that wait for approval.

    Args:
        enabled: `PUBLIC_REGISTRATION_ENABLED`.
        password_login: False under `AUTH_POLICY=restricted`.
        email_domains: `AUTH_ALLOWED_EMAIL_DOMAINS`.
        tenant_of_domain: the tenant that proved to own a domain; its policy holds for every address of it.
    """

    def __init__(
        self,
        db: Database,
        clock: Clock,
        audit: Audit,
        limiter: Limiter,
        new_passwords: NewPasswords,
        outbox: Outbox,
        *,
        enabled: bool,
        password_login: bool,
        email_domains: tuple[str, ...] = (),
        tenant_of_domain: TenantOfDomain = no_tenant,
    ) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._limiter = limiter
        self._new_passwords = new_passwords
        self._outbox = outbox
        self._enabled = enabled
        self._password_login = password_login
        self._email_domains = email_domains
        self._tenant_of_domain = tenant_of_domain

    async def __call__(self, registration: Registration, origin: Origin) -> User:
        """The new account: pending, inactive, its address not yet proven.

        Raises:
            RegistrationDisabled, PasswordLoginDisabled: the deployment does not offer this, or the owner of the
                address's domain wants single sign-on.
            EmailDomainNotAllowed: not for addresses of this domain.
            TooManyRequests: the address used up its registrations.
            UnacceptablePassword: the policy refuses the password.
            EmailTaken: the address has an account.
            ServiceUnavailable: hashing queue, limiter or database cannot answer.
        """
        if not self._enabled:
            raise RegistrationDisabled
        if not self._password_login:
            raise PasswordLoginDisabled
        await self._limiter.spend(REGISTER, origin.ip)
        if not email_domains.allowed(registration.email, self._email_domains):
            raise EmailDomainNotAllowed
        await self._obey_owner(registration.email)
        password_hash = await self._new_passwords.hash(
            registration.password, email=registration.email, field="password"
        )
        user = self._pending(registration, password_hash)
        async with self._db.transaction() as tx:
            stored = await users.insert(tx, user)
            if stored:
                await self._outbox.enqueue(
                    tx, template="registration_pending", to=user.email, context={"full_name": user.full_name}
                )
                await self._audit.record(tx, "user.registered", origin, actor="anonymous", target=user.id)
        if not stored:
            raise EmailTaken
        return user

    async def _obey_owner(self, email: str) -> None:
        """A password that could sign nobody in is not taken; follows from the domain alone, as check-method does."""
        domain = email_domains.domain_of(email)
        owner = await self._tenant_of_domain(domain) if domain else None
        tenant = await tenants.find(self._db, owner) if owner else None
        if tenant is not None and tenant.is_active and tenant.auth_policy == "restricted":
            raise PasswordLoginDisabled

    def _pending(self, registration: Registration, password_hash: str) -> User:
        return users.new(
            uuid7(self._clock),
            registration.email,
            self._clock.now(),
            full_name=registration.full_name,
            password_hash=password_hash,
            phone_number=registration.phone_number,
            profile_picture_url=registration.profile_picture_url,
        )
