"""The rooms of signing in with an identity from elsewhere, and what they are made of."""

from __future__ import annotations

from uuid import UUID

from identry.app.engines import Engines
from identry.app.invitation_rooms import acceptance
from identry.browser import Replies
from identry.core.origin import Origin
from identry.federation.departure import PENDING_TTL, Departure, Departures, Errand
from identry.federation.exchange_code import EXCHANGE_TTL
from identry.federation.microsoft import platform_app
from identry.federation.provider import Provider
from identry.federation.reach import EveryProvider, NoMappings, PlatformProviders, Reach, Reaches
from identry.federation.token_request import Proofs
from identry.flows.accept_invitation.acceptance import InvitationGone
from identry.flows.exchange import routes as exchange
from identry.flows.exchange.service import Exchange
from identry.flows.federated_login import routes as federated_login
from identry.flows.federated_login import tenants as tenant_login
from identry.flows.federated_login.arrivals import Arrivals
from identry.flows.federated_login.invited import InvitedArrivals
from identry.flows.federated_login.refusals import Refused
from identry.flows.federated_login.routes import Redirects
from identry.flows.federated_login.service import FederatedLogin
from identry.flows.identities import routes as identities
from identry.flows.identities.service import OwnIdentities, ProviderSilent, Starting
from identry.records import tenants as tenant_records
from identry.settings import Settings
from identry.signin import SignIn
from identry.web.login_binding import login_binding
from identry.web.operations import Operation


def federated(settings: Settings, e: Engines) -> tuple[FederatedLogin, EveryProvider]:
    """Sign-in with identities from elsewhere, and all providers of them."""
    tenants = e.tenant_providers
    platform = PlatformProviders(*([_microsoft(settings)] if settings.microsoft_login else []))
    providers = EveryProvider(platform, tenants.providers if tenants else None)
    mappings = tenants.mappings if tenants else NoMappings()
    reaches = Reaches(Reach(e.providers, e.provider_keys), tenants.reach if tenants else None)
    arrivals = Arrivals(
        e.clock,
        e.audit,
        e.outbox,
        mappings,
        settings.auth_allowed_email_domains,
        password_login=settings.auth_policy == "standard",
    )
    login = FederatedLogin(
        e.db,
        e.clock,
        e.audit,
        e.limiter,
        providers,
        Departures(e.db, e.clock, e.pending_logins),
        Proofs(e.clock, reaches),
        arrivals,
        InvitedArrivals(e.clock, arrivals, acceptance(settings, e, InvitationGone)),
    )
    return login, providers


def federation_rooms(settings: Settings, e: Engines, signin: SignIn, replies: Replies) -> list[Operation]:
    """The operation table of sign-in, exchange and linking."""
    login, providers = federated(settings, e)
    redirects = redirects_of(settings)
    own = own_identities(settings, e, login)
    return [
        *(federated_login.operations(login, redirects) if settings.microsoft_login else []),
        *(tenant_login.operations(login, redirects, tenant_of(e)) if e.tenant_providers else []),
        *exchange.operations(
            Exchange(e.db, e.clock, e.audit, e.limiter, providers, signin), replies, redirects.arriving
        ),
        *identities.operations(own, redirects.leaving, microsoft=settings.microsoft_login),
    ]


def own_identities(settings: Settings, e: Engines, login: FederatedLogin) -> OwnIdentities:
    """Looks after the identities of whoever is signed in."""
    return OwnIdentities(
        e.db, e.clock, e.audit, e.outbox, _linking(login), password_login=settings.auth_policy == "standard"
    )


def _linking(login: FederatedLogin) -> Starting:
    """How a browser leaves to link an identity: a refusal is an answer here, no redirect."""

    async def start(key: str, errand: Errand, origin: Origin) -> Departure:
        try:
            return await login.start(key, errand, origin)
        except Refused:
            raise ProviderSilent from None

    return start


def tenant_of(e: Engines) -> tenant_login.TenantOf:
    """A tenant's short name → its id."""

    async def find(slug: str) -> UUID | None:
        tenant = await tenant_records.find_by_slug(e.db, slug)
        return tenant.id if tenant else None

    return find


def _microsoft(settings: Settings) -> Provider:
    return platform_app(
        authority=settings.ms_authority_url,
        api_public_url=settings.api_public_url,
        client_id=settings.ms_client_id,
        client_secret=settings.ms_client_secret.reveal(),
    )


def redirects_of(settings: Settings) -> Redirects:
    """Where browsers are sent, and the cookies that they carry."""
    secure = settings.browser_api_url.startswith("https:")
    cross_site = settings.refresh_cookie_samesite == "none"
    return Redirects(
        f"{settings.browser_app_url}/auth/callback",
        login_binding(secure=secure, cross_site=cross_site, seconds=int(PENDING_TTL.total_seconds())),
        login_binding(secure=secure, cross_site=cross_site, seconds=int(EXCHANGE_TTL.total_seconds())),
        settings.issuer_url,
    )
