"""contracts/kit.md §3, row Metrics; the text is read by Prometheus' own parser."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from litestar import Litestar, get
from prometheus_client.parser import text_string_to_metric_families
from rows import every
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, Router

from identry_kit import context
from identry_kit.httpware import Metrics, RateLimiter, RequestCounts, RequestID, standard_stack
from identry_kit.httpware import metrics as module


def samples(counts: RequestCounts) -> dict[tuple[str, ...], float]:
    """(name, route, method, status or le) → value."""
    found = {}
    for family in text_string_to_metric_families(counts.render()):
        for sample in family.samples:
            last = sample.labels.get("status") or sample.labels.get("le", "")
            found[sample.name, sample.labels["route"], sample.labels["method"], last] = sample.value
    return found


def totals(counts: RequestCounts) -> dict[tuple[str, str, str], float]:
    return {key[1:]: value for key, value in samples(counts).items() if key[0] == "identry_http_requests_total"}  # type: ignore[misc]  # four parts, as above


async def hello(request: Any) -> PlainTextResponse:
    return PlainTextResponse("hello")


def starlette_app() -> Starlette:
    orders = Router([Route("/", hello), Route("/{id:int}", hello, methods=["GET", "DELETE"])])
    tenant = Router([Mount("/orders", app=RateLimiter(orders))])
    return Starlette(routes=[Route("/", hello), Mount("/t/{tenant}", app=tenant), Mount("/static", app=hello)])


async def test_a_request_is_counted_by_service_route_method_and_class_of_status(call: Any, reply: Any) -> None:
    counts = RequestCounts("orders")
    for status, times in ((200, 2), (204, 1), (404, 1), (503, 1)):
        for _ in range(times):
            await call(Metrics(reply(status), counts))
    assert totals(counts) == {
        ("unmatched", "GET", "2xx"): 3,
        ("unmatched", "GET", "4xx"): 1,
        ("unmatched", "GET", "5xx"): 1,
    }
    assert (
        'identry_http_requests_total{service="orders",route="unmatched",method="GET",status="2xx"} 3\n'
        in counts.render()
    )


def test_durations_are_a_histogram_with_the_contracts_bounds() -> None:
    counts = RequestCounts("s", prefix="shop")
    for seconds in (0.001, 0.005, 0.0051, 0.2, 4.0, 60.0):
        counts.count("GET", "/x", 200, seconds)
    found = samples(counts)
    name = "shop_http_request_duration_seconds"
    bounds = ["0.005", "0.01", "0.025", "0.05", "0.1", "0.15", "0.25", "0.5", "1", "2.5", "5", "+Inf"]
    assert [key[3] for key in found if key[0] == f"{name}_bucket"] == bounds
    assert [found[f"{name}_bucket", "/x", "GET", le] for le in bounds] == [2, 3, 3, 3, 3, 3, 4, 4, 4, 4, 5, 6]
    assert found[f"{name}_count", "/x", "GET", ""] == 6
    assert found[f"{name}_sum", "/x", "GET", ""] == pytest.approx(64.2111)
    assert found["shop_http_requests_total", "/x", "GET", "2xx"] == 6


@pytest.mark.parametrize("stacked", [False, True])
async def test_starlettes_route_is_its_template_with_those_of_the_mounts(call: Any, stacked: bool) -> None:
    counts, app = RequestCounts("s"), starlette_app()
    metered = Metrics(standard_stack(app) if stacked else app, counts)
    for path in ("/", "/t/acme/orders/7", "/t/other/orders/8", "/t/acme/orders/x", "/t/acme/nothing", "/wp-admin.php"):
        await call(metered, path)
    await call(metered, "/t/acme/orders/7", method="PUT")
    assert totals(counts) == {
        ("/", "GET", "2xx"): 1,
        ("/t/{tenant}/orders/{id:int}", "GET", "2xx"): 2,
        ("/t/{tenant}/orders/{id:int}", "PUT", "4xx"): 1,
        ("unmatched", "GET", "4xx"): 3,
    }


@pytest.mark.parametrize("mount", ["", "/v1"])
async def test_fastapis_route_is_its_template(call: Any, mount: str) -> None:
    counts, app, router = RequestCounts("s"), FastAPI(), APIRouter(prefix="/orders")

    @router.get("/{number}")
    async def order(number: int) -> int:
        return number

    @app.get("/direct/{number}")
    async def direct(number: int) -> int:
        return number

    app.include_router(router, prefix="/api")
    metered = Metrics(standard_stack(Starlette(routes=[Mount(mount, app=app)])) if mount else app, counts)
    for path in ("/api/orders/7", "/api/orders/8", "/api/orders/x", "/direct/7", "/nothing"):
        await call(metered, mount + path)
    assert totals(counts) == {
        (f"{mount}/api/orders/{{number}}", "GET", "2xx"): 2,
        (f"{mount}/api/orders/{{number}}", "GET", "4xx"): 1,
        (f"{mount}/direct/{{number}}", "GET", "2xx"): 1,
        ("unmatched", "GET", "4xx"): 1,
    }


async def test_litestars_route_is_its_template(call: Any) -> None:
    @get("/orders/{number:int}")
    async def order() -> int:
        return 1

    counts = RequestCounts("s")
    metered = Metrics(Litestar([order]), counts)
    for path in ("/orders/7", "/orders/8", "/nothing"):
        await call(metered, path)
    found = totals(counts)
    assert sum(found.values()) == 3
    (template,) = {route for route, _, _ in found} - {"unmatched"}
    assert found[template, "GET", "2xx"] == 2
    assert "7" not in template


async def test_a_route_that_the_record_names_is_taken(call: Any, reply: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        record = context.current()
        assert record is not None
        record.route = "/named/{id}"
        await reply()(scope, receive, send)

    counts = RequestCounts("s")
    await call(RequestID(Metrics(app, counts)), "/named/7")
    assert totals(counts) == {("/named/{id}", "GET", "2xx"): 1}


async def test_the_record_of_the_stack_inside_names_the_route_and_that_of_a_request_outside_does_not(
    call: Any, reply: Any
) -> None:
    def named(route: str, then: Any) -> Any:
        async def app(scope, receive, send) -> None:
            record = context.current()
            assert record is not None
            record.route = route
            await then(scope, receive, send)

        return app

    inner, outer = RequestCounts("inner"), RequestCounts("outer")

    async def both(scope, receive, send) -> None:
        await call(Metrics(reply(), inner), "/inside")
        await reply()(scope, receive, send)

    await call(Metrics(standard_stack(named("/named/{id}", both)), outer), "/named/7")
    assert {route for route, _, _ in totals(outer)} == {"/named/{id}"}
    assert {route for route, _, _ in totals(inner)} == {"unmatched"}


async def test_an_error_that_escapes_is_a_500_and_goes_on(call: Any) -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise LookupError

    counts = RequestCounts("s")
    with pytest.raises(LookupError):
        await call(Metrics(broken, counts))
    assert totals(counts) == {("unmatched", "GET", "5xx"): 1}


async def test_what_strangers_send_becomes_no_label(call: Any, reply: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = RequestCounts("s")
    for number in range(50):
        await call(Metrics(reply(404), counts), f"/{number}", method=f"M{number}")
    assert totals(counts) == {("unmatched", "OTHER", "4xx"): 50}
    monkeypatch.setattr(module, "MAX_ROUTES", 3)
    for number in range(10):
        counts.count("GET", f"/route/{number}", 200, 0)
    assert {route for route, _, _ in totals(counts)} == {"unmatched", "/route/0", "/route/1", "other"}
    counts.count("GET", "/x", 999, 0)
    assert totals(counts)["other", "GET", "5xx"] == 1


async def test_other_connections_pass_uncounted(call: Any) -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    counts = RequestCounts("s")
    for kind in ("websocket", "lifespan"):
        await call(Metrics(app, counts), kind=kind)
    assert (seen, totals(counts)) == (["websocket", "lifespan"], {})


async def test_the_counts_are_an_application_for_the_scraper(call: Any) -> None:
    counts = RequestCounts('a "b"\n\\c')
    app = Metrics(Starlette(routes=[Route("/metrics", counts), Route("/", hello)]), counts)
    await call(app)
    answer = await call(app, "/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    (first, *_) = text_string_to_metric_families(answer.body.decode())
    assert first.samples[0].labels["service"] == 'a "b"\n\\c'
    head = await call(app, "/metrics", method="HEAD")
    assert (head.status, head.body, int(head.headers["content-length"]) > 0) == (200, b"", True)
    assert (await call(counts, "/metrics", method="POST")).status == 405
    assert (await call(counts, kind="lifespan")).messages == []


@every("prefix", ["", "1st", "a-b", 'a{b="c"}', "a\nb"])
def test_a_prefix_that_prometheus_would_not_take_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix"):
        RequestCounts("s", prefix=prefix)
