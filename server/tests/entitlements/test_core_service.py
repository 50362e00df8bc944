"""Entitlements from a Core service: a real HTTP server that answers well, badly, late and not at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
from harness import Harness, Servers, running
from services.clocks import StillClock
from services.core_service import CoreServer

from identry.core.kv import MemoryKV
from identry.core.outbound import JsonClient
from identry.entitlements import Catalogue, CoreEntitlements, EntitlementsUnavailable

MODULES = ("crm", "touring")
COMPANY = uuid4()


@pytest.fixture
async def core() -> AsyncIterator[CoreServer]:
    server = CoreServer()
    server.url = await server.start()  # type: ignore[attr-defined]
    server.owns(*MODULES)
    yield server
    await server.stop()


class Asking:
    """The adapter with a clock and a cache of its own."""

    def __init__(self, url: str) -> None:
        self.clock = StillClock()
        self.kv = MemoryKV(self.clock)
        self.client = JsonClient(timeout=20, max_bytes=10_000, headers={"X-Internal-API-Key": "core-key"})
        self.source = CoreEntitlements(self.client, url, self.kv, self.clock, Catalogue.load())

    async def later(self, seconds: float) -> None:
        """Time passes; also the pause after a failure is over."""
        self.clock.advance(seconds)
        self.source._paused_until = 0.0


@pytest.fixture
async def asking(core: CoreServer) -> AsyncIterator[Asking]:
    asking = Asking(core.url)  # type: ignore[attr-defined]
    yield asking
    await asking.client.close()


async def test_core_is_asked_for_the_company_with_its_key(core: CoreServer, asking: Asking) -> None:
    owned = await asking.source.owned(COMPANY)
    assert owned.modules == set(MODULES)
    assert owned.version == 1
    assert core.requests[0].startswith(f"GET /internal/companies/{COMPANY}/entitlements HTTP/1.1")
    assert "x-internal-api-key: core-key" in core.requests[0].lower()


async def test_permissions_come_from_core_or_from_the_catalogue(core: CoreServer, asking: Asking) -> None:
    assert (await asking.source.owned(COMPANY)).permissions == Catalogue.load().permissions_of(["crm"])
    core.says(200, {"modules": ["touring"], "permissions": ["touring.show.read"], "entitlementVersion": 2})
    owned = await asking.source.owned(uuid4())
    assert (owned.modules, owned.permissions) == ({"touring"}, {"touring.show.read"})


async def test_an_answer_is_fresh_for_five_seconds_and_then_asked_for_again(core: CoreServer, asking: Asking) -> None:
    for _ in range(3):
        await asking.source.owned(COMPANY)
    assert len(core.requests) == 1
    await asking.later(6)
    core.owns("crm", version=2)
    assert (await asking.source.owned(COMPANY)).modules == {"crm"}
    assert len(core.requests) == 2


async def test_many_callers_at_once_share_one_request(core: CoreServer, asking: Asking) -> None:
    core.delay = 0.05
    answers = await asyncio.gather(*(asking.source.owned(COMPANY) for _ in range(50)))
    assert len(core.requests) == 1
    assert len(set(answers)) == 1


BAD_ANSWERS = {
    "500": (500, {}),
    "401": (401, {"success": False, "error": {"code": "unauthorized"}}),
    "redirect": (302, b""),
    "404 of a route": (404, b"404 page not found"),
    "no json": (200, b"<html>"),
    "deep": (200, b"[" * 5000),
    "list": (200, [1]),
    "no version": (200, {"modules": ["crm"]}),
    "version is text": (200, {"modules": ["crm"], "entitlementVersion": "1"}),
    "modules is text": (200, {"modules": "crm", "entitlementVersion": 1}),
    "failure with 200": (200, {"success": False, "error": {"code": "internal_error"}}),
    "too large": (200, b" " * 20_000),
}


@pytest.mark.parametrize("name", BAD_ANSWERS)
async def test_a_bad_answer_is_no_answer(core: CoreServer, asking: Asking, name: str) -> None:
    status, body = BAD_ANSWERS[name]
    core.says(status, body, Location=f"{core.url}/elsewhere")  # type: ignore[attr-defined]
    with pytest.raises(EntitlementsUnavailable):
        await asking.source.owned(COMPANY)
    assert len(core.requests) == 1, "a redirect was followed"


async def test_a_compressed_answer_is_refused_unread(core: CoreServer, asking: Asking) -> None:
    core.owns("crm")
    core.headers = {"Content-Encoding": "gzip"}
    with pytest.raises(EntitlementsUnavailable):
        await asking.source.owned(COMPANY)


@pytest.mark.parametrize("mode", ["hang", "drip", "cut"])
async def test_no_answer_in_time_is_no_answer(core: CoreServer, asking: Asking, mode: str) -> None:
    core.mode, asking.client._timeout = mode, 0.3
    async with asyncio.timeout(20):  # what comes in drips takes minutes
        with pytest.raises(EntitlementsUnavailable):
            await asking.source.owned(COMPANY)


async def test_a_company_that_core_does_not_know_owns_nothing(core: CoreServer, asking: Asking) -> None:
    core.says(404, {"success": False, "error": {"code": "not_found", "message": "company not found"}})
    owned = await asking.source.owned(COMPANY)
    assert (owned.modules, owned.permissions) == (set(), set())


async def test_with_core_down_a_proven_answer_stands_in_for_a_minute_and_not_longer(
    core: CoreServer, asking: Asking
) -> None:
    proven = await asking.source.owned(COMPANY)
    core.says(503, b"")
    await asking.later(59)
    assert await asking.source.owned(COMPANY) == proven
    await asking.later(2)
    with pytest.raises(EntitlementsUnavailable) as error:
        await asking.source.owned(COMPANY)
    assert error.value.headers["Retry-After"]
    core.owns(*MODULES)
    await asking.later(0)
    assert await asking.source.owned(COMPANY) == proven


async def test_a_clock_set_back_does_not_lengthen_a_proof(core: CoreServer, asking: Asking) -> None:
    await asking.source.owned(COMPANY)
    core.says(503, b"")
    await asking.later(-3600)
    with pytest.raises(EntitlementsUnavailable):
        await asking.source.owned(COMPANY)


async def test_after_a_failure_core_is_left_alone_for_a_second(core: CoreServer, asking: Asking) -> None:
    core.says(500, {})
    for _ in range(5):
        with pytest.raises(EntitlementsUnavailable):
            await asking.source.owned(uuid4())
    assert len(core.requests) == 1


async def test_an_older_version_than_the_proven_one_is_not_believed(core: CoreServer, asking: Asking) -> None:
    core.owns("crm", version=9)
    proven = await asking.source.owned(COMPANY)
    core.owns("crm", "finance", version=8)
    await asking.later(10)
    assert await asking.source.owned(COMPANY) == proven
    await asking.later(60)
    assert (await asking.source.owned(COMPANY)).version == 8


async def ask(app: Harness, bearer: dict[str, str], company: UUID) -> tuple[int, list[str]]:
    reply = await app.http.get("/auth/me/access", headers={**bearer, "x-org": str(company)})
    return reply.status_code, reply.json().get("data", {}).get("modules", [])


@pytest.mark.parametrize("redis", [True, False])
async def test_access_follows_core_and_is_a_503_when_nothing_can_be_proven(
    servers: Servers, core: CoreServer, redis: bool
) -> None:
    url = core.url  # type: ignore[attr-defined]
    async with running(servers, redis=redis, CORE_URL=url, CORE_API_KEY="core-key") as app:
        company, person = uuid4(), await app.signed_in()
        await app.join(person, company, "OWNER")
        assert await ask(app, person.bearer, company) == (200, ["crm", "touring"])
        core.says(500, {})
        app.clock.advance(30)
        assert await ask(app, person.bearer, company) == (200, ["crm", "touring"])
        app.clock.advance(31)
        status, modules = await ask(app, person.bearer, company)
        assert (status, modules) == (503, [])
        stranger = await app.signed_in()
        assert (await ask(app, stranger.bearer, company))[0] == 403, "no entitlement could change that"
