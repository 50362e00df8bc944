"""What knowing the caller costs a route: `python -m bench.kit_auth`, all of it in one process, in µs.

A route with `CurrentUser` beside the same route without. The variants take turns and the best round of each counts, so
that a busy neighbour spoils none of them.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Annotated, Any

import uvloop
from fastapi import Depends, FastAPI
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from bench.kit_verify import ROUNDS, TOKENS, tokens, verifier
from identry_kit.apierror import ASGIApp, Message, Receive, Scope, Send
from identry_kit.httpware import standard_stack
from identry_kit.jwtauth import JWTAuth
from identry_kit.jwtauth.fastapi import CurrentUser, install

BARE, CALLER = "FastAPI route", "FastAPI route with CurrentUser"
NOTHING = "FastAPI route with an empty dependency"


def _fastapi() -> tuple[ASGIApp, ASGIApp, ASGIApp]:
    bare, nothing, guarded = FastAPI(), FastAPI(), FastAPI()
    install(guarded, verifier())

    @bare.get("/hello")
    async def hello() -> Response:
        return Response(b"{}", media_type="application/json")

    @nothing.get("/hello")
    async def hello_nothing(user: Annotated[object, Depends(_nothing)]) -> Response:
        return Response(b"{}" if user is None else b"", media_type="application/json")

    @guarded.get("/hello")
    async def hello_caller(user: CurrentUser) -> Response:
        return Response(b"{}" if user.sub else b"", media_type="application/json")

    return bare, nothing, guarded


async def _nothing() -> None:
    """A dependency that does nothing: what FastAPI asks for having one."""


async def _starlette_hello(_request: Any) -> Response:
    return Response(b"{}", media_type="application/json")


async def requests() -> dict[str, float]:
    """µs per request of each application."""
    bare, nothing, guarded = _fastapi()
    starlette = Starlette(routes=[Route("/hello", _starlette_hello)])
    apps: dict[str, Any] = {
        BARE: bare,
        NOTHING: nothing,
        CALLER: guarded,
        "Starlette route": starlette,
        "Starlette route in standard_stack and JWTAuth": standard_stack(
            JWTAuth(starlette, verifier()), sink=lambda _: None
        ),
    }
    best = dict.fromkeys(apps, float("inf"))
    for _ in range(ROUNDS):
        for name, app in apps.items():
            best[name] = min(best[name], await _round(app))
    return best


async def _round(app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> float:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scopes = [_scope(token) for token in tokens]
    gc.collect()
    start = perf_counter()
    for scope in scopes:
        await app(scope, receive, send)
    took = (perf_counter() - start) / TOKENS * 1e6
    statuses = {message["status"] for message in sent if "status" in message}
    if statuses != {200}:
        msg = f"answered {statuses}"
        raise RuntimeError(msg)
    await asyncio.sleep(0)
    return took


def _scope(token: str) -> Scope:
    headers = [(b"host", b"localhost:3097"), (b"accept", b"*/*"), (b"authorization", f"Bearer {token}".encode())]
    return {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "path": "/hello",
        "root_path": "",
        "query_string": b"",
        "headers": headers,
    }


def main() -> None:
    served = uvloop.run(requests())
    for name, micros in served.items():
        print(f"{micros:7.2f}  {name}")
    print(f"{served[CALLER] - served[BARE]:7.2f}  CurrentUser on top of the bare FastAPI route (limit 25)")


if __name__ == "__main__":
    main()
