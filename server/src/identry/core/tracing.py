"""OpenTelemetry, when asked for: a span for each request and for each SQL statement in it, sent over OTLP/HTTP.

Imported only when `OTEL_EXPORTER_OTLP_ENDPOINT` is set; needs the extra `identry[otel]`. Sampling, headers for the
collector and resource attributes come from OpenTelemetry's own variables (`OTEL_TRACES_SAMPLER`,
`OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_SERVICE_NAME`). Names follow its semantic conventions.
A span holds no header, body, query string or statement argument.
"""

from __future__ import annotations

import asyncio
import re
import threading
from functools import lru_cache
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from identry.core.clock import Clock
from identry.core.redaction import clean_path
from identry_kit import context
from identry_kit.apierror import APIError, ASGIApp, Receive, Scope, Send

_READ_HEADERS = {b"traceparent": "traceparent", b"tracestate": "tracestate"}
_FLUSH_SECONDS = 2.0
_NANO = 1_000_000_000


class Tracing:
    """Makes spans and sends them in the background; a collector that is away costs nobody anything but the spans.

    Args:
        endpoint: base URL of the collector, `http://collector:4318`.
        version: of this release.
        clock: the time.
    """

    def __init__(self, endpoint: str, version: str, clock: Clock) -> None:
        ours = Resource({"service.name": "identry", "service.version": version})
        self._provider = TracerProvider(resource=ours.merge(OTELResourceDetector().detect()), shutdown_on_exit=False)
        exporter = OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces", timeout=5.0)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("identry", version)
        self._propagator = TraceContextTextMapPropagator()
        self._clock = clock

    def requests(self, app: ASGIApp) -> ASGIApp:
        """`app` with a span around each request, a child of the caller's span when it sent `traceparent`."""

        async def traced(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            carrier = {_READ_HEADERS[k]: v.decode("latin-1") for k, v in scope["headers"] if k in _READ_HEADERS}
            parent = self._propagator.extract(carrier)
            method = scope["method"]
            span = self._tracer.start_span(method, parent, SpanKind.SERVER, start_time=self._nanoseconds())
            context.annotate(trace_id=f"{span.get_span_context().trace_id:032x}")
            status = 0

            async def note(message: Any) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                await send(message)

            token = otel_context.attach(trace.set_span_in_context(span, parent))
            try:
                await app(scope, receive, note)
            except APIError as error:
                status = error.status
                raise
            except Exception as error:
                status = 500
                span.set_attribute("error.type", type(error).__qualname__)
                raise
            finally:
                otel_context.detach(token)
                _describe(span, scope, status)
                span.end(self._nanoseconds())

        return traced

    def statement(self, record: Any) -> None:
        """Add the span of an SQL statement, after it; for `Database(on_statement=…)`. Background work has none."""
        if not trace.get_current_span().get_span_context().is_valid:
            return
        name = statement_name(record.query)
        end = self._nanoseconds()
        attributes = {"db.system.name": "postgresql", "db.query.summary": name}
        start = end - int(record.elapsed * _NANO)
        span = self._tracer.start_span(name, kind=SpanKind.CLIENT, attributes=attributes, start_time=start)
        if record.exception is not None:
            span.set_attribute("error.type", type(record.exception).__qualname__)
            span.set_status(StatusCode.ERROR)
        span.end(end)

    async def close(self) -> None:
        """Send what waits, for two seconds at most."""
        thread = threading.Thread(target=self._provider.shutdown, name="tracing-shutdown", daemon=True)
        thread.start()
        await asyncio.to_thread(thread.join, _FLUSH_SECONDS)

    def _nanoseconds(self) -> int:
        return int(self._clock.timestamp() * _NANO)


def _describe(span: Span, scope: Scope, status: int) -> None:
    record = context.current()
    route = record.route if record else ""
    method = scope["method"]
    span.update_name(f"{method} {route}" if route else method)
    span.set_attribute("http.request.method", method)
    span.set_attribute("url.path", clean_path(scope["path"]))
    span.set_attribute("http.response.status_code", status)
    if route:
        span.set_attribute("http.route", route)
    if record is not None:
        span.set_attribute("identry.request_id", record.request_id)
    if status >= 500:
        span.set_status(StatusCode.ERROR)


_TARGETS = re.compile(
    r"(?<!FOR )(?<!KEY )\b(INSERT INTO|UPDATE|DELETE FROM|DROP TABLE(?: IF EXISTS)?|FROM|JOIN)\s+([a-z_][\w.]*)"
)
_NAMED_PARTS = re.compile(r"\b(\w+) AS (?:MATERIALIZED )?\(")
_VERBS = {"INSERT INTO": "INSERT", "DELETE FROM": "DELETE", "FROM": "SELECT", "JOIN": "SELECT"}


@lru_cache(maxsize=1024)
def statement_name(sql: str) -> str:
    """What a statement does to which tables: `UPDATE users INSERT sessions INSERT auth_audit_logs`."""
    parts = set(_NAMED_PARTS.findall(sql))
    named = (f"{_VERBS.get(verb, verb)} {table}" for verb, table in _TARGETS.findall(sql) if table not in parts)
    return (" ".join(dict.fromkeys(named)) or sql.split(maxsplit=1)[0].rstrip(";"))[:255]
