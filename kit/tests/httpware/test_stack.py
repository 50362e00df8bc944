"""The whole stack, in its one-frame form and as six classes one inside the other: the same behaviour from both."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from identry_kit import context
from identry_kit.apierror import NotFound, exception_handlers
from identry_kit.httpware import (
    SECURITY_HEADERS,
    BodyLimit,
    CallerRateLimiter,
    LocalBuckets,
    Logger,
    RateLimiter,
    Recover,
    Repeated,
    RequestID,
    SecurityHeaders,
    Timeout,
    standard_stack,
)
from identry_kit.jwtauth import JWTAuth, Key, StaticKeys, Verifier
from identry_kit.jwtauth.middleware import RequestRecord
from identry_kit.testing import Issuer


def nested(app: Any, *, sink: Any = None, max_body: int = 1 << 20, timeout: float = 30.0, **more: Any) -> Any:
    app = Recover(Timeout(app, timeout, **more), **more)
    return RequestID(Logger(SecurityHeaders(BodyLimit(app, max_body, **more)), sink=sink))


class Foreign:
    """A layer of somebody else that wraps `send`: the shared exchange is not visible behind it."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope, receive, send) -> None:
        async def wrapped(message) -> None:
            await send(message)

        await self.app(dict(scope), receive, wrapped)


def with_foreign_layers(
    app: Any, *, sink: Any = None, max_body: int = 1 << 20, timeout: float = 30.0, **more: Any
) -> Any:
    app = Foreign(Recover(Foreign(Timeout(app, timeout, **more)), **more))
    return RequestID(Foreign(Logger(Foreign(SecurityHeaders(Foreign(BodyLimit(app, max_body, **more)))), sink=sink)))


@pytest.fixture(params=[standard_stack, nested, with_foreign_layers], ids=["fused", "nested", "foreign"])
def stack(request: pytest.FixtureRequest) -> Any:
    return request.param


BODIES = [((), ()), ((("Content-Length", "2"),), (b"hi",)), ((("Transfer-Encoding", "chunked"),), (b"h", b"i"))]


@pytest.fixture(params=BODIES, ids=["no body", "declared", "chunked"])
def sent(request: pytest.FixtureRequest) -> dict[str, Any]:
    headers, chunks = request.param
    return {"headers": [*headers, ("X-Request-ID", "r1")], "chunks": chunks}


ALL_HEADERS = {name.lower() for name in SECURITY_HEADERS} | {"x-request-id"}


async def test_an_answer_has_id_headers_and_a_line(call: Any, reply: Any, stack: Any, sent: dict[str, Any]) -> None:
    lines: list[dict[str, Any]] = []
    answer = await call(stack(reply(201, [(b"x-own", b"1")]), sink=lines.append), "/x", method="POST", **sent)
    assert answer.status == 201
    assert set(answer.headers) == ALL_HEADERS | {"x-own"}
    assert answer.headers["x-request-id"] == "r1"
    assert [(line["request_id"], line["method"], line["path"], line["status"]) for line in lines] == [
        ("r1", "POST", "/x", 201)
    ]
    assert context.current() is None


async def test_errors_have_id_headers_and_a_line_too(
    call: Any, stack: Any, sent: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    lines: list[dict[str, Any]] = []

    async def app(scope, receive, send) -> None:
        match scope["path"]:
            case "/panic":
                raise LookupError
            case "/missing":
                raise NotFound("user not found: 7")
            case "/slow":
                await asyncio.sleep(60)

    app = stack(app, sink=lines.append, timeout=0.03)
    for path, status, code in [
        ("/panic", 500, "internal_error"),
        ("/missing", 404, "not_found"),
        ("/slow", 504, "timeout"),
    ]:
        answer = await call(app, path, **sent)
        assert answer.status == status
        assert f'"code":"{code}"'.encode() in answer.body
        assert set(answer.headers) >= ALL_HEADERS
    assert [line["status"] for line in lines] == [500, 404, 504]
    assert [r.request_id for r in caplog.records if "panic" in r.getMessage()] == ["r1"]  # type: ignore[attr-defined]


async def test_a_body_over_the_limit(call: Any, reply: Any, stack: Any) -> None:
    lines: list[dict[str, Any]] = []

    async def reader(scope, receive, send) -> None:
        while (await receive()).get("more_body"):
            pass
        await reply()(scope, receive, send)

    app = stack(reader, sink=lines.append, max_body=4)
    for headers in ([("Content-Length", "5")], [("Transfer-Encoding", "chunked")]):
        answer = await call(app, headers=headers, chunks=[b"x"] * 5)
        assert answer.status == 413
        assert answer.headers["connection"] == "close"
        assert set(answer.headers) >= ALL_HEADERS
    assert [line["status"] for line in lines] == [413, 413]
    assert (await call(app, headers=[("Content-Length", "4")], chunks=[b"x"] * 4)).status == 200


async def test_one_renderer_writes_every_error_of_the_layers(
    call: Any, stack: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def render(error, scope):
        return error.status, [(b"content-type", b"text/plain")], f"{scope['path']} {error.code}".encode()

    async def app(scope, receive, send) -> None:
        if scope["path"] == "/slow":
            await asyncio.sleep(60)
        raise LookupError

    app = stack(app, on_error=render, max_body=1, timeout=0.03)
    assert (await call(app, "/panic")).body == b"/panic internal_error"
    assert (await call(app, "/slow")).body == b"/slow timeout"
    assert (await call(app, "/big", headers=[("Content-Length", "2")])).body == b"/big payload_too_large"


async def test_a_nested_timeout_replaces_the_stacks(call: Any, reply: Any, stack: Any, sent: dict[str, Any]) -> None:
    async def slow(scope, receive, send) -> None:
        await asyncio.sleep(0.1)
        await reply()(scope, receive, send)

    assert (await call(stack(Timeout(slow, 5), timeout=0.02), **sent)).status == 200


async def test_a_request_made_inside_a_request_has_a_caller_and_a_deadline_of_its_own(
    call: Any, reply: Any, stack: Any
) -> None:
    issuer = Issuer()
    verifier = Verifier(
        StaticKeys([Key.from_pem(issuer.key.public_pem, issuer.key.kid)]),
        issuer=issuer.issuer,
        audience=issuer.audience,
        clock=issuer.clock,
    )
    ours, theirs = ([("Authorization", f"Bearer {issuer.mint(sub=sub)}")] for sub in ("1", "2"))
    inner_lines: list[dict[str, Any]] = []

    async def who(scope, receive, send) -> None:
        await reply(200, [(b"x-sub", context.user_sub().encode())])(scope, receive, send)

    inner = stack(JWTAuth(who, verifier))
    bare = JWTAuth(Timeout(who, 60), verifier)
    skinned = RequestRecord(JWTAuth(who, verifier))
    logged = Logger(bare, sink=inner_lines.append)

    async def outer(scope, receive, send) -> None:
        for app in (inner, bare, skinned, logged):
            assert (await call(app, headers=theirs)).headers["x-sub"] == "2"
            assert context.user_sub() == "1"
            assert (await call(app)).status == 401
            assert context.user_sub() == "1"
        await asyncio.sleep(60)

    app = stack(JWTAuth(outer, verifier), timeout=0.1)
    for _ in range(2):
        assert (await call(app, headers=ours)).status == 504


async def test_a_line_has_the_path_that_was_asked_for_whatever_a_router_makes_of_it(
    call: Any, reply: Any, stack: Any
) -> None:
    async def mount(scope, receive, send) -> None:
        scope["path"] = scope["path"].removeprefix("/mounted")
        await reply()(scope, receive, send)

    lines: list[dict[str, Any]] = []
    await call(stack(mount, sink=lines.append), "/mounted/inside")
    assert [line["path"] for line in lines] == ["/mounted/inside"]


async def test_a_stack_inside_a_stack_calls_the_request_as_the_outer_one_does(
    call: Any, reply: Any, stack: Any, sent: dict[str, Any]
) -> None:
    lines: list[dict[str, Any]] = []
    inner = stack(reply(), sink=lines.append)
    app = stack(RequestID(SecurityHeaders(inner)), sink=lines.append)
    for headers in (sent["headers"], sent["headers"][:-1]):
        answer = await call(app, headers=headers, chunks=sent["chunks"])
        assert [line["request_id"] for line in lines] == [answer.headers["x-request-id"]] * 2
        lines.clear()


async def test_an_application_may_hand_a_request_of_its_own_to_the_whole_of_itself(
    call: Any, reply: Any, stack: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def app(scope, receive, send) -> None:
        if scope["path"] == "/old":
            await whole({**first, "path": "/new"}, receive, send)
        else:
            await reply(203)(scope, receive, send)

    async def outermost(scope, receive, send) -> None:
        first.update(scope)
        await whole(scope, receive, send)

    first: dict[str, Any] = {}
    whole = stack(app)
    answer = await call(outermost, "/old")
    assert (answer.status, len(answer.messages)) == (203, 2)
    assert "panic" not in caplog.text


async def test_the_parts_of_a_batch_each_have_the_caller_of_their_own_token(call: Any, stack: Any) -> None:
    issuer = Issuer()
    keys = StaticKeys([Key.from_pem(issuer.key.public_pem, issuer.key.kid)])
    verifier = Verifier(keys, issuer=issuer.issuer, audience=issuer.audience, clock=issuer.clock)
    tokens = {sub: f"Bearer {issuer.mint(sub=sub)}".encode() for sub in ("1", "2")}

    async def who(scope, receive, send) -> None:
        answers.append(context.user_sub())

    async def note(message: Any) -> None:
        if message["type"] == "http.response.start":
            answers.append(message["status"])

    part = JWTAuth(who, verifier)

    async def batch(scope, receive, send) -> None:
        for sub in ("1", "2", "", "1"):  # copies of one scope, as a gateway makes them
            headers = [(b"authorization", tokens[sub])] if sub else []
            await part({**scope, "headers": headers}, receive, note)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    for _ in range(2):
        answers: list[object] = []
        assert (await call(stack(batch))).status == 204
        assert answers == ["1", "2", 401, "1"]


async def test_a_task_that_outlives_its_request_may_still_ask_for_a_deadline(call: Any, reply: Any, stack: Any) -> None:
    left: list[asyncio.Task[Any]] = []

    async def app(scope, receive, send) -> None:
        late = Timeout(reply(), 60)

        async def afterwards() -> None:
            await ended.wait()
            await late(scope, receive, send)

        left.append(asyncio.create_task(afterwards()))
        await reply()(scope, receive, send)

    ended = asyncio.Event()
    assert (await call(stack(app))).status == 200
    ended.set()
    await left[0]


async def test_cancellation_passes_all_layers(
    call: Any, stack: Any, sent: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    async def app(scope, receive, send) -> None:
        await asyncio.sleep(60)

    task = asyncio.create_task(call(stack(app), **sent))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_websocket_and_lifespan_pass(call: Any, stack: Any) -> None:
    async def app(scope, receive, send) -> None:
        await send({"type": f"{scope['type']}.done", "id": context.request_id() != ""})

    assert (await call(stack(app), kind="websocket")).messages == [{"type": "websocket.done", "id": True}]
    assert (await call(stack(app), kind="lifespan")).messages == [{"type": "lifespan.done", "id": False}]


async def test_a_thousand_requests_at_once_keep_their_ids_apart(call: Any, stack: Any) -> None:
    async def app(scope, receive, send) -> None:
        await asyncio.sleep(0)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": context.request_id().encode()})

    app = stack(app)
    answers = await asyncio.gather(*(call(app, headers=[("x-request-id", f"r{n}")]) for n in range(1000)))
    assert [answer.body for answer in answers] == [b"r%d" % n for n in range(1000)]
    assert all(answer.headers["x-request-id"].encode() == answer.body for answer in answers)


@pytest.mark.parametrize(("path", "status"), [("/missing", 404), ("/panic", 500), ("/fine", 200)])
async def test_a_frameworks_errors_are_answered_in_the_kits_words_and_logged_once(
    call: Any, stack: Any, caplog: pytest.LogCaptureFixture, path: str, status: int
) -> None:
    async def endpoint(request: Any) -> PlainTextResponse:
        match request.url.path:
            case "/missing":
                raise NotFound("user not found: 7")
            case "/panic":
                raise LookupError
        return PlainTextResponse("fine")

    service = Starlette(routes=[Route("/{any}", endpoint)], exception_handlers=exception_handlers())
    answer = await call(stack(service), path)
    assert answer.status == status
    assert answer.headers["content-type"].startswith("application/json" if status > 200 else "text/plain")
    assert set(answer.headers) >= ALL_HEADERS
    assert len([record for record in caplog.records if record.levelno >= logging.ERROR]) == (status == 500)


async def test_an_answer_made_ready_with_a_header_of_the_stacks_own_keeps_it_each_time(call: Any, stack: Any) -> None:
    ready = Repeated(200, [(b"cache-control", b"max-age=60"), (b"content-length", b"0")])

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(ready)
        await send({"type": "http.response.body", "body": b""})

    served = stack(app)
    answers = [(await call(served)).headers for _ in range(3)]

    assert len({headers["x-request-id"] for headers in answers}) == 3
    assert {headers["cache-control"] for headers in answers} == {"max-age=60"}
    assert len({frozenset(headers) for headers in answers}) == 1
    if stack is standard_stack:
        assert ready.added is not None, "what the stack adds is worked out once"


async def test_who_is_refused_inside_is_answered_by_the_layer_that_refuses(
    call: Any, reply: Any, stack: Any, sent: dict[str, Any]
) -> None:
    issuer = Issuer()
    keys = StaticKeys([Key.from_pem(issuer.key.public_pem, issuer.key.kid)])
    verifier = Verifier(keys, issuer=issuer.issuer, audience=issuer.audience, clock=issuer.clock)
    lines: list[dict[str, Any]] = []

    def words(layer: bytes) -> Any:
        return lambda error, scope: (error.status, [], layer)

    limited = RateLimiter(reply(), 0, 1, on_error=words(b"limiter"))
    app = stack(JWTAuth(limited, verifier, on_error=words(b"auth")), sink=lines.append)
    bearer = ("Authorization", f"Bearer {issuer.mint()}")
    known = {**sent, "headers": [*sent["headers"], bearer]}

    answers = [await call(app, **sent), await call(app, **known), await call(app, **known)]

    assert [answer.status for answer in answers] == [401, 200, 429]
    assert (answers[0].body, answers[2].body) == (b"auth", b"limiter")
    assert all(set(answer.headers) >= ALL_HEADERS for answer in answers)
    assert [(line["status"], line["tenant_id"] != "") for line in lines] == [(401, False), (200, True), (429, True)]


async def test_a_limiter_whose_buckets_are_elsewhere_is_waited_for(call: Any, reply: Any, stack: Any) -> None:
    class Elsewhere:
        def __init__(self) -> None:
            self._buckets = LocalBuckets()

        async def take(self, key: str, rps: float, burst: int) -> float:
            await asyncio.sleep(0)
            return self._buckets.take_now(key, rps, burst)

    app = stack(CallerRateLimiter(reply(), 1e-6, 1, buckets=Elsewhere()))
    assert [(await call(app)).status for _ in range(3)] == [200, 429, 429]


async def test_a_layer_made_of_a_checkpoint_does_all_that_it_does(call: Any, reply: Any, stack: Any) -> None:
    class Teapot(RateLimiter):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await reply(418)(scope, receive, send)

    assert (await call(stack(Teapot(reply())))).status == 418
