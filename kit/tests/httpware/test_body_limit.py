"""contracts/kit.md §3, BodyLimit: at once, exact, whatever the handler does with the error, inner replaces outer."""

from __future__ import annotations

from typing import Any

import pytest
from rows import every
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from identry_kit.apierror import BadRequest
from identry_kit.httpware import BodyLimit, Recover


async def reader(scope, receive, send) -> None:
    """Reads the whole body and answers its length."""
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"%d" % size})


CHUNKED = ("Transfer-Encoding", "chunked")
TOO_LARGE = b'{"error":{"code":"payload_too_large","message":"request body too large"}}'

SIZES = [(0, 200), (1, 200), (9, 200), (10, 200), (11, 413), (1000, 413)]


@every(("size", "status"), SIZES)
async def test_declared_bodies(call: Any, size: int, status: int) -> None:
    answer = await call(BodyLimit(reader, 10), headers=[("Content-Length", str(size))], chunks=[b"x" * size])
    assert answer.status == status
    if status == 413:
        assert answer.reads == 0
        assert answer.body == TOO_LARGE
        assert answer.headers["connection"] == "close"


@every(("size", "status"), SIZES)
@every("http_version", ["1.1", "2"])
async def test_bodies_of_unknown_length(call: Any, size: int, status: int, http_version: str) -> None:
    headers = [CHUNKED] if http_version == "1.1" else []
    chunks = [b"x"] * size
    answer = await call(BodyLimit(reader, 10), headers=headers, chunks=chunks, http_version=http_version)
    assert answer.status == status
    if status == 413:
        assert answer.reads == 11, "nothing is read after the byte that was too much"
        assert ("connection" in answer.headers) == (http_version == "1.1")


@every("value", ["-1", "abc", "1e3", "0x10", " 5", ""])
async def test_a_length_that_is_no_number_is_counted(call: Any, value: str) -> None:
    answer = await call(BodyLimit(reader, 10), headers=[("Content-Length", value)], chunks=[b"x" * 11])
    assert answer.status == 413


async def test_a_length_of_very_many_digits_is_too_much(call: Any) -> None:
    answer = await call(BodyLimit(reader, 10), headers=[("Content-Length", "9" * 5000)])
    assert (answer.status, answer.reads) == (413, 0)


async def test_a_body_that_is_longer_than_declared_is_stopped(call: Any) -> None:
    answer = await call(BodyLimit(reader, 10), headers=[("Content-Length", "5")], chunks=[b"x" * 11])
    assert answer.status == 413


async def test_the_answer_is_413_whatever_the_handler_makes_of_the_error(call: Any) -> None:
    async def swallowing(scope, receive, send) -> None:
        try:
            await receive()
        except Exception:
            await send({"type": "http.response.start", "status": 400, "headers": [(b"x-own", b"1")]})
            await send({"type": "http.response.body", "body": b"bad ", "more_body": True})
            await send({"type": "http.response.body", "body": b"body"})

    async def translating(scope, receive, send) -> None:
        try:
            await receive()
        except Exception as error:
            raise BadRequest("cannot read the body") from error

    async def silent(scope, receive, send) -> None:
        try:
            await receive()
        except Exception:
            return

    for handler in (swallowing, translating, silent):
        answer = await call(BodyLimit(Recover(handler), 1), headers=[CHUNKED], chunks=[b"xx"])
        assert (answer.status, answer.body) == (413, TOO_LARGE), handler


async def test_a_begun_answer_is_not_replaced(call: Any) -> None:
    async def early(scope, receive, send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await receive()

    answer = await call(BodyLimit(Recover(early), 1), headers=[CHUNKED], chunks=[b"xx"])
    assert answer.status == 200
    assert not answer.complete


@every(("outer", "inner", "size", "status"), [(5, 20, 10, 200), (5, 20, 21, 413), (20, 5, 10, 413), (20, 5, 5, 200)])
@every("declared", [True, False])
async def test_an_inner_limit_replaces_the_outer(
    call: Any, outer: int, inner: int, size: int, status: int, declared: bool
) -> None:
    headers = [("Content-Length", str(size))] if declared else [CHUNKED]
    answer = await call(BodyLimit(Recover(BodyLimit(reader, inner)), outer), headers=headers, chunks=[b"x"] * size)
    assert answer.status == status


async def test_an_inner_limit_is_found_behind_a_frameworks_routes(call: Any) -> None:
    async def upload(request) -> PlainTextResponse:
        return PlainTextResponse(str(len(await request.body())))

    app = Starlette(
        routes=[
            Route("/small", upload, methods=["POST"]),
            Mount(
                "/files",
                routes=[Route("/upload", upload, methods=["POST"], middleware=[Middleware(BodyLimit, limit=100)])],
            ),
        ]
    )
    limited = BodyLimit(app, 10)
    kwargs = {"method": "POST", "headers": [("Content-Length", "50")], "chunks": [b"x" * 50]}
    assert (await call(limited, "/files/upload", **kwargs)).body == b"50"
    assert (await call(limited, "/small", **kwargs)).status == 413


def test_a_negative_limit_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="negative"):
        BodyLimit(reader, -1)


async def test_other_connections_pass(call: Any) -> None:
    async def app(scope, receive, send) -> None:
        await send({"type": "websocket.accept"})

    assert (await call(BodyLimit(app, 0), kind="websocket")).messages == [{"type": "websocket.accept"}]
