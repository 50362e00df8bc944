"""The providers that tenants configured, and what their configurations say.

Source: contracts/browser-api.md §6.1, §12.
"""

from __future__ import annotations

from uuid import UUID

import structlog

from identry.core.db import Executor
from identry.core.secrets import SealError
from identry.federation.discovery import Discovery
from identry.federation.provider import Admission, ClientSecret, Provider, ProviderUnavailable
from identry.records import domains, sso_configs
from identry.records.sso_configs import SsoSecrets, Usable

log = structlog.get_logger("identry.federation")


def login_path(slug: str) -> str:
    """Where sign-in with a tenant's provider begins."""
    return f"/api/v1/auth/sso/{slug}/login"


def callback_path(slug: str) -> str:
    """Where a tenant's provider sends the browser back to."""
    return f"/api/v1/auth/sso/{slug}/callback"


class ConfiguredProviders:
    """Finds the providers of tenants: `Providers` and `Mappings` in one.

    Args:
        authority: of the Entra cloud, without a slash at the end.
        api_public_url: where browsers reach this server.
    """

    def __init__(
        self, db: Executor, secrets: SsoSecrets, discovery: Discovery, *, authority: str, api_public_url: str
    ) -> None:
        self._db = db
        self._secrets = secrets
        self._discovery = discovery
        self._authority = authority
        self._api = api_public_url

    async def find(self, key: str) -> Provider | None:
        """The provider of the tenant whose id the key is; see `Providers.find`.

        Raises:
            ProviderUnavailable: it is configured, but its endpoints cannot be told.
        """
        try:
            tenant_id = UUID(key)
        except ValueError:
            return None
        return await self._provider(await sso_configs.usable(self._db, tenant_id))

    async def of_slug(self, slug: str) -> Provider | None:
        """The provider of the tenant with this short name.

        Raises:
            ProviderUnavailable: as `find`.
        """
        return await self._provider(await sso_configs.usable_by_slug(self._db, slug))

    async def tenant_of_directory(self, tid: str) -> Admission | None:
        """See `Mappings.tenant_of_directory`."""
        try:
            directory = UUID(tid)
        except ValueError:
            return None
        found = await sso_configs.usable_by_directory(self._db, directory)
        return Admission(found.config.tenant_id, found.config.jit, found.group_ids) if found else None

    async def tenant_of_domain(self, domain: str) -> UUID | None:
        """See `Mappings.tenant_of_domain`."""
        return await domains.owner(self._db, domain)

    async def _provider(self, found: Usable | None) -> Provider | None:
        if found is None:
            return None
        config = found.config
        try:
            secret = ClientSecret(self._secrets.open(config))
        except SealError as error:
            log.error("a client secret cannot be opened", tenant_id=str(config.tenant_id), reason=str(error))
            raise ProviderUnavailable("its client secret cannot be opened") from None
        shared = {
            "key": str(config.tenant_id),
            "tenant_id": config.tenant_id,
            "redirect_uri": self._api + callback_path(found.slug),
            "client_id": config.client_id,
            "client_secret": secret,
            "jit": config.jit,
            "default_group_ids": found.group_ids,
            "display_name": config.display_name,
        }
        if config.directory_tenant_id is not None:
            return _entra(self._authority, str(config.directory_tenant_id), shared)
        assert config.issuer is not None, "a check of the table"
        document = await self._discovery.of(config.issuer)
        return Provider(
            kind="oidc",
            issuer=document.issuer,
            authorization_endpoint=document.authorization_endpoint,
            token_endpoint=document.token_endpoint,
            jwks_uri=document.jwks_uri,
            directory_id=None,
            client_authentication=document.client_authentication,
            userinfo_endpoint=document.userinfo_endpoint,
            names_itself=document.names_itself,
            **shared,  # type: ignore[arg-type]  # the fields above, each of its type
        )


def _entra(authority: str, directory: str, shared: dict[str, object]) -> Provider:
    """A tenant's own app in its own directory; the endpoints are fixed, so nothing has to be discovered first."""
    home = f"{authority}/{directory}"
    return Provider(
        kind="entra",
        issuer=f"{authority}/{{tid}}/v2.0",
        authorization_endpoint=f"{home}/oauth2/v2.0/authorize",
        token_endpoint=f"{home}/oauth2/v2.0/token",
        jwks_uri=f"{home}/discovery/v2.0/keys",
        directory_id=directory,
        **shared,  # type: ignore[arg-type]  # the fields above, each of its type
    )
