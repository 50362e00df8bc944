"""Starlette, FastAPI and Litestar answer every error as the kit does: their own, ours, and what nobody caught."""

from __future__ import annotations

import importlib
import json
import logging
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi import FastAPI, WebSocket
from fastapi import HTTPException as FastAPIHTTPException
from litestar import Litestar, get, post
from litestar.exceptions import ClientException, HTTPException
from litestar.params import FromPath, FromQuery, JSONBody
from pydantic import BaseModel, Field, SecretStr
from rows import every
from starlette.applications import Starlette
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.routing import Route

from identry_kit import apierror
from identry_kit.apierror import fastapi as fastapi_errors
from identry_kit.apierror import litestar as litestar_errors
from identry_kit.apierror import starlette as starlette_errors
from identry_kit.httpware import standard_stack

FAULTS: dict[str, Any] = {
    "own": lambda: apierror.not_found("order", 7).with_key("errors.order").with_details({"id": 7}),
    "teapot": lambda: apierror.new(418, "short and stout"),
    "limit": lambda: apierror.too_many_requests("slow down", 3),
    "internal": lambda: apierror.internal("disk full").with_details({"path": "/secret"}),
    "unavailable": lambda: apierror.service_unavailable("redis is gone", 5),
    "panic": lambda: ZeroDivisionError("secret"),
}


def starlette_app(render: Any = apierror.to_asgi) -> Any:
    async def fault(request: Any) -> None:
        name = request.path_params["name"]
        if name == "framework":
            raise StarletteHTTPException(403, "not for you", headers={"X-Why": "because"})
        if name == "framework-500":
            raise StarletteHTTPException(500, "secret")
        if name == "bodyless":
            raise StarletteHTTPException(304)
        raise FAULTS[name]()

    app = Starlette(routes=[Route("/fault/{name}", fault)])
    starlette_errors.install(app, render)
    return app


class Order(BaseModel):
    amount: int = Field(ge=1)
    password: SecretStr = Field(min_length=12)
    email: str


def fastapi_app(render: Any = apierror.to_asgi) -> Any:
    app = FastAPI()
    fastapi_errors.install(app, render)

    @app.get("/fault/{name}")
    async def fault(name: str) -> None:
        if name == "framework":
            raise FastAPIHTTPException(403, "not for you", headers={"X-Why": "because"})
        if name == "framework-500":
            raise FastAPIHTTPException(500, "secret")
        if name == "framework-detail":
            raise FastAPIHTTPException(400, {"reason": ["a", 1]})
        if name == "bodyless":
            raise FastAPIHTTPException(304)
        raise FAULTS[name]()

    @app.post("/orders")
    async def create(order: Order, page: int = 1) -> None: ...

    @app.websocket("/ws")
    async def socket(websocket: WebSocket, page: int) -> None: ...

    @app.websocket("/ws-fault")
    async def faulty_socket(websocket: WebSocket) -> None:
        raise apierror.forbidden("not for you")

    return app


@dataclass
class LitestarOrder:
    amount: int
    email: str


def litestar_app(render: Any = apierror.to_asgi) -> Any:
    @get("/fault/{name:str}")
    async def fault(name: FromPath[str]) -> None:
        if name == "framework":
            raise HTTPException("not for you", status_code=403, headers={"X-Why": "because"})
        if name == "framework-500":
            raise HTTPException("secret", status_code=500)
        if name == "client":
            raise ClientException("not like this")
        raise FAULTS[name]()

    @post("/orders")
    async def create(data: JSONBody[LitestarOrder], page: FromQuery[int] = 1) -> None: ...

    handlers = litestar_errors.exception_handlers(render)
    return Litestar([fault, create], exception_handlers=handlers, openapi_config=None, logging_config=None)


APPS = {"starlette": starlette_app, "fastapi": fastapi_app, "litestar": litestar_app}


@pytest.fixture(params=APPS)
def framework(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def app(framework: str) -> Any:
    return standard_stack(APPS[framework]())


@pytest.mark.parametrize(
    ("name", "status", "error"),
    [
        ("own", 404, {"code": "not_found", "key": "errors.order", "message": "order not found: 7",
                      "details": {"id": 7}}),
        ("teapot", 418, {"code": "error", "message": "short and stout"}),
        ("limit", 429, {"code": "too_many_requests", "message": "slow down"}),
        ("internal", 500, {"code": "internal_error", "message": "Internal Server Error"}),
        ("unavailable", 503, {"code": "service_unavailable", "message": "Service Unavailable"}),
        ("panic", 500, {"code": "internal_error", "message": "Internal Server Error"}),
        ("framework", 403, {"code": "forbidden", "message": "not for you"}),
        ("framework-500", 500, {"code": "internal_error", "message": "Internal Server Error"}),
    ],
)  # fmt: skip
async def test_an_error_is_the_same_answer_in_each_framework(
    call: Any, app: Any, name: str, status: int, error: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    answer = await call(app, f"/fault/{name}")
    assert (answer.status, json.loads(answer.body)) == (status, {"error": error})
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-length"] == str(len(answer.body))
    assert answer.headers.get("retry-after") == {"limit": "3", "unavailable": "5"}.get(name)
    assert answer.headers.get("x-why") == ("because" if name == "framework" else None)
    hidden = {"internal": "disk full", "unavailable": "redis is gone", "panic": "secret", "framework-500": "secret"}
    told = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert bool(told) == (status >= 500)
    if name in hidden:
        assert hidden[name] in caplog.text, "what the client is not told the log is"
        assert all(getattr(record, "request_id", "") for record in told)


async def test_paths_and_methods_that_are_not_there(call: Any, app: Any) -> None:
    missing = await call(app, "/nowhere")
    assert (missing.status, json.loads(missing.body)["error"]["code"]) == (404, "not_found")
    method = await call(app, "/fault/own", method="DELETE")
    assert (method.status, json.loads(method.body)["error"]["code"]) == (405, "method_not_allowed")
    assert "GET" in method.headers["allow"]


@pytest.mark.parametrize(
    ("accept", "problem"),
    [
        ("application/problem+json", True),
        ("application/json, application/problem+json", True),
        ("Application/Problem+JSON; q=0.5", True),
        ("application/problem+json;q=0", False),
        ("application/problem+json; q=0.000, */*", False),
        ("application/problem+jsonx", False),
        ("text/problem+json", False),
        ("*/*", False),
        ("", False),
    ],
)
async def test_rfc_9457_is_answered_when_it_is_asked_for(call: Any, app: Any, accept: str, problem: bool) -> None:
    answer = await call(app, "/fault/internal", headers=[("Accept", accept)])
    assert answer.status == 500
    body = json.loads(answer.body)
    if problem:
        assert answer.headers["content-type"] == "application/problem+json"
        assert body == {
            "type": "about:blank", "title": "Internal Server Error", "status": 500, "code": "internal_error",
        }  # fmt: skip
    else:
        assert answer.headers["content-type"] == "application/json"
        assert set(body) == {"error"}


async def test_rfc_9457_can_be_the_rule_and_the_envelope_too(call: Any, framework: str) -> None:
    always = await call(standard_stack(APPS[framework](apierror.to_problem)), "/nowhere")
    assert always.headers["content-type"] == "application/problem+json"
    assert json.loads(always.body)["status"] == 404
    never = APPS[framework](apierror.to_envelope)
    asked = await call(standard_stack(never), "/nowhere", headers=[("Accept", "application/problem+json")])
    assert asked.headers["content-type"] == "application/json"


async def test_fastapi_tells_which_fields_are_wrong_and_never_what_they_held(call: Any) -> None:
    body = {"amount": 0, "password": "hunter2"}
    answer = await call(fastapi_app(), "/orders", method="POST", chunks=[json.dumps(body).encode()],
                        headers=[("Content-Type", "application/json")])  # fmt: skip
    assert answer.status == 422
    error = json.loads(answer.body)["error"]
    assert (error["code"], error["message"]) == ("validation_error", "validation failed")
    fields = {fault["field"]: fault["type"] for fault in error["details"]["fields"]}
    assert fields == {
        "body.amount": "greater_than_equal", "body.password": "too_short", "body.email": "missing",
    }  # fmt: skip
    assert "hunter2" not in answer.body.decode()


@every("body", [b"", b"not JSON", b"[", b"null", b'"x"', b"[1]", b"\xff"])
async def test_fastapi_bodies_that_are_not_the_one_expected(call: Any, body: bytes) -> None:
    headers = [("Content-Type", "application/json")]
    answer = await call(fastapi_app(), "/orders", method="POST", chunks=[body], headers=headers)
    assert answer.status in {400, 422}
    assert json.loads(answer.body)["error"]["code"] in {"bad_request", "validation_error"}


async def test_the_list_of_wrong_fields_is_bounded(call: Any) -> None:
    app = FastAPI()
    fastapi_errors.install(app)

    @app.post("/numbers")
    async def numbers(numbers: list[int]) -> None: ...

    body = json.dumps(["x"] * 1000).encode()
    headers = [("Content-Type", "application/json")]
    answer = await call(app, "/numbers", method="POST", chunks=[body], headers=headers)
    assert len(json.loads(answer.body)["error"]["details"]["fields"]) == 50


async def test_fastapi_details_that_are_no_text_become_details(call: Any) -> None:
    answer = await call(fastapi_app(), "/fault/framework-detail")
    assert json.loads(answer.body)["error"] == {
        "code": "bad_request", "message": "bad request", "details": {"detail": {"reason": ["a", 1]}},
    }  # fmt: skip


@pytest.mark.parametrize("framework", ["starlette", "fastapi"])
async def test_an_answer_that_has_no_body_gets_none(call: Any, framework: str) -> None:
    answer = await call(APPS[framework](), "/fault/bodyless")
    assert (answer.status, answer.body) == (304, b"")


async def test_a_websocket_is_closed_with_a_code(call: Any) -> None:
    for path, reason in (("/ws", "validation failed"), ("/ws-fault", "not for you")):
        answer = await call(fastapi_app(), path, kind="websocket")
        assert answer.messages == [{"type": "websocket.close", "code": 1008, "reason": reason}]


async def test_litestar_tells_which_fields_are_wrong(call: Any) -> None:
    headers = [("Content-Type", "application/json")]
    body = b'{"amount": "hunter2", "email": "a@b.c"}'
    answer = await call(litestar_app(), "/orders", method="POST", chunks=[body], headers=headers)
    assert answer.status == 422
    error = json.loads(answer.body)["error"]
    assert error["code"] == "validation_error"
    assert [fault["field"] for fault in error["details"]["fields"]] == ["body.amount"]
    assert "hunter2" not in answer.body.decode()
    bad_json = await call(litestar_app(), "/orders", method="POST", chunks=[b"not JSON"], headers=headers)
    assert (bad_json.status, json.loads(bad_json.body)["error"]["code"]) == (400, "bad_request")
    client = await call(litestar_app(), "/fault/client")
    assert json.loads(client.body)["error"] == {"code": "bad_request", "message": "not like this"}


def test_a_missing_framework_is_named_with_its_extra() -> None:
    for module, extra in [
        ("apierror.starlette", "fastapi"), ("apierror.fastapi", "fastapi"), ("apierror.litestar", "litestar"),
        ("jwtauth.fastapi", "fastapi"), ("jwtauth.litestar", "litestar"),
    ]:  # fmt: skip
        code = (
            "import sys; sys.modules.update(dict.fromkeys(('fastapi', 'litestar', 'starlette'), None))\n"
            f"try: import identry_kit.{module}\n"
            "except ImportError as error: print(error)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert f"identry-kit[{extra}]" in done.stdout


def test_the_skins_say_what_is_theirs() -> None:
    for name in ("starlette", "fastapi", "litestar"):
        module = importlib.import_module(f"identry_kit.apierror.{name}")
        assert module.__all__
        assert all(getattr(module, public).__doc__ for public in module.__all__)
