"""The Litestar skin: guards, the caller as a dependency, the OpenAPI document, and errors in the envelope."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from litestar import Litestar, Router, WebSocket, get, post, websocket
from litestar.params import JSONBody

from identry_kit import context
from identry_kit.apierror import ServiceUnavailable, not_found, to_problem
from identry_kit.httpware import standard_stack
from identry_kit.jwtauth import Claims, Verifier
from identry_kit.jwtauth.litestar import (
    CurrentUser,
    IdentryPlugin,
    OptionalUser,
    requires_roles,
    requires_scopes,
    requires_user,
)

TENANT = "00000000-0000-4000-8000-000000000001"


@get("/me", guards=[requires_user])
async def me(current_user: CurrentUser) -> dict[str, Any]:
    return {"sub": current_user.sub, "context": context.user_sub(), "tenant": context.tenant_id_str()}


@get("/sync", sync_to_thread=True)
def in_a_thread(current_user: CurrentUser) -> dict[str, str]:
    return {"sub": current_user.sub, "context": context.user_sub()}


@get("/maybe")
async def maybe(optional_user: OptionalUser) -> dict[str, Any]:
    return {"sub": optional_user.sub if optional_user else None}


@get("/orders", guards=[requires_scopes("orders:read")])
async def orders() -> dict[str, str]:
    return {"sub": context.user_sub()}


@post("/orders", guards=[requires_user, requires_scopes("orders:read", "orders:write")])
async def order(data: JSONBody[dict[str, int]]) -> dict[str, str]:
    return {"sub": context.user_sub()}


@get("/admin", guards=[requires_roles("admin", "owner")])
async def admin() -> dict[str, str]:
    return {"role": context.user_role()}


@get("/open")
async def open_to_all() -> dict[str, str]:
    return {"sub": context.user_sub()}


@get("/missing")
async def missing() -> None:
    raise not_found("order", 7)


@websocket("/ws", guards=[requires_user])
async def socket(socket: WebSocket[Any, Any, Any]) -> None:
    await socket.accept(subprotocols=context.user_sub())


ROUTES = [me, in_a_thread, maybe, orders, order, admin, open_to_all, missing, socket]


def service(verifier: Verifier, **options: Any) -> Litestar:
    return Litestar(ROUTES, plugins=[IdentryPlugin(verifier, **options)], logging_config=None)


def bearer(token: str) -> dict[str, Any]:
    return {"headers": [("Authorization", f"Bearer {token}")]}


async def seen(call: Any, app: Any, path: str, token: str = "", **options: Any) -> tuple[int, Any]:
    answer = await call(app, path, **(bearer(token) if token else {}), **options)
    return answer.status, json.loads(answer.body)


async def test_the_caller_is_a_dependency_and_in_context(call: Any, signer: Any, verifier: Verifier) -> None:
    app = service(verifier)
    token = signer.mint(tenant_id=TENANT)
    assert await seen(call, app, "/me", token) == (200, {"sub": "42", "context": "42", "tenant": TENANT})
    assert await seen(call, app, "/sync", token) == (200, {"sub": "42", "context": "42"})
    assert await seen(call, app, "/open", token) == (200, {"sub": ""})
    assert context.current() is None


async def test_without_or_with_a_bad_token_the_answer_is_401_with_a_challenge(
    call: Any, signer: Any, verifier: Verifier
) -> None:
    app = service(verifier)
    for path, method in [("/me", "GET"), ("/sync", "GET"), ("/orders", "GET"), ("/orders", "POST"), ("/admin", "GET")]:
        none = await call(app, path, method=method)
        assert (none.status, none.headers["www-authenticate"]) == (401, "Bearer"), path
        bad = await call(app, path, method=method, **bearer(signer.mint(exp=1)))
        assert (bad.status, bad.headers["www-authenticate"]) == (401, 'Bearer error="invalid_token"')
        assert json.loads(bad.body)["error"] == {"code": "unauthorized", "message": "invalid or expired token"}


async def test_the_guard_comes_before_the_body(call: Any, verifier: Verifier) -> None:
    answer = await call(service(verifier), "/orders", method="POST", chunks=[b"not JSON"])
    assert answer.status == 401


async def test_an_optional_user_is_nobody_without_a_header_and_401_with_a_bad_one(
    call: Any, signer: Any, verifier: Verifier
) -> None:
    app = service(verifier)
    assert await seen(call, app, "/maybe") == (200, {"sub": None})
    assert await seen(call, app, "/maybe", signer.mint()) == (200, {"sub": "42"})
    assert (await seen(call, app, "/maybe", signer.mint(exp=1)))[0] == 401


async def test_scopes_and_roles_are_needed(call: Any, signer: Any, verifier: Verifier) -> None:
    app = service(verifier)
    assert (await seen(call, app, "/orders", signer.mint(scope="orders:read")))[0] == 200
    denied = await call(app, "/orders", **bearer(signer.mint(scope="orders")))
    assert denied.status == 403
    assert denied.headers["www-authenticate"] == 'Bearer error="insufficient_scope", scope="orders:read"'
    assert json.loads(denied.body)["error"] == {"code": "forbidden", "message": "insufficient scope"}
    assert await seen(call, app, "/admin", signer.mint(role="owner")) == (200, {"role": "owner"})
    assert (await seen(call, app, "/admin", signer.mint(role="user")))[0] == 403


async def test_a_websocket_is_refused_before_it_is_accepted(call: Any, signer: Any, verifier: Verifier) -> None:
    app = service(verifier)
    refused = await call(app, "/ws", kind="websocket")
    assert [(message["type"], message["code"]) for message in refused.messages] == [("websocket.close", 1008)]
    accepted = await call(app, "/ws", kind="websocket", **bearer(signer.mint()))
    assert accepted.messages[0]["subprotocol"] == "42"


async def test_an_outage_is_503(
    call: Any, signer: Any, make_verifier: Callable[..., Verifier], caplog: pytest.LogCaptureFixture
) -> None:
    def hook(token: str, claims: Claims) -> None:
        raise ServiceUnavailable("redis is gone")

    app = service(make_verifier(revocation=hook))
    status, body = await seen(call, app, "/me", signer.mint())
    assert (status, body["error"]["message"]) == (503, "Service Unavailable")
    assert "redis is gone" in caplog.text
    closed = await call(app, "/ws", kind="websocket", **bearer(signer.mint()))
    assert closed.messages[0]["code"] == 1011


async def test_the_openapi_document_knows_the_scheme_and_each_guarded_route(call: Any, verifier: Verifier) -> None:
    answer = await call(service(verifier), "/schema/openapi.json")
    document = json.loads(answer.body)
    scheme = document["components"]["securitySchemes"]["Identry"]
    assert (scheme["type"], scheme["scheme"], scheme["bearerFormat"]) == ("http", "bearer", "JWT")
    paths = document["paths"]
    assert paths["/me"]["get"]["security"] == [{"Identry": []}]
    assert paths["/orders"]["get"]["security"] == [{"Identry": ["orders:read"]}]
    assert paths["/orders"]["post"]["security"] == [{"Identry": ["orders:read", "orders:write"]}]
    assert "security" not in paths["/open"]["get"]


async def test_whole_routers_and_applications_can_be_guarded(call: Any, signer: Any, verifier: Verifier) -> None:
    @get("/inside")
    async def inside() -> dict[str, str]:
        return {"sub": context.user_sub()}

    router = Router("/api", route_handlers=[inside], guards=[requires_scopes("api")])
    app = Litestar([router], guards=[requires_user], plugins=[IdentryPlugin(verifier)], logging_config=None)
    assert (await seen(call, app, "/api/inside"))[0] == 401
    assert (await seen(call, app, "/api/inside", signer.mint()))[0] == 403
    assert await seen(call, app, "/api/inside", signer.mint(scope="api")) == (200, {"sub": "42"})


async def test_a_guard_without_the_plugin_refuses_to_serve(call: Any, signer: Any) -> None:
    assert (
        await call(
            Litestar([admin], openapi_config=None, logging_config=None), "/admin", **bearer(signer.mint(role="admin"))
        )
    ).status == 500


async def test_inside_the_stack_the_log_line_knows_the_caller(call: Any, signer: Any, verifier: Verifier) -> None:
    lines: list[dict[str, Any]] = []
    app = standard_stack(service(verifier), sink=lines.append)
    assert (await call(app, "/me", **bearer(signer.mint(tenant_id=TENANT)))).status == 200
    assert (lines[0]["tenant_id"], lines[0]["status"]) == (TENANT, 200)


async def test_options_and_problems(call: Any, signer: Any, verifier: Verifier) -> None:
    app = service(verifier, tenant_claim="org", sub_only=True, render=to_problem)
    assert (await seen(call, app, "/me", signer.mint(org=TENANT)))[1]["tenant"] == TENANT
    problem = await call(app, "/missing")
    assert problem.headers["content-type"] == "application/problem+json"
    assert json.loads(problem.body)["detail"] == "order not found: 7"
