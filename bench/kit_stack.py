"""What each layer of the kit costs per request, in µs, over a bare ASGI hello: `python -m bench.kit_stack`.

The variants take turns and the best round of each counts, so that a busy neighbour spoils none of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import perf_counter
from typing import Any
from uuid import uuid4

import uvloop
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from identry_kit import context, httpware
from identry_kit.apierror import ASGIApp, Message, Receive, Scope, Send

BODY = b'{"success":true,"data":{"status":"ok"}}'
ANSWER_HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())]
REQUEST_HEADERS = [(b"host", b"localhost:3097"), (b"accept", b"*/*"), (b"user-agent", b"bench")]
ROUNDS, CALLS = 25, 2000


async def hello(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": ANSWER_HEADERS})
    await send({"type": "http.response.body", "body": BODY})


async def _starlette_hello(_request: Any) -> Response:
    return Response(BODY, media_type="application/json")


async def _receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _send(message: Message) -> None: ...


def _scope() -> Scope:
    return {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "path": "/health",
        "root_path": "",
        "query_string": b"",
        "headers": REQUEST_HEADERS,
    }


def _no_sink(fields: dict[str, Any]) -> None: ...


VARIANTS: dict[str, Callable[[ASGIApp], ASGIApp]] = {
    "bare": lambda app: app,
    "RequestID": httpware.RequestID,
    "Logger": lambda app: httpware.Logger(app, sink=_no_sink),
    "SecurityHeaders": httpware.SecurityHeaders,
    "BodyLimit": lambda app: httpware.BodyLimit(app, 1 << 20),
    "Recover": httpware.Recover,
    "Timeout": lambda app: httpware.Timeout(app, 30),
    "RateLimiter, one tenant": lambda app: httpware.RateLimiter(app, 1e9, 1_000_000_000),
    "Metrics": lambda app: httpware.Metrics(app, httpware.RequestCounts("bench")),
    "standard_stack": lambda app: httpware.standard_stack(app, sink=_no_sink),
    "Starlette hello, no stack": lambda _: Starlette(routes=[Route("/health", _starlette_hello)]),
}


async def measure() -> dict[str, float]:
    """µs per request of every variant; all of them for a caller with a tenant, whom the limiter counts."""
    context.begin(context.Request(caller=context.Caller(tenant_id=uuid4())))
    apps = {name: wrap(hello) for name, wrap in VARIANTS.items()}
    best = dict.fromkeys(apps, float("inf"))
    for _ in range(ROUNDS):
        for name, app in apps.items():
            start = perf_counter()
            for _ in range(CALLS):
                await app(_scope(), _receive, _send)
            best[name] = min(best[name], (perf_counter() - start) / CALLS * 1e6)
            await asyncio.sleep(0)
    return best


if __name__ == "__main__":
    figures = uvloop.run(measure())
    bare = figures.pop("bare")
    print(f"{bare:6.2f}  a bare ASGI hello")
    for name, micros in figures.items():
        print(f"{micros - bare:6.2f}  + {name}")
