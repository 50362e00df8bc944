"""CORS of the browser surface: exact origins, preflights before anything else, headers on every answer."""

from __future__ import annotations

import pytest
from browser import API, APP, Browser, signed_in
from harness import Harness, Servers, running

CLOUD = "https://cloud.example.com"


async def preflight(app: Harness, origin: str, path: str = f"{API}/refresh"):
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    return await app.http.request("OPTIONS", path, headers=headers)


async def test_a_named_origin_may_read_with_credentials(app: Harness) -> None:
    reply = await preflight(app, CLOUD)
    assert (reply.status_code, reply.content) == (204, b"")
    assert reply.headers["access-control-allow-origin"] == CLOUD
    assert reply.headers["access-control-allow-credentials"] == "true"
    assert reply.headers["access-control-allow-methods"] == "GET, POST, PUT, PATCH, DELETE, OPTIONS"
    assert reply.headers["access-control-allow-headers"] == "Authorization, Content-Type, X-Request-ID, X-CSRF-Token"
    assert reply.headers["access-control-expose-headers"] == "X-Request-ID, Retry-After"
    assert reply.headers["access-control-max-age"] == "300"
    assert reply.headers["vary"] == "Origin"
    assert reply.headers["x-request-id"]


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "https://CLOUD.example.com",
        f"{CLOUD}:443",
        f"{CLOUD}.",
        f"{CLOUD}/",
        "http://cloud.example.com",
        f"{CLOUD}.evil.example",
        "http://localhost:5174",
        "*",
    ],
)  # fmt: skip - a table
async def test_any_other_origin_is_told_nothing(app: Harness, origin: str) -> None:
    for reply in (await preflight(app, origin), await app.http.get(f"{API}/me", headers={"Origin": origin})):
        assert not [name for name in reply.headers if name.startswith("access-control-")]
        assert reply.headers["vary"] == "Origin"
    assert (await preflight(app, origin)).status_code == 403


async def test_preflights_are_answered_whatever_the_route_or_the_limits(app: Harness) -> None:
    assert (await preflight(app, CLOUD, f"{API}/nowhere")).status_code == 204
    assert (await preflight(app, CLOUD, f"{API}/me")).status_code == 204


async def test_errors_name_the_origin_too(app: Harness) -> None:
    headers = {"Origin": CLOUD}
    replies = [
        await app.http.get(f"{API}/me", headers=headers),
        await app.http.get(f"{API}/nowhere", headers=headers),
        await app.http.post(f"{API}/login", content=b"x" * (2 << 20), headers=headers),
        await app.http.request("OPTIONS", f"{API}/me", headers=headers),
    ]
    assert [reply.status_code for reply in replies] == [401, 404, 413, 405]
    for reply in replies:
        assert reply.headers["access-control-allow-origin"] == CLOUD
        assert set(reply.json()) == {"error"}


async def test_a_page_of_a_named_origin_reads_its_answer(app: Harness) -> None:
    browser = await signed_in(app)
    browser.origin = CLOUD
    reply = await browser.get("/me")
    assert reply.status_code == 200
    assert reply.headers["access-control-allow-origin"] == CLOUD


async def test_the_platform_surface_has_no_cross_origin_readers(app: Harness) -> None:
    reply = await app.http.get("/auth/me", headers={"Origin": CLOUD})
    assert "access-control-allow-origin" not in reply.headers
    assert (await preflight(app, CLOUD, "/auth/login")).status_code == 405


async def test_without_a_list_nobody_reads_across_origins(servers: Servers) -> None:
    async with running(servers, ALLOW_ORIGINS="") as app:
        assert (await preflight(app, CLOUD)).status_code == 403
        assert "access-control-allow-origin" not in (await Browser(app, origin=APP).get("/me")).headers
