"""Traces of real requests, received by a small collector that speaks OTLP over HTTP."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from harness import PASSWORD, Servers, running
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from rows import every

from identry.core.tracing import statement_name


class Collector:
    """Takes what is sent to `/v1/traces`."""

    def __init__(self) -> None:
        self.requests: list[ExportTraceServiceRequest] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.path == "/v1/traces"
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.requests.append(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def spans(self) -> list[Any]:
        return [s for r in self.requests for rs in r.resource_spans for ss in rs.scope_spans for s in ss.spans]

    def span(self, name: str) -> Any:
        (found,) = [span for span in self.spans if span.name == name]
        return found


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.server.shutdown()
    collector.server.server_close()


def attributes(span: Any) -> dict[str, Any]:
    return {item.key: getattr(item.value, item.value.WhichOneof("value")) for item in span.attributes}


async def test_a_request_and_its_statements_are_one_trace_of_the_caller(servers: Servers, collector: Collector) -> None:
    trace_id, span_id = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    async with running(servers, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url) as app:
        person = await app.make_user()
        reply = await app.http.post(
            "/auth/login",
            json={"email": person.email, "password": PASSWORD},
            headers={"traceparent": f"00-{trace_id}-{span_id}-01", "X-Request-ID": "req-traced"},
        )
        assert reply.status_code == 200
    login = collector.span("POST /auth/login")
    assert (login.trace_id.hex(), login.parent_span_id.hex()) == (trace_id, span_id)
    assert attributes(login) == {
        "http.request.method": "POST",
        "url.path": "/auth/login",
        "http.route": "/auth/login",
        "http.response.status_code": 200,
        "identry.request_id": reply.headers["x-request-id"],
    }
    statements = {s.name: s for s in collector.spans if s.parent_span_id == login.span_id}
    assert set(statements) == {
        "SELECT users",
        "SELECT company_memberships SELECT company_entitlements SELECT tenant_members SELECT tenants",
        (
            "SELECT unnest SELECT users SELECT tenant_members SELECT tenants UPDATE users INSERT sessions"
            " INSERT auth_audit_logs"
        ),
    }
    for statement in statements.values():
        assert statement.trace_id == login.trace_id
        assert login.start_time_unix_nano <= statement.start_time_unix_nano + 5_000_000
        assert statement.start_time_unix_nano <= statement.end_time_unix_nano
    (resource,) = {str(attributes(rs.resource)) for r in collector.requests for rs in r.resource_spans}
    assert "'service.name': 'identry'" in resource


async def test_no_trace_holds_a_secret(servers: Servers, collector: Collector) -> None:
    async with running(servers, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url) as app:
        person = await app.signed_in()
        await app.http.get("/auth/me", headers=person.bearer)
        await app.http.post("/auth/refresh", json={"refreshToken": person.refresh_token})
        await app.http.get(f"/auth/invitations/{person.refresh_token[:43]}")
        await app.http.get("/auth/me?token=hunter2", headers={"Authorization": "Bearer hunter2"})
    sent = b"".join(request.SerializeToString() for request in collector.requests)
    for secret in (PASSWORD, person.refresh_token[:30], person.access_token[:60], "hunter2", person.email):
        assert secret.encode() not in sent


async def test_errors_are_marked_by_their_status_and_kind(servers: Servers, collector: Collector) -> None:
    async with running(servers, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url) as app:
        await app.http.get("/auth/me")
        await app.http.get("/nothing")
        await app.http.get("/health", headers={"traceparent": "00-not-a-trace-01"})
    assert attributes(collector.span("GET /auth/me"))["http.response.status_code"] == 401
    assert attributes(collector.span("GET"))["http.response.status_code"] == 404
    health = collector.span("GET /health")
    assert not health.parent_span_id
    assert health.status.code == 0


async def test_a_collector_that_is_away_costs_nobody_anything(servers: Servers) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts and never answers
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        async with running(servers, OTEL_EXPORTER_OTLP_ENDPOINT=url) as app:
            assert (await app.http.get("/health")).status_code == 200
            began = time.monotonic()
        assert time.monotonic() - began < 10


def test_without_the_package_the_start_is_refused_with_one_line() -> None:
    program = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "from identry.settings import check, load\n"
        "check(load({'APP_ENV': 'development', 'OTEL_EXPORTER_OTLP_ENDPOINT': 'http://127.0.0.1:4318'}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode
    assert "OTEL_EXPORTER_OTLP_ENDPOINT needs OpenTelemetry: pip install 'identry[otel]'" in done.stderr


def test_without_an_endpoint_opentelemetry_is_not_even_loaded() -> None:
    program = "import sys, identry.app; sys.exit('opentelemetry' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@every(
    ("sql", "name"),
    [
        ("SELECT 1", "SELECT"),
        ("BEGIN;", "BEGIN"),
        ("SELECT a FROM users WHERE id = $1", "SELECT users"),
        ("SELECT a FROM users u JOIN sessions s ON true", "SELECT users SELECT sessions"),
        ("INSERT INTO mail_outbox (id) VALUES ($1) ON CONFLICT DO UPDATE SET id = $1", "INSERT mail_outbox"),
        (
            "WITH due AS MATERIALIZED (SELECT id FROM mail_outbox FOR UPDATE SKIP LOCKED) UPDATE mail_outbox SET x = 1",
            "SELECT mail_outbox UPDATE mail_outbox",
        ),
        ("UPDATE a SET x = 1 WHERE id IN (WITH due AS (SELECT 1) SELECT id FROM due)", "UPDATE a"),
        ("DELETE FROM one_time_tokens WHERE true", "DELETE one_time_tokens"),
        ("SELECT x FROM users FOR NO KEY UPDATE", "SELECT users"),
        ("SET LOCAL lock_timeout = '1s'", "SET"),
    ],
)  # fmt: skip
def test_a_statement_is_named_for_what_it_does(sql: str, name: str) -> None:
    assert statement_name(sql) == name
