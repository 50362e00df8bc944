"""Which providers there are, and how each is reached: the platform's own, and those that tenants configured."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from identry.federation.provider import Admission, KeySets, Mappings, Provider, ProviderHttp, Providers
from identry_kit.jwtauth import JWKSCache
from identry_kit.jwtauth.keys import Keys


class PlatformProviders:
    """The platform's providers, which settings name; there are few, and they never change."""

    def __init__(self, *providers: Provider) -> None:
        self._providers = {provider.key: provider for provider in providers}

    async def find(self, key: str) -> Provider | None:
        """See `Providers.find`; needs nobody."""
        return self._providers.get(key)


class EveryProvider:
    """The platform's providers, then those of tenants."""

    def __init__(self, platform: PlatformProviders, tenants: Providers | None = None) -> None:
        self._platform = platform
        self._tenants = tenants

    async def find(self, key: str) -> Provider | None:
        """See `Providers.find`."""
        found = await self._platform.find(key)
        return await self._tenants.find(key) if found is None and self._tenants else found


class NoMappings:
    """What tenants say as long as none can say anything."""

    async def tenant_of_directory(self, tid: str) -> Admission | None:  # noqa: ARG002 - the protocol's signature
        """See `Mappings`."""
        return None

    async def tenant_of_domain(self, domain: str) -> UUID | None:  # noqa: ARG002 - the protocol's signature
        """See `Mappings`."""
        return None


class PlatformKeys:
    """The published keys of the platform's providers: one cache for each, closed with the process."""

    def __init__(self) -> None:
        self._caches: dict[str, JWKSCache] = {}

    def of(self, provider: Provider) -> Keys:
        """See `KeySets`."""
        cache = self._caches.get(provider.jwks_uri)
        if cache is None:
            cache = self._caches[provider.jwks_uri] = JWKSCache(provider.jwks_uri)
        return cache

    async def close(self) -> None:
        """End what is under way."""
        for cache in self._caches.values():
            await cache.aclose()


@dataclass(frozen=True, slots=True)
class Reach:
    """The way to a kind of providers.

    Attributes:
        http: asks their endpoints.
        keys: their published keys.
    """

    http: ProviderHttp
    keys: KeySets


@dataclass(frozen=True, slots=True)
class TenantProviders:
    """What the configurations of tenants bring along.

    Attributes:
        providers: their providers, by the tenant's id.
        mappings: what they say of directories and domains.
        reach: the safe way to what they typed in.
    """

    providers: Providers
    mappings: Mappings
    reach: Reach


class Reaches:
    """The way to each provider: an operator's is trusted to be where settings say, a tenant's is not."""

    def __init__(self, platform: Reach, tenants: Reach | None = None) -> None:
        self._platform = platform
        self._tenants = tenants

    def of(self, provider: Provider) -> Reach:
        """The way to this provider.

        Raises:
            LookupError: a tenant's, and there is no safe way to those.
        """
        if provider.tenant_id is None:
            return self._platform
        if self._tenants is None:
            raise LookupError("no way to the providers of tenants")
        return self._tenants
