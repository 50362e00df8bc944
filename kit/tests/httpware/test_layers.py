"""contracts/kit.md §3: each layer alone. `test_stack.py` runs them together."""

from __future__ import annotations

import asyncio
import logging
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from rows import every

from identry_kit import context
from identry_kit.apierror import Conflict, ServiceUnavailable
from identry_kit.httpware import SECURITY_HEADERS, Logger, Recover, RequestID, SecurityHeaders, new_request_id

UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


class TestRequestID:
    @every("given", ["a", "A-Z_09.:-", "x" * 128, "019f0000-0000-7000-8000-000000000001"])
    async def test_a_decent_id_is_kept_stored_and_echoed(self, call: Any, given: str) -> None:
        seen = []

        async def app(scope, receive, send) -> None:
            seen.append(context.request_id())
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body"})

        answer = await call(RequestID(app), headers=[("X-Request-ID", given)])
        assert seen == [given]
        assert answer.headers["x-request-id"] == given
        assert context.current() is None

    @every("given", ["", "x" * 129, "a b", "a\nb", 'a"b', "é", "a\r\nSet-Cookie: x", "a,b", "a\0", "a\n"])
    async def test_anything_else_is_replaced_by_a_uuid4(self, call: Any, reply: Any, given: str) -> None:
        answer = await call(RequestID(reply()), headers=[("X-Request-ID", given)])
        assert UUID4.fullmatch(answer.headers["x-request-id"])

    async def test_without_one_each_request_gets_its_own(self, call: Any, reply: Any) -> None:
        ids = {(await call(RequestID(reply()))).headers["x-request-id"] for _ in range(50)}
        assert len(ids) == 50

    def test_made_ids_are_uuid4(self) -> None:
        made = [new_request_id() for _ in range(1000)]
        assert all(UUID4.fullmatch(one) for one in made)
        assert len(set(made)) == 1000

    def test_a_forked_process_makes_other_ids(self) -> None:
        code = (
            "import os; from identry_kit.httpware import new_request_id as new; new()\n"
            "child = os.fork()\n"
            "child and os.waitpid(child, 0)\n"
            "print(new(), flush=True)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert len(set(done.stdout.split())) == 2

    async def test_a_websocket_has_an_id_too(self, call: Any) -> None:
        seen = []

        async def app(scope, receive, send) -> None:
            seen.append(context.request_id())

        await call(RequestID(app), kind="websocket", headers=[("x-request-id", "w1")])
        assert seen == ["w1"]

    async def test_lifespan_passes_untouched(self, call: Any) -> None:
        async def app(scope, receive, send) -> None:
            assert context.current() is None
            await send({"type": "lifespan.startup.complete"})

        assert (await call(RequestID(app), kind="lifespan")).messages == [{"type": "lifespan.startup.complete"}]


class TestLogger:
    async def test_one_line_after_the_answer_with_the_fields_of_the_contract(self, call: Any, reply: Any) -> None:
        lines: list[dict[str, Any]] = []
        await call(
            RequestID(Logger(reply(201), sink=lines.append)), "/users", method="POST", headers=[("x-request-id", "r1")]
        )
        (line,) = lines
        assert line.pop("duration_ms") >= 0
        assert line == {
            "event": "request completed",
            "request_id": "r1",
            "method": "POST",
            "path": "/users",
            "status": 201,
            "tenant_id": "",
        }

    async def test_what_inner_layers_learned_is_in_the_line(self, call: Any, reply: Any) -> None:
        lines: list[dict[str, Any]] = []
        inner = reply()

        async def app(scope, receive, send) -> None:
            record = context.current()
            assert record is not None
            uid = __import__("uuid").UUID(int=7)
            record.caller = context.Caller(tenant_id=uid, user_id=uid)
            record.route = "/users/{id}"
            context.annotate(company_id="c1")
            await inner(scope, receive, send)

        await call(Logger(app, sink=lines.append), "/users/7")
        assert lines[0]["tenant_id"] == lines[0]["user_id"] == "00000000-0000-0000-0000-000000000007"
        assert lines[0]["route"] == "/users/{id}"
        assert lines[0]["company_id"] == "c1"

    async def test_status_is_200_when_nothing_was_answered_and_500_when_an_error_escaped(self, call: Any) -> None:
        lines: list[dict[str, Any]] = []

        async def silent(scope, receive, send) -> None: ...

        async def broken(scope, receive, send) -> None:
            raise LookupError

        await call(Logger(silent, sink=lines.append))
        with pytest.raises(LookupError):
            await call(Logger(broken, sink=lines.append))
        assert [line["status"] for line in lines] == [200, 500]

    async def test_without_a_sink_it_goes_to_the_standard_logger(
        self, call: Any, reply: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        inner = reply()

        async def app(scope, receive, send) -> None:
            context.annotate(name="would clash with LogRecord.name")
            context.logger().info("inside")
            await inner(scope, receive, send)

        with caplog.at_level(logging.INFO, "service"):
            await call(RequestID(Logger(app, logger=logging.getLogger("service"))), "/x")
        inside, line = caplog.records
        assert inside.path == "/x"
        assert line.getMessage() == "request completed"
        assert (line.status, line.path, line.name_) == (200, "/x", "would clash with LogRecord.name")

    @every("path", ["/a\nFAKE line", "/a\r", "/\x1b[31m", "/\u2028", "/" + "a" * 9000, "/\ud800"])
    async def test_a_path_cannot_forge_or_flood_the_log(self, call: Any, reply: Any, path: str) -> None:
        lines: list[dict[str, Any]] = []
        await call(Logger(reply(), sink=lines.append), path)
        assert lines[0]["path"].isprintable()
        assert len(lines[0]["path"]) < 2000

    async def test_the_query_string_is_not_logged(self, call: Any, reply: Any) -> None:
        lines: list[dict[str, Any]] = []

        async def app(scope, receive, send) -> None:
            scope["query_string"] = b"token=s3cret"
            await reply()(scope, receive, send)

        await call(Logger(app, sink=lines.append))
        assert "s3cret" not in repr(lines)


class TestSecurityHeaders:
    async def test_every_header_of_the_contract_is_there(self, call: Any, reply: Any) -> None:
        answer = await call(SecurityHeaders(reply()))
        assert answer.headers == {name.lower(): value for name, value in SECURITY_HEADERS.items()}
        assert len(SECURITY_HEADERS) == 8

    async def test_a_handler_overrides_one_and_gets_the_others(self, call: Any, reply: Any) -> None:
        answer = await call(SecurityHeaders(reply(headers=[(b"cache-control", b"public, max-age=300")])))
        assert answer.headers["cache-control"] == "public, max-age=300"
        assert answer.headers["x-frame-options"] == "DENY"
        assert len(answer.headers) == 8

    async def test_a_shared_answer_is_not_changed(self, call: Any) -> None:
        shared = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}

        async def app(scope, receive, send) -> None:
            await send(shared)
            await send({"type": "http.response.body"})

        for _ in range(2):
            assert len((await call(SecurityHeaders(RequestID(app)))).headers) == 10
        assert shared["headers"] == [(b"content-type", b"text/plain")]

    async def test_other_headers_may_be_chosen(self, call: Any, reply: Any) -> None:
        assert (await call(SecurityHeaders(reply(), {"X-A": "b"}))).headers == {"x-a": "b"}

    def test_a_line_break_is_refused(self, reply: Any) -> None:
        with pytest.raises(ValueError, match="line break"):
            SecurityHeaders(reply(), {"X-A": "b\r\nX-C: d"})


class TestRecover:
    async def test_an_exception_is_logged_with_its_stack_and_answered_500(
        self, call: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def app(scope, receive, send) -> None:
            raise LookupError("the inner text")

        answer = await call(Recover(app))
        assert answer.status == 500
        assert answer.body == b'{"error":{"code":"internal_error","message":"Internal Server Error"}}'
        assert "panic recovered" in caplog.text
        assert "the inner text" in caplog.text
        assert "test_layers.py" in caplog.text

    async def test_an_api_error_is_answered_as_it_says_and_4xx_are_not_logged(
        self, call: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def app(scope, receive, send) -> None:
            raise Conflict("taken")

        answer = await call(Recover(app))
        assert (answer.status, answer.body) == (409, b'{"error":{"code":"conflict","message":"taken"}}')
        assert caplog.text == ""

    async def test_an_api_error_of_5xx_is_logged_without_leaking(
        self, call: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def app(scope, receive, send) -> None:
            raise ServiceUnavailable("postgres at 10.0.0.7 is gone")

        answer = await call(Recover(app))
        assert answer.status == 503
        assert b"10.0.0.7" not in answer.body
        assert "10.0.0.7" in caplog.text

    async def test_a_begun_answer_is_left_incomplete(self, call: Any, caplog: pytest.LogCaptureFixture) -> None:
        async def app(scope, receive, send) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"half", "more_body": True})
            raise LookupError

        answer = await call(Recover(app))
        assert (answer.status, answer.body, answer.complete) == (200, b"half", False)
        assert "panic recovered" in caplog.text

    async def test_cancellation_passes_and_is_not_logged(self, call: Any, caplog: pytest.LogCaptureFixture) -> None:
        async def app(scope, receive, send) -> None:
            await asyncio.sleep(60)

        task = asyncio.create_task(call(Recover(app)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert caplog.text == ""

    async def test_the_renderer_is_pluggable(self, call: Any) -> None:
        def render(error, scope):
            return error.status, [(b"content-type", b"text/plain")], scope["path"].encode()

        async def app(scope, receive, send) -> None:
            raise LookupError

        answer = await call(Recover(app, on_error=render), "/here")
        assert (answer.status, answer.body) == (500, b"/here")

    async def test_a_websocket_is_closed(self, call: Any, caplog: pytest.LogCaptureFixture) -> None:
        async def app(scope, receive, send) -> None:
            raise LookupError

        answer = await call(Recover(app), kind="websocket")
        assert answer.messages == [{"type": "websocket.close", "code": 1011}]
        assert "panic recovered" in caplog.text


LAYERS: list[Callable[[Any], Any]] = [RequestID, Logger, SecurityHeaders, Recover]


@every("layer", LAYERS)
async def test_a_stream_passes_part_by_part(call: Any, layer: Callable[[Any], Any]) -> None:
    async def app(scope, receive, send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for number in range(3):
            await send({"type": "http.response.body", "body": b"%d" % number, "more_body": number < 2})

    answer = await call(layer(app))
    assert [m.get("body") for m in answer.messages[1:]] == [b"0", b"1", b"2"]
