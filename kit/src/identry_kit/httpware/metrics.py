"""Metrics: requests counted by route, and the text that Prometheus reads.

Source: contracts/kit.md §3, row Metrics. The format is Prometheus' text format 0.0.4; no library is needed for it.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from time import perf_counter
from typing import Any

from identry_kit import context
from identry_kit.apierror import ASGIApp, Receive, Scope, Send
from identry_kit.httpware.exchange import Exchange

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Upper bounds of the histogram, in seconds (contracts/kit.md §3)."""
UNMATCHED = "unmatched"
"""The route of a path that nothing serves: one series, whatever a scanner asks for."""
MAX_ROUTES = 1000
"""Routes that are told apart; the requests of further ones are counted under `other`."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"})
_SUM = len(BOUNDS) + 1
_MAX_WALK = 20_000
_MAX_CHAIN = 30


class RequestCounts:
    """What `Metrics` counted in this process, and an ASGI application that answers it: mount it at `/metrics`.

    Two families, `service` on every line::

        <prefix>_http_requests_total{service,route,method,status}                status 1xx … 5xx
        <prefix>_http_request_duration_seconds{service,route,method}             histogram, `BOUNDS`

    `route` is a template of the application's (`/orders/{id}`), `method` one of nine or `OTHER`: what strangers send
    never becomes a label. Memory: some 500 bytes for each route and method that was seen, at most 1000 routes.

    Counts belong to a process: with several workers, scrape each. Not to be shown to the world: whoever can read them
    knows how much the service is used. Raises ValueError for a prefix that Prometheus would not take.
    """

    def __init__(self, service: str, *, prefix: str = "identry") -> None:
        if not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", prefix):
            raise ValueError("a prefix is letters, digits and underscores, and begins with no digit")
        self._service = _escaped(service)
        self._prefix = prefix
        # (route, method) → how many by bound, those above all bounds, the sum of seconds, how many by status class
        self._series: dict[tuple[str, str], list[float]] = {}
        self._routes: set[str] = set()

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request. For the event loop alone: there is no lock."""
        series = self._series.get((route, method))
        if series is None:
            series = self._opened(route, method)
        series[bisect_left(BOUNDS, seconds)] += 1
        series[_SUM] += seconds
        series[_SUM + (status // 100 if 100 <= status < 600 else 5)] += 1

    def render(self) -> str:
        """The counts so far, as text."""
        known = sorted(self._series.items())
        total = f"{self._prefix}_http_requests_total"
        lines = [f"# HELP {total} Requests by route, method and class of status.", f"# TYPE {total} counter"]
        for (route, method), series in known:
            labels, by_class = self._labels(route, method), enumerate(series[_SUM + 1 :], 1)
            lines += [f'{total}{{{labels},status="{kind}xx"}} {number:.0f}' for kind, number in by_class if number]
        name = f"{self._prefix}_http_request_duration_seconds"
        lines += [f"# HELP {name} Time from the request to the end of its answer.", f"# TYPE {name} histogram"]
        for (route, method), series in known:
            labels, so_far = self._labels(route, method), 0.0
            for bound, number in zip((*BOUNDS, "+Inf"), series, strict=False):
                so_far += number
                le = bound if isinstance(bound, str) else f"{bound:g}"
                lines.append(f'{name}_bucket{{{labels},le="{le}"}} {so_far:.0f}')
            lines.append(f"{name}_sum{{{labels}}} {series[_SUM]!r}")
            lines.append(f"{name}_count{{{labels}}} {so_far:.0f}")
        return "\n".join(lines) + "\n"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        """Answer `render()` to GET and HEAD."""
        if scope["type"] != "http":
            return
        good = scope["method"] in {"GET", "HEAD"}
        body = self.render().encode() if good else b""
        kind = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8") if good else (b"allow", b"GET, HEAD")
        headers = [kind, (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200 if good else 405, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def _labels(self, route: str, method: str) -> str:
        return f'service="{self._service}",route="{_escaped(route)}",method="{method}"'

    def _opened(self, route: str, method: str) -> list[float]:
        if method not in _METHODS:
            method = "OTHER"
        if route not in self._routes:
            if len(self._routes) < MAX_ROUTES:
                self._routes.add(route)
            else:
                route = "other"
        return self._series.setdefault((route, method), [0.0] * (_SUM + 6))


class Metrics:
    """Count every request and its duration in `counts`. Put it outermost: then it sees what everything else answers.

    The route is what the router inside noted: `context.Request.route`, Litestar's `path_template`, Starlette's and
    FastAPI's `route` with the templates of the mounts around it. An error that escapes counts as 500.
    """

    def __init__(self, app: ASGIApp, counts: RequestCounts) -> None:
        self.app = app
        self._counts = counts
        self._templates: dict[int, tuple[object, str]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection; only `http` is counted."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start = perf_counter()
        exchange = Exchange.of(send)
        escaped = True
        try:
            await self.app(scope, receive, exchange.send)
            escaped = False
        finally:
            status = exchange.status or (500 if escaped else 200)
            self._counts.count(scope["method"], self._route(scope), status, perf_counter() - start)

    def _route(self, scope: Scope) -> str:
        record = scope.get(context.SCOPE) or context.of(scope)
        if record is not None and record.route:
            return record.route
        route = scope.get("route")
        if route is None:
            return scope.get("path_template") or UNMATCHED
        included = scope.get("fastapi", {}).get("effective_route_context")
        if included is not None and included.original_route is route:
            route = included  # the route of an included router, with the prefixes under which it was included
        known = self._templates.get(id(route))
        if known is None or known[0] is not route:
            known = (route, self._template(route, scope.get("app") if route is included else route))
            if len(self._templates) < MAX_ROUTES:
                self._templates[id(route)] = known
        return known[1]

    def _template(self, route: Any, target: object) -> str:
        """The whole template of `route`: its own behind those of the mounts on the way to `target`, which holds it."""
        inside = route
        for _ in range(_MAX_CHAIN):
            if getattr(inside, "routes", None):
                return UNMATCHED  # a mount matched, and nothing inside it
            inside = getattr(inside, "app", None)
        own = _path(route)
        seen: set[int] = set()
        todo: list[tuple[Any, str]] = [(self.app, "")]
        while todo and len(seen) < _MAX_WALK:
            node, prefix = todo.pop()
            if node is target:
                return prefix + own or "/"
            if node is None or id(node) in seen:
                continue
            seen.add(id(node))
            prefix += _path(node)
            routes = getattr(node, "routes", None)
            if isinstance(routes, list | tuple):
                todo.extend((item, prefix) for item in routes)
            todo.extend((getattr(node, name, None), prefix) for name in ("app", "router"))
        return own or UNMATCHED


def _path(node: object) -> str:
    path = getattr(node, "path", "")
    return path if isinstance(path, str) else ""


def _escaped(value: str) -> str:
    """A label's value, as the text format writes it."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
