"""The service under test. `identry_issuer` and `identry_clock` come with identry-kit; nothing has to run."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest

from identry_kit.jwtauth import JWKSCache, Verifier
from identry_kit.testing import Issuer, MovableClock
from notes import create_app


@pytest.fixture
async def keys(identry_issuer: Issuer, identry_clock: MovableClock) -> AsyncIterator[JWKSCache]:
    """The issuer's keys, fetched over HTTP as in production."""
    keys = JWKSCache(identry_issuer.jwks_url, clock=identry_clock)
    yield keys
    await keys.aclose()


@pytest.fixture
async def http(
    keys: JWKSCache, identry_issuer: Issuer, identry_clock: MovableClock
) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the service."""
    verifier = Verifier(keys, issuer=identry_issuer.issuer, audience=identry_issuer.audience, clock=identry_clock)
    transport = httpx2.ASGITransport(create_app(verifier))
    async with httpx2.AsyncClient(transport=transport, base_url="http://notes") as http:
        yield http
