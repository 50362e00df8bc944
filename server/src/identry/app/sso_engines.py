"""What single sign-on of tenants is made of: the way to their providers, what is known of these, and the DNS."""

from __future__ import annotations

from dataclasses import dataclass

from identry.core.clock import Clock
from identry.core.db import Database
from identry.core.outbound import JsonClient
from identry.core.public_network import PublicNetwork
from identry.core.secrets import RootSecret
from identry.core.txt_records import TxtRecords
from identry.federation.configured import ConfiguredProviders
from identry.federation.discovery import Discovery, ProviderKeys
from identry.federation.reach import Reach, TenantProviders
from identry.records.sso_configs import SsoSecrets
from identry.settings import Settings
from identry.web.origin_check import origin_of
from identry_kit.jwtauth import JWKSCache

PROVIDER_TIMEOUT = 10.0
"""Seconds for the whole answer of an identity provider (contracts/browser-api.md §6)."""
PROVIDER_ANSWER = 256 * 1024


@dataclass(frozen=True, slots=True)
class SsoEngines:
    """Made with the browser surface, closed with the process.

    Attributes:
        http: asks the providers of tenants, and nothing that only this server can reach.
    """

    http: JsonClient
    discovery: Discovery
    keys: ProviderKeys
    secrets: SsoSecrets
    providers: ConfiguredProviders
    dns: TxtRecords

    @property
    def tenants(self) -> TenantProviders:
        """What the configurations of tenants bring along."""
        return TenantProviders(self.providers, self.providers, Reach(self.http, self.keys))

    async def close(self) -> None:
        """End what is under way."""
        await self.discovery.close()
        await self.http.close()


def sso_engines(settings: Settings, db: Database, root: RootSecret, clock: Clock) -> SsoEngines:
    """The engines of a configuration; nobody is asked anything yet."""
    network = PublicNetwork(
        settings.oidc_allowed_private_networks,
        plain_http=settings.is_development,
        trusted=(origin_of(settings.ms_authority_url),),
    )
    http = JsonClient(timeout=PROVIDER_TIMEOUT, max_bytes=PROVIDER_ANSWER, transport=network)
    discovery = Discovery(http, clock)
    secrets = SsoSecrets(root.sealer("tenant-oidc"))
    providers = ConfiguredProviders(
        db, secrets, discovery, authority=settings.ms_authority_url, api_public_url=settings.browser_api_url
    )
    keys = ProviderKeys(lambda url: JWKSCache(url, http=http.http, clock=clock.timestamp))
    return SsoEngines(http, discovery, keys, secrets, providers, TxtRecords(settings.dns_servers))
