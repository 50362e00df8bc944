"""The pages of one's own account: the services of the other surfaces, in the browser's own session."""

from __future__ import annotations

from identry.app import account_services
from identry.app.engines import Engines
from identry.app.federation_rooms import federated, own_identities, redirects_of
from identry.app.page_rooms import page_signin, returns_here
from identry.app.passkey_rooms import page_party
from identry.app.provider_engines import ProviderEngines
from identry.flows.account import pages as account
from identry.flows.account.overview import Overview
from identry.flows.administration import pages as administration
from identry.flows.connected_apps import pages as connected_apps
from identry.flows.connected_apps.service import ConnectedApps
from identry.flows.email_change import pages as email_change
from identry.flows.email_change.service import EmailChange
from identry.flows.identities import pages as identities
from identry.flows.identities.pages import Linking
from identry.flows.logout import own_pages as logout
from identry.flows.logout.service import Logout
from identry.flows.mfa_change import pages as mfa_change
from identry.flows.mfa_setup import own_pages as mfa_setup
from identry.flows.passkey_register import own_pages as passkey_register
from identry.flows.passkey_register.service import RegisterPasskey
from identry.flows.passkeys import pages as passkeys
from identry.flows.password_change import pages as password_change
from identry.flows.profile import pages as profile
from identry.flows.profile.service import OwnProfile
from identry.flows.register.service import no_tenant
from identry.flows.sessions import pages as sessions
from identry.flows.sessions.service import OwnSessions
from identry.flows.sign_in_history import pages as sign_in_history
from identry.flows.sign_in_history.service import SignInHistory
from identry.settings import Settings
from identry.web.account_pages import AccountPages
from identry.web.operations import Operation


def account_rooms(settings: Settings, e: Engines, p: ProviderEngines) -> list[Operation]:
    """The operation table below `/account`, and `/admin`."""
    local = settings.auth_policy == "standard"
    pages = AccountPages(p.pages.pages, e.db, secure=p.pages.secure)
    password = account_services.password_change(settings, e)
    address = EmailChange(
        e.db,
        e.clock,
        e.audit,
        e.limiter,
        e.outbox,
        e.marks,
        settings.email_token_ttl,
        domains=settings.auth_allowed_email_domains,
        tenant_of_domain=e.tenant_providers.mappings.tenant_of_domain if e.tenant_providers else no_tenant,
    )
    overview = Overview(e.db, e.clock, local_login=local, mfa_required=settings.mfa_required)
    out = Logout(e.db, e.clock, e.audit, p.browser_tokens, e.marks)
    return [
        *account.operations(overview, pages),
        *profile.operations(OwnProfile(e.db, e.clock, e.audit), pages),
        *email_change.operations(address, pages),
        *password_change.operations(password, pages, settings.password_min_length),
        *_factors(settings, e, p, pages),
        *sessions.operations(OwnSessions(e.db, e.clock, e.audit, e.marks), pages),
        *connected_apps.operations(ConnectedApps(e.db, e.clock, e.audit, e.marks), pages),
        *_identities(settings, e, pages),
        *sign_in_history.operations(SignInHistory(e.db), pages),
        *logout.operations(out, pages, p.pages.cookie, "/signed-out"),
        *administration.operations(p.pages.pages, "/docs"),
    ]


def _factors(settings: Settings, e: Engines, p: ProviderEngines, pages: AccountPages) -> list[Operation]:
    """The pages of the second factor and of passkeys."""
    signin = page_signin(settings, e, p)
    setup = account_services.mfa_setup(settings, e, signin)
    change = account_services.mfa_change(settings, e)
    own = account_services.own_passkeys(settings, e)
    party = page_party(settings)
    add = RegisterPasskey(e.db, e.clock, e.audit, e.limiter, e.outbox, party, signin) if party else None
    return [
        *mfa_setup.operations(setup, pages),
        *mfa_change.operations(change, pages),
        *passkeys.operations(own, pages, offered=party is not None),
        *(passkey_register.operations(add, pages, party, settings.mfa_issuer) if add and party else []),
    ]


def _identities(settings: Settings, e: Engines, pages: AccountPages) -> list[Operation]:
    """The pages of identities elsewhere; linking where providers come back to these pages."""
    login, _ = federated(settings, e)
    leaving = redirects_of(settings).leaving
    linking = Linking(leaving, settings.microsoft_login, e.tenant_providers is not None)
    return identities.operations(
        own_identities(settings, e, login), pages, linking if returns_here(settings, e) else None
    )
