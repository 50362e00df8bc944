"""What gets somebody an account or a password; every surface has its skin of it."""

from __future__ import annotations

from datetime import timedelta

from identry.app.engines import Engines
from identry.core.limits import APP_RESET_CONFIRM, APP_RESET_REQUEST, Limit
from identry.core.mail.events import APP, PAGES
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
    """Lets the owner of a mailbox set a new password; its links lead to `FRONTEND_URL`."""
    return _resets(settings, e, settings.password_reset_ttl)


def browser_password_resets(settings: Settings, e: Engines) -> PasswordReset:
    """The same for whoever asks in the single-page app; its links lead back to `APP_BASE_URL`."""
    return _resets(settings, e, settings.password_reset_ttl, asked_in=APP)


def page_password_resets(settings: Settings, e: Engines) -> PasswordReset:
    """The same for whoever asks on the pages; its links lead back to them."""
    return _pages_resets(settings, e, settings.password_reset_ttl)


def app_password_resets(settings: Settings, e: Engines, *, requests: Limit = APP_RESET_REQUEST) -> PasswordReset:
    """The same for people of applications, who know the pages and perhaps nothing else of this house."""
    return _pages_resets(settings, e, settings.reset_token_ttl, requests)


def _pages_resets(settings: Settings, e: Engines, ttl: timedelta, requests: Limit = APP_RESET_REQUEST) -> PasswordReset:
    """Pages and JSON of the provider's surface count together (contracts/provider-api.md §13)."""
    return _resets(settings, e, ttl, asked_in=PAGES, requests=requests, confirms=APP_RESET_CONFIRM)


def _resets(settings: Settings, e: Engines, ttl: timedelta, *, asked_in: str = "", **limits: Limit) -> PasswordReset:
    return PasswordReset(
        e.db,
        e.clock,
        e.audit,
        e.limiter,
        e.new_passwords,
        e.outbox,
        e.marks,
        ttl,
        password_login=settings.auth_policy == "standard",
        asked_in=asked_in,
        **limits,
    )
