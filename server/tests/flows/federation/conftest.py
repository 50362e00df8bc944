"""An application whose Microsoft is a server of the test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from federation import Federation, Window, federation
from harness import Harness, Servers


@pytest.fixture(scope="package")
async def federated(servers: Servers) -> AsyncIterator[Federation]:
    """The application."""
    async with federation(servers) as made:
        yield made


@pytest.fixture
def there(federated: Federation) -> Federation:
    """The same, its provider truthful again."""
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
