"""The figures of a serving application, read as Prometheus reads them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx2
from harness import Harness, Servers, running
from prometheus_client.parser import text_string_to_metric_families

from identry.core.metrics import render
from identry.core.metrics.board import Board

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def read(text: str) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples.get((name, frozenset(labels.items())), 0.0)


async def scrape(app: Harness) -> Samples:
    reply = await app.http.get("/metrics")
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return read(reply.text)


async def login(app: Harness, email: str, password: str) -> httpx2.Response:
    headers = {"X-Forwarded-For": app.fresh_ip()}
    return await app.http.post("/auth/login", json={"email": email, "password": password}, headers=headers)


async def test_sign_ins_and_refreshes_are_counted_by_outcome(app: Harness) -> None:
    before = await scrape(app)
    person = await app.signed_in()
    await login(app, person.email, "wrong " + person.password)
    pending = await app.make_user(approval_status="PENDING")
    await login(app, pending.email, pending.password)
    rotated = await app.http.post("/auth/refresh", json={"refreshToken": person.refresh_token})
    assert rotated.status_code == 200
    replayed = await app.http.post("/auth/refresh", json={"refreshToken": person.refresh_token})
    assert replayed.status_code == 200
    app.clock.advance(60)
    reused = await app.http.post("/auth/refresh", json={"refreshToken": person.refresh_token})
    assert reused.status_code == 401
    refused = await app.http.post("/auth/refresh", json={"refreshToken": "not one of ours"})
    assert refused.status_code == 401
    after = await scrape(app)

    def grown(name: str, **labels: str) -> float:
        return value(after, name, **labels) - value(before, name, **labels)

    for outcome in ("succeeded", "failed", "blocked"):
        assert grown("identry_sign_ins_total", outcome=outcome) == 1, outcome
    for outcome in ("rotated", "replayed", "reuse", "refused"):
        assert grown("identry_refreshes_total", outcome=outcome) == 1, outcome
    route = {"method": "POST", "route": "/auth/login"}
    assert grown("identry_http_request_duration_seconds_count", **route, status="2xx") == 1
    assert grown("identry_http_request_duration_seconds_count", **route, status="4xx") == 2
    assert grown("identry_hashing_finished_total") >= 3


async def test_every_engine_tells_its_figures(app: Harness) -> None:
    samples = await scrape(app)
    names = {name for name, _ in samples}
    assert {
        "identry_info",
        "identry_hashing_running",
        "identry_hashing_queued",
        "identry_hashing_rejected_total",
        "identry_hashing_seconds_total",
        "identry_db_connections",
        "identry_db_connections_idle",
        "identry_db_waits_total",
        "identry_db_wait_seconds_total",
        "identry_db_wait_timeouts_total",
        "identry_redis_unavailable",
        "identry_mail_waiting",
        "identry_mail_oldest_seconds",
        "identry_mail_attempts_total",
        "identry_signing_key_age_seconds",
        "identry_signing_keys_published",
        "identry_revocation_marks",
        "identry_workers",
        "identry_event_loop_lag_seconds",
    } <= names
    assert value(samples, "identry_db_connections") >= 1
    assert value(samples, "identry_redis_unavailable") == 0


async def test_paths_that_nothing_serves_share_one_series(app: Harness) -> None:
    for path in ("/wp-login.php", "/auth/nothing", "/internal/users/../x"):
        assert (await app.http.get(path)).status_code == 404
    routes = {dict(labels)["route"] for name, labels in await scrape(app) if "duration_seconds_count" in name}
    assert "unmatched" in routes
    assert not any("wp-login" in route or "nothing" in route for route in routes)


async def test_production_serves_no_metrics_on_the_public_port(servers: Servers) -> None:
    async with running(servers, APP_ENV="production") as app:
        assert (await app.http.get("/metrics")).status_code == 404


async def test_a_worker_leaves_its_figures_in_the_folder_and_once_more_at_its_end(
    servers: Servers, tmp_path: Path
) -> None:
    async with running(servers, METRICS_DIR=str(tmp_path)) as app:
        async with asyncio.timeout(10):
            while not any(tmp_path.glob("*.metrics")):
                await asyncio.sleep(0.02)
        assert (await app.http.get("/health")).status_code == 200
    samples = read(render(Board(tmp_path).all()).decode())
    labels = {"method": "GET", "route": "/health", "status": "2xx"}
    assert value(samples, "identry_http_request_duration_seconds_count", **labels) == 1
