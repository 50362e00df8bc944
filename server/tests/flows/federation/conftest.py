"""An application whose Microsoft is a server of the test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from federation import Federation, Said, Window
from harness import Harness, Servers, running
from services.entra import CLIENT_ID, CLIENT_SECRET, Entra

from identry.core.outbound import JsonClient
from identry.federation.reach import PlatformKeys, Reach


@pytest.fixture(scope="package")
async def entra() -> AsyncIterator[Entra]:
    """The provider."""
    server = Entra()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture(scope="package")
async def federated(servers: Servers, entra: Entra) -> AsyncIterator[Federation]:
    """The application."""
    said, reach = Said(), Reach(JsonClient(), PlatformKeys())
    env = {"MS_CLIENT_ID": CLIENT_ID, "MS_CLIENT_SECRET": CLIENT_SECRET, "MS_AUTHORITY_URL": entra.url}
    async with running(servers, tenants=said.all(reach), **env) as harness:
        entra.now = harness.clock.timestamp
        yield Federation(harness, entra, said)


@pytest.fixture
def there(federated: Federation) -> Federation:
    """The same, its clock put right and its provider truthful again."""
    federated.app.clock.reset()
    federated.entra.truthful()
    return federated


@pytest.fixture
def app(there: Federation) -> Harness:
    """The application of these tests."""
    return there.app


@pytest.fixture
def window(there: Federation) -> Window:
    """A browser."""
    return Window(there)
