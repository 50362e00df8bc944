"""The FastAPI skin: `CurrentUser`, optional users, scopes, roles, the Authorize button, and errors in the envelope."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, WebSocket
from rows import every

from identry_kit import context
from identry_kit.apierror import ServiceUnavailable, to_problem
from identry_kit.context import Caller
from identry_kit.httpware import standard_stack
from identry_kit.jwtauth import Claims, Verifier
from identry_kit.jwtauth.fastapi import (
    CurrentUser,
    OptionalUser,
    current_user,
    install,
    require_roles,
    require_scopes,
)

TENANT = "00000000-0000-4000-8000-000000000001"


def bearer(token: str) -> dict[str, Any]:
    return {"headers": [("Authorization", f"Bearer {token}")]}


def service(verifier: Verifier, **options: Any) -> FastAPI:
    app = FastAPI()
    install(app, verifier, **options)

    @app.get("/me")
    async def me(user: CurrentUser) -> dict[str, Any]:
        return {"sub": user.sub, "context": context.user_sub(), "tenant": context.tenant_id_str()}

    @app.get("/sync")
    def in_a_thread(user: CurrentUser) -> dict[str, str]:
        return {"sub": user.sub, "context": context.user_sub()}

    @app.get("/maybe")
    async def maybe(user: OptionalUser) -> dict[str, str | None]:
        return {"sub": user.sub if user else None, "context": context.user_sub()}

    @app.get("/orders", dependencies=[require_scopes("orders:read")])
    async def orders(user: CurrentUser) -> dict[str, str]:
        return {"sub": user.sub}

    @app.post("/orders")
    async def order(user: Annotated[Caller, require_scopes("orders:read", "orders:write")]) -> dict[str, str]:
        return {"sub": user.sub}

    @app.get("/admin", dependencies=[require_roles("admin", "owner")])
    async def admin() -> dict[str, str]:
        return {"role": context.user_role()}

    @app.get("/web-admin", dependencies=[require_roles("admin", client_id="web")])
    async def web_admin() -> dict[str, str]:
        return {"role": context.app_role("web")}

    @app.get("/open")
    async def open_to_all() -> dict[str, str]:
        return {"sub": context.user_sub()}

    @app.websocket("/ws")
    async def socket(websocket: WebSocket, user: CurrentUser) -> None:
        await websocket.accept(subprotocol=user.sub)

    return app


async def seen(call: Any, app: Any, path: str, token: str = "", **options: Any) -> tuple[int, Any]:
    answer = await call(app, path, **(bearer(token) if token else {}), **options)
    return answer.status, json.loads(answer.body)


async def test_the_caller_is_a_parameter_and_in_context(call: Any, signer: Any, verifier: Verifier) -> None:
    app = service(verifier)
    token = signer.mint(tenant_id=TENANT)
    assert await seen(call, app, "/me", token) == (200, {"sub": "42", "context": "42", "tenant": TENANT})
    assert await seen(call, app, "/sync", token) == (200, {"sub": "42", "context": "42"})
    assert await seen(call, app, "/open") == (200, {"sub": ""})
    assert await seen(call, app, "/open", token) == (200, {"sub": ""}), "a route that asks for nobody verifies nobody"
    assert context.current() is None


async def test_without_or_with_a_bad_token_the_answer_is_401_with_a_challenge(
    call: Any, signer: Any, verifier: Verifier
) -> None:
    app = service(verifier)
    for path, method in [("/me", "GET"), ("/sync", "GET"), ("/orders", "GET"), ("/orders", "POST"), ("/admin", "GET")]:
        none = await call(app, path, method=method)
        assert (none.status, none.headers["www-authenticate"]) == (401, "Bearer")
        assert json.loads(none.body)["error"]["message"] == "missing or invalid authorization header"
        bad = await call(app, path, method=method, **bearer(signer.mint(exp=1)))
        assert (bad.status, bad.headers["www-authenticate"]) == (401, 'Bearer error="invalid_token"')
        assert json.loads(bad.body)["error"] == {"code": "unauthorized", "message": "invalid or expired token"}
    tenant = await call(app, "/me", **bearer(signer.mint(tenant_id="acme")))
    assert (tenant.status, json.loads(tenant.body)["error"]["message"]) == (401, "invalid tenant_id")


async def test_an_optional_user_is_nobody_without_a_header_and_401_with_a_bad_one(
    call: Any, signer: Any, verifier: Verifier
) -> None:
    app = service(verifier)
    assert await seen(call, app, "/maybe") == (200, {"sub": None, "context": ""})
    assert await seen(call, app, "/maybe", signer.mint()) == (200, {"sub": "42", "context": "42"})
    assert (await seen(call, app, "/maybe", signer.mint(exp=1)))[0] == 401
    assert (await call(app, "/maybe", headers=[("Authorization", "Basic YTpi")])).status == 401


async def test_scopes_are_all_needed(call: Any, signer: Any, verifier: Verifier) -> None:
    app = service(verifier)
    for claims, get, post in [
        ({}, 403, 403),
        ({"scope": "orders:read"}, 200, 403),
        ({"scope": "openid orders:write orders:read"}, 200, 200),
        ({"scope": ["orders:read", "orders:write"]}, 200, 200),
        ({"scp": ["orders:read"]}, 200, 403),
        ({"scope": "orders:readers orders"}, 403, 403),
        ({"scope": 7}, 403, 403),
        ({"scope": [["orders:read"]]}, 403, 403),
    ]:
        token = signer.mint(**claims)
        assert (await call(app, "/orders", **bearer(token))).status == get, claims
        assert (await call(app, "/orders", method="POST", **bearer(token))).status == post, claims
    denied = await call(app, "/orders", method="POST", **bearer(signer.mint()))
    assert denied.headers["www-authenticate"] == 'Bearer error="insufficient_scope", scope="orders:read orders:write"'
    assert json.loads(denied.body)["error"] == {"code": "forbidden", "message": "insufficient scope"}


async def test_one_of_the_roles_is_needed(call: Any, signer: Any, verifier: Verifier) -> None:
    app = service(verifier)
    assert await seen(call, app, "/admin", signer.mint(role="owner")) == (200, {"role": "owner"})
    for role in ("", "Admin", "admin ", "user", ["admin"], None):
        assert (await seen(call, app, "/admin", signer.mint(role=role)))[0] == 403
    assert (await seen(call, app, "/web-admin", signer.mint(app_roles={"web": "admin"})))[0] == 200
    assert (await seen(call, app, "/web-admin", signer.mint(role="admin", app_roles={"api": "admin"})))[0] == 403


@every("wrong", [(), ("",), ("a b",), ('a"',)])
def test_a_requirement_that_says_nothing_is_a_mistake(wrong: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="scope"):
        require_scopes(*wrong)
    with pytest.raises(ValueError, match="role"):
        require_roles("")


async def test_a_websocket_is_refused_before_it_is_accepted(call: Any, signer: Any, verifier: Verifier) -> None:
    app = service(verifier)
    refused = await call(app, "/ws", kind="websocket")
    assert [(message["type"], message["code"]) for message in refused.messages] == [("websocket.close", 1008)]
    accepted = await call(app, "/ws", kind="websocket", **bearer(signer.mint()))
    assert accepted.messages[0]["subprotocol"] == "42"


async def test_an_outage_is_503_and_a_revoked_token_says_so(
    call: Any, signer: Any, make_verifier: Callable[..., Verifier], caplog: pytest.LogCaptureFixture
) -> None:
    def hook(token: str, claims: Claims) -> None:
        raise (ServiceUnavailable("redis is gone") if claims.jti == "token-1" else LookupError)

    app = service(make_verifier(revocation=hook))
    outage = await call(app, "/me", **bearer(signer.mint()))
    assert (outage.status, json.loads(outage.body)["error"]["message"]) == (503, "Service Unavailable")
    assert "redis is gone" in caplog.text
    status, body = await seen(call, app, "/me", signer.mint(jti="token-2"))
    assert (status, body["error"]["message"]) == (401, "token revoked")


async def test_the_authorize_button_knows_the_scheme_and_each_guarded_route(call: Any, verifier: Verifier) -> None:
    document = json.loads((await call(service(verifier), "/openapi.json")).body)
    scheme = document["components"]["securitySchemes"]["Identry"]
    assert (scheme["type"], scheme["scheme"], scheme["bearerFormat"]) == ("http", "bearer", "JWT")
    security = {
        (path, method): operation.get("security")
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    assert security["/me", "get"] == [{"Identry": []}]
    assert security["/orders", "get"] == [{"Identry": ["orders:read"]}]
    assert security["/orders", "post"] == [{"Identry": ["orders:read", "orders:write"]}]
    assert security["/admin", "get"] == [{"Identry": []}]
    assert security["/open", "get"] is None
    assert (await call(service(verifier), "/docs")).status == 200


async def test_whole_routers_and_applications_can_be_guarded(call: Any, signer: Any, verifier: Verifier) -> None:
    app = FastAPI(dependencies=[Depends(current_user)])
    install(app, verifier)
    router = APIRouter(dependencies=[require_scopes("orders:read")])

    @router.get("/orders")
    async def orders() -> dict[str, str]:
        return {"sub": context.user_sub()}

    app.include_router(router)
    assert (await seen(call, app, "/orders"))[0] == 401
    assert (await seen(call, app, "/orders", signer.mint()))[0] == 403
    assert await seen(call, app, "/orders", signer.mint(scope="orders:read")) == (200, {"sub": "42"})


async def test_a_token_is_verified_once_per_request_however_many_dependencies_ask(
    call: Any, signer: Any, make_verifier: Callable[..., Verifier]
) -> None:
    asked: list[str] = []
    app = service(make_verifier(revocation=lambda token, claims: asked.append(token)))
    await seen(call, app, "/orders", signer.mint(scope="orders:read"))
    assert len(asked) == 1


async def test_two_applications_with_two_verifiers_do_not_share_a_caller(
    call: Any, signer: Any, make_verifier: Callable[..., Verifier]
) -> None:
    """Row 12: what the outer one accepted, the mounted one looks at itself."""
    outer, inner = service(make_verifier()), service(make_verifier(audience="billing"))
    outer.mount("/inner", inner)
    assert (await seen(call, outer, "/me", signer.mint()))[0] == 200
    assert (await seen(call, outer, "/inner/me", signer.mint()))[0] == 401
    assert (await seen(call, outer, "/inner/me", signer.mint(aud="billing")))[0] == 200


async def test_an_application_that_was_not_told_refuses_to_serve(call: Any, signer: Any) -> None:
    app = FastAPI()

    @app.get("/me")
    async def me(user: CurrentUser) -> None: ...

    with pytest.raises(RuntimeError, match="install"):
        await call(app, "/me", **bearer(signer.mint()))


async def test_a_test_may_replace_the_caller(call: Any, verifier: Verifier) -> None:
    app = service(verifier)
    app.dependency_overrides[current_user] = lambda: Caller(sub="somebody")
    assert (await seen(call, app, "/me"))[1]["sub"] == "somebody"


async def test_inside_the_stack_the_log_line_knows_the_caller(call: Any, signer: Any, verifier: Verifier) -> None:
    lines: list[dict[str, Any]] = []
    app = standard_stack(service(verifier), sink=lines.append)
    assert (await call(app, "/me", **bearer(signer.mint(tenant_id=TENANT)))).status == 200
    assert (lines[0]["tenant_id"], lines[0]["status"]) == (TENANT, 200)


async def test_options_and_problems(call: Any, signer: Any, verifier: Verifier) -> None:
    app = service(verifier, tenant_claim="org", sub_only=True, render=to_problem)
    assert (await seen(call, app, "/me", signer.mint(org=TENANT)))[1]["tenant"] == TENANT
    problem = await call(app, "/me")
    assert problem.headers["content-type"] == "application/problem+json"
    assert json.loads(problem.body)["code"] == "unauthorized"


async def test_hundreds_of_callers_at_once_are_never_mixed_up(call: Any, signer: Any, verifier: Verifier) -> None:
    app = service(verifier)
    tokens = [signer.mint(sub=f"user-{number}") for number in range(100)]
    answers = await asyncio.gather(*(seen(call, app, "/me", token) for token in tokens * 2))
    assert [(body["sub"], body["context"]) for _, body in answers] == [(f"user-{n}",) * 2 for n in range(100)] * 2


async def test_no_log_line_holds_the_token(
    call: Any, signer: Any, verifier: Verifier, caplog: pytest.LogCaptureFixture
) -> None:
    app = service(verifier)
    with caplog.at_level(logging.DEBUG):
        for token in (signer.mint(), signer.mint(exp=1)):
            await call(app, "/me", **bearer(token))
            assert token.split(".")[2] not in caplog.text
