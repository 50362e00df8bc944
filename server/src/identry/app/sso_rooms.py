"""The rooms of a tenant's own single sign-on: its provider and its domains."""

from __future__ import annotations

from urllib.parse import urlsplit

from identry.app.engines import Engines
from identry.app.sso_engines import SsoEngines
from identry.federation.configured import callback_path, login_path
from identry.flows.tenant_domains import routes as tenant_domains
from identry.flows.tenant_domains.service import TenantDomains
from identry.flows.tenant_sso import routes as tenant_sso
from identry.flows.tenant_sso.service import TenantSso
from identry.flows.tenant_sso.trial import SsoTrial
from identry.settings import Settings
from identry.web.operations import Operation


def sso_rooms(settings: Settings, e: Engines, s: SsoEngines) -> list[Operation]:
    """The operation table of these rooms."""
    addresses = tenant_sso.Addresses(
        redirect_uri=lambda slug: settings.browser_api_url + callback_path(slug),
        login_url=lambda slug: login_url(settings, slug),
    )
    own = TenantSso(
        e.db,
        e.clock,
        e.audit,
        s.secrets,
        other_way_in=settings.auth_policy == "standard" or settings.microsoft_login,
    )
    trial = SsoTrial(
        e.db,
        e.limiter,
        s.secrets,
        s.discovery,
        s.http,
        authority=settings.ms_authority_url,
        redirect_uri_of=addresses.redirect_uri,
    )
    hosts = tuple(urlsplit(url).hostname or "" for url in (settings.browser_api_url, settings.browser_app_url))
    claims = TenantDomains(e.db, e.clock, e.audit, e.limiter, s.dns, hosts)
    return [
        *tenant_sso.operations(own, trial, addresses, plain_http=settings.is_development),
        *tenant_domains.operations(claims),
    ]


def login_url(settings: Settings, slug: str) -> str:
    """Where a browser begins to sign in with a tenant's provider."""
    return settings.browser_api_url + login_path(slug)
