"""The pytest plugin: its fixtures are there without a word, and a suite that does not use them is not disturbed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_DNS, UUID, uuid5

from identry_kit import context
from identry_kit.jwtauth import JWKSCache, Verifier
from identry_kit.testing import AUDIENCE, SUBJECT, TENANT, Issuer, MovableClock, acting_as


async def test_a_services_test_needs_these_fixtures_and_no_server(
    identry_issuer: Issuer, identry_mint: Callable[..., str], identry_clock: MovableClock
) -> None:
    cache = JWKSCache(identry_issuer.jwks_url, clock=identry_clock)
    verifier = Verifier(cache, issuer=identry_issuer.issuer, audience=AUDIENCE, clock=identry_clock)
    assert (await verifier.verify(identry_mint(role="admin")))["role"] == "admin"
    await cache.aclose()


def test_a_caller_without_a_request(identry_acting_as: Any) -> None:
    with identry_acting_as(role="admin", plan="pro"):
        assert (context.user_sub(), context.user_role(), context.user_plan()) == (SUBJECT, "admin", "pro")
        assert (context.tenant_id(), context.user_id()) == (UUID(TENANT), uuid5(NAMESPACE_DNS, "socrate:42"))
        assert context.request_id() == "test-request"
    with acting_as(sub=TENANT):
        assert context.user_id() == UUID(TENANT)
    assert context.user_sub() == ""
    assert context.current() is None


UNUSED = """
import sys

def test_nothing_was_loaded():
    heavy = {"cryptography", "httpx2", "http.server", "fastapi", "litestar", "starlette", "identry_kit.testing"}
    assert not heavy & set(sys.modules)
    assert "identry_kit.pytest_plugin" in sys.modules

def identry_issuer():
    "names of one's own are not touched"

def test_its_own_names(request):
    assert identry_issuer() is None
"""

OWN = """
import pytest

@pytest.fixture
def identry_issuer():
    return "mine"

def test_a_fixture_of_the_suites_own_wins(identry_issuer):
    assert identry_issuer == "mine"
"""


def test_a_suite_that_does_not_use_it_is_not_disturbed(tmp_path: Path) -> None:
    (tmp_path / "test_unused.py").write_text(UNUSED)
    (tmp_path / "test_own.py").write_text(OWN)
    unneeded = ("asyncio", "hypothesispytest", "anyio", "timeout", "schemathesis", "faker", "xdist", "xdist.looponfail")
    others = [part for plugin in unneeded for part in ("-p", f"no:{plugin}")]
    command = [sys.executable, "-m", "pytest", "-q", "--strict-markers", "-W", "error", *others, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert "3 passed" in done.stdout, done.stdout + done.stderr
