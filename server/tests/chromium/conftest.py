"""One browser and one API for these tests; each visitor has a profile of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from harness import Servers, running
from services.ports import free_port

from chromium import program
from chromium.devtools import DevTools
from chromium.house import House
from chromium.world import World, at_ports, new_address
from identry.core.limits import PAGE_LOGIN


@pytest.fixture(scope="session")
async def chromium(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DevTools]:
    """A running browser; the test is skipped where there is none."""
    async with program.started(tmp_path_factory.mktemp("chromium")) as devtools:
        yield devtools


@pytest.fixture(scope="session")
async def shared_world(servers: Servers, chromium: DevTools) -> AsyncIterator[World]:
    """One world for all tests that need no settings of their own."""
    async with at_ports(servers, chromium) as world:
        yield world


@pytest.fixture
async def world(shared_world: World) -> AsyncIterator[World]:
    """The shared world, as a visitor of a new address; its clock is put back after the test."""
    shared_world.front.address = new_address()
    yield shared_world
    shared_world.app.clock.reset()


@pytest.fixture(scope="session")
async def shared_house(servers: Servers, chromium: DevTools) -> AsyncIterator[House]:
    """One server whose own pages are looked at."""
    port = free_port()
    url = f"http://localhost:{port}"
    own = dict.fromkeys(("OAUTH_ISSUER", "API_PUBLIC_URL", "APP_BASE_URL", "FRONTEND_URL"), url)
    async with running(servers, port=port, **own) as app:
        yield House(app, chromium, url)


@pytest.fixture
async def house(shared_house: House) -> House:
    """The shared server; all of its visitors have one address, which has its tries again for this test."""
    for ip in ("127.0.0.1", "::1"):
        await shared_house.app.app.engines.login_limiter.forget(PAGE_LOGIN, ip)
    return shared_house
