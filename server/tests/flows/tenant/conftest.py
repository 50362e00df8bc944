"""An application whose browser surface takes the tenant from a header."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from harness import Harness, Servers, running
from tenants import Tenant, TenantHeader


@pytest.fixture(scope="module")
async def tenant_app(servers: Servers) -> AsyncIterator[Harness]:
    """The application."""
    guard = TenantHeader()
    async with running(servers, browser=guard) as harness:
        guard.app = harness
        yield harness


@pytest.fixture
async def tenant(tenant_app: Harness) -> AsyncIterator[Tenant]:
    """A tenant of the test's own, with an administrator."""
    yield await Tenant(tenant_app).made()
    tenant_app.clock.reset()
