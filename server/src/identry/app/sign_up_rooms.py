"""What gets somebody an account or a password; every surface has its skin of it."""

from __future__ import annotations

from identry.app.engines import Engines
from identry.flows.password_reset.service import PasswordReset
from identry.flows.register.service import Register, no_tenant
from identry.settings import Settings


def registration(settings: Settings, e: Engines) -> Register:
    """Stores registrations that wait for approval."""
    return Register(
        e.db,
        e.clock,
        e.audit,
        e.limiter,
        e.new_passwords,
        e.outbox,
        enabled=settings.public_registration_enabled,
        password_login=settings.auth_policy == "standard",
        email_domains=settings.auth_allowed_email_domains,
        tenant_of_domain=e.tenant_providers.mappings.tenant_of_domain if e.tenant_providers else no_tenant,
    )


def password_resets(settings: Settings, e: Engines) -> PasswordReset:
    """Lets the owner of a mailbox set a new password."""
    return PasswordReset(
        e.db,
        e.clock,
        e.audit,
        e.limiter,
        e.new_passwords,
        e.outbox,
        e.marks,
        settings.password_reset_ttl,
        password_login=settings.auth_policy == "standard",
    )
