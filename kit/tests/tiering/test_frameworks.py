"""One gate in Starlette, FastAPI and Litestar: the same denial in each."""

from __future__ import annotations

from typing import Any

from fastapi import Depends, FastAPI
from litestar import Litestar, Request, Response, get
from rows import every
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from identry_kit import context
from identry_kit.apierror import APIError, exception_handlers
from identry_kit.tiering import Gate

DENIED = b'{"error":"plan_required","upgradeUrl":"/billing"}'


def starlette_app(gate: Gate) -> Any:
    async def narrate(request: Any) -> PlainTextResponse:
        return PlainTextResponse("ok")

    return Starlette(routes=[Route("/", narrate, middleware=[Middleware(gate.require("pro"))])])


def starlette_handler(gate: Gate) -> Any:
    async def narrate(request: Any) -> PlainTextResponse:
        gate.check("pro")
        return PlainTextResponse("ok")

    return Starlette(routes=[Route("/", narrate)], exception_handlers=exception_handlers())


def fastapi_route(gate: Gate) -> Any:
    app = FastAPI(exception_handlers=exception_handlers())

    @app.get("/", dependencies=[Depends(gate.dependency("pro"))])
    async def narrate() -> str:
        return "ok"

    return app


def fastapi_sync_handler(gate: Gate) -> Any:
    app = FastAPI(exception_handlers=exception_handlers())

    @app.get("/")
    def narrate(_: None = Depends(gate.dependency("pro"))) -> str:
        return context.user_plan()

    return app


def litestar_guard(gate: Gate) -> Any:
    def denied(request: Request[Any, Any, Any], error: APIError) -> Response[Any]:
        return Response(error.json(), status_code=error.status, media_type="application/json")

    @get("/", guards=[gate.guard("pro")])
    async def narrate() -> str:
        return "ok"

    return Litestar([narrate], exception_handlers={APIError: denied}, openapi_config=None)


def litestar_middleware(gate: Gate) -> Any:
    @get("/", middleware=[gate.require("pro")])
    async def narrate() -> str:
        return "ok"

    return Litestar([narrate], openapi_config=None)


@every(
    "build",
    [starlette_app, starlette_handler, fastapi_route, fastapi_sync_handler, litestar_guard, litestar_middleware],
)
async def test_the_gate_is_native_in(call: Any, build: Any) -> None:
    app = build(Gate(upgrade_url="/billing"))
    with context.use(context.Caller(plan="freemium")):
        denied = await call(app)
    assert (denied.status, denied.body) == (403, DENIED)
    with context.use(context.Caller(plan="enterprise")):
        assert (await call(app)).status == 200


def test_the_dependency_asks_for_nothing_that_a_client_could_send() -> None:
    """FastAPI makes parameters of a dependency's arguments; this one has none."""
    schema = fastapi_route(Gate()).openapi()
    assert "parameters" not in schema["paths"]["/"]["get"]
