"""An application whose tenants have identity providers and domains on this machine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from harness import Harness, Servers, running
from services.openid_provider import OpenIdProvider
from single_sign_on import Acme, SsoWindow
from tenants import Tenant, TenantHeader

LOCAL = {"OIDC_ALLOWED_PRIVATE_NETWORKS": "127.0.0.0/8"}


@pytest.fixture(scope="module")
async def settings_app(servers: Servers) -> AsyncIterator[Harness]:
    """The application in which the tenant comes from a header: for the rooms of settings."""
    guard = TenantHeader()
    async with running(servers, browser=guard, **LOCAL) as harness:
        guard.app = harness
        yield harness


@pytest.fixture
async def tenant(settings_app: Harness) -> AsyncIterator[Tenant]:
    """A tenant of the test's own, with an administrator."""
    yield await Tenant(settings_app).made()
    settings_app.clock.reset()


@pytest.fixture(scope="session")
def provider_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenIdProvider]:
    """One process for the whole run."""
    provider = OpenIdProvider(tmp_path_factory.mktemp("openid")).start()
    yield provider
    provider.stop()


@pytest.fixture
def provider(provider_process: OpenIdProvider) -> Iterator[OpenIdProvider]:
    """The certified provider, well at the end of each test whatever was done to it."""
    yield provider_process
    provider_process.set(answers={}, delay={}, conformIdTokenClaims=True)


@pytest.fixture(scope="module")
async def sso_app(servers: Servers) -> AsyncIterator[Harness]:
    """The application, complete: with its own guard, and providers on this machine."""
    async with running(servers, **LOCAL) as harness:
        yield harness


@pytest.fixture
async def acme(sso_app: Harness, provider: OpenIdProvider) -> AsyncIterator[Acme]:
    """A tenant that signs in with the certified provider."""
    sso_app.clock.reset()
    engines = sso_app.app.engines.browser
    assert engines is not None
    engines.sso.discovery._entries.clear()
    engines.sso.keys._known.clear()
    yield await Acme(sso_app, provider).made()
    sso_app.clock.reset()


@pytest.fixture
def window(acme: Acme) -> SsoWindow:
    """A browser."""
    return SsoWindow(acme)
