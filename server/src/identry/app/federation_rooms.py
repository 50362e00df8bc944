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


def federation_rooms(settings: Settings, e: Engines, signin: SignIn, replies: Replies) -> list[Operation]:
    """The operation table of sign-in, exchange and linking."""
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
    redirects = _redirects(settings)
    own = OwnIdentities(
        e.db, e.clock, e.audit, e.outbox, _linking(login), password_login=settings.auth_policy == "standard"
    )
    return [
        *(federated_login.operations(login, redirects) if settings.microsoft_login else []),
        *(tenant_login.operations(login, redirects, lambda slug: _tenant_of(e, slug)) if tenants else []),
        *exchange.operations(
            Exchange(e.db, e.clock, e.audit, e.limiter, providers, signin), replies, redirects.arriving
        ),
        *identities.operations(own, redirects.leaving, microsoft=settings.microsoft_login),
    ]


def _linking(login: FederatedLogin) -> Starting:
    """How a browser leaves to link an identity: a refusal is an answer here, no redirect."""

    async def start(key: str, errand: Errand, origin: Origin) -> Departure:
        try:
            return await login.start(key, errand, origin)
        except Refused:
            raise ProviderSilent from None

    return start


async def _tenant_of(e: Engines, slug: str) -> UUID | None:
    tenant = await tenant_records.find_by_slug(e.db, slug)
    return tenant.id if tenant else None


def _microsoft(settings: Settings) -> Provider:
    return platform_app(
        authority=settings.ms_authority_url,
        api_public_url=settings.api_public_url,
        client_id=settings.ms_client_id,
        client_secret=settings.ms_client_secret.reveal(),
    )


def _redirects(settings: Settings) -> Redirects:
    secure = settings.browser_api_url.startswith("https:")
    cross_site = settings.refresh_cookie_samesite == "none"
    return Redirects(
        f"{settings.browser_app_url}/auth/callback",
        login_binding(secure=secure, cross_site=cross_site, seconds=int(PENDING_TTL.total_seconds())),
        login_binding(secure=secure, cross_site=cross_site, seconds=int(EXCHANGE_TTL.total_seconds())),
    )
