"""Log lines: their shape, whose request they belong to, and the secrets that they must not hold."""

from __future__ import annotations

import base64
import io
import json
import logging
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
import structlog
from rows import every

from identry.core import jose, observability
from identry.core.clock import MovableClock
from identry.core.redaction import clean, hidden


class Log(io.StringIO):
    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]

    @property
    def only(self) -> dict[str, Any]:
        (line,) = self.lines
        return line


@pytest.fixture
def log() -> Iterator[Log]:
    """A configured log of this process; what was configured before comes back."""
    before, root = structlog.get_config(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = Log()
    observability.configure(level="DEBUG", request_id=lambda: "req-1", stream=stream)
    yield stream
    structlog.configure(**before)
    root.handlers[:], root.level = handlers, level


def test_a_line_is_one_json_object_with_time_level_event_and_request(log: Log) -> None:
    structlog.get_logger("x").warning("key.reloaded", kid="a", failures=2)
    line = log.only
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "key.reloaded", "level": "warning", "request_id": "req-1", "kid": "a", "failures": 2}


def test_a_line_of_another_request_keeps_its_id(log: Log) -> None:
    structlog.get_logger().info("x", request_id="req-9")
    assert log.only["request_id"] == "req-9"


def test_line_breaks_of_strangers_stay_inside_their_line(log: Log) -> None:
    structlog.get_logger().info("x", path='/a\n{"level":"error","event":"forged"}\r\x1b[31m')
    assert len(log.getvalue().splitlines()) == 1
    assert "\x1b" not in log.getvalue()


def test_standard_library_loggers_write_the_same_lines(log: Log) -> None:
    logging.getLogger("driver").warning("lost %s", "connection")
    assert (log.only["event"], log.only["logger"], log.only["level"]) == ("lost connection", "driver", "warning")


def test_a_line_that_cannot_be_formatted_says_where_and_not_what(log: Log) -> None:
    (ours,) = (h for h in logging.getLogger().handlers if type(h).__module__ == observability.__name__)
    ours.handle(logging.LogRecord("driver", logging.ERROR, "link.py", 7, "lost %d", ("a secret",), None))
    assert (log.only["event"], log.only["file"], log.only["line"]) == ("log line not written", "link.py", 7)
    assert "a secret" not in log.getvalue()


def test_a_traceback_shows_lines_of_code_and_no_variables(log: Log) -> None:
    canary = "Tr0ub4dor" + "&3"

    def fails(password: str) -> None:
        raise RuntimeError("broken")

    try:
        fails(canary)
    except RuntimeError:
        structlog.get_logger().exception("x")
    assert "RuntimeError: broken" in log.only["exception"]
    assert "in fails" in log.only["exception"]
    assert canary not in log.getvalue()


def test_nor_does_it_at_a_terminal(log: Log, recwarn: pytest.WarningsRecorder) -> None:
    observability.configure(form="console", stream=log)
    canary = "Tr0ub4dor&3"
    try:
        raise RuntimeError("broken")
    except RuntimeError:
        structlog.get_logger().exception("x")
    assert "RuntimeError: broken" in log.getvalue()
    assert canary not in log.getvalue()
    assert not recwarn.list


def jwt() -> str:
    return jose.generate().sign({"sub": "x" * 30})


ENCODINGS: dict[str, Callable[[bytes], str]] = {
    "base64url": lambda raw: base64.urlsafe_b64encode(raw).rstrip(b"=").decode(),
    "base64url-padded": lambda raw: base64.urlsafe_b64encode(raw).decode(),
    "base64": lambda raw: base64.b64encode(raw).decode(),
    "percent-encoded base64": lambda raw: quote(base64.urlsafe_b64encode(raw).decode(), safe=""),
    "hex": lambda raw: raw.hex(),
    "HEX": lambda raw: raw.hex().upper(),
}
SENTENCES = [
    "{}",
    "refresh failed for {}",
    "ValueError: cannot open '{}' twice",
    "GET /auth/invitations/{} 404",
    "https://app.example.com/reset-password?token={}&x=1",
    'body: {{"refreshToken": "{}"}}',
    "Traceback (most recent call last):\n  File 'a.py', line 3\nKeyError: '{}'",
]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("sentence", SENTENCES)
def test_random_tokens_are_hidden_wherever_they_stand(log: Log, encoding: str, sentence: str) -> None:
    for _ in range(20):
        canary = ENCODINGS[encoding](secrets.token_bytes(32))
        structlog.get_logger().error(sentence.format(canary), reason=sentence.format(canary), error=KeyError(canary))
        for width in range(len(canary) // 2, len(canary), 7):
            assert canary[:width] not in log.getvalue(), sentence


@every(
    ("text", "secret"),
    [
        ("postgresql://auth:p%40ss@db:5432/auth", "p%40ss"),
        ("cannot reach postgresql://auth:pa:ss@wo@rd@db/auth?sslmode=require", "ss@wo"),
        ("redis://:hunter2@cache:6379/0", "hunter2"),
        ("Authorization: Bearer opaque-short", "opaque-short"),
        ("Authorization: Basic Y2xpZW50OnNlY3JldA==", "Y2xpZW50OnNlY3JldA"),
        ("-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\n-----END PRIVATE KEY-----", "MIIEvQIBADANBg"),
        ("cut: -----BEGIN RSA PRIVATE KEY-----\nMIIEvQIBADANBg", "MIIEvQIBADANBg"),
        ('Invalid: {"email": "a@example.com", "password": "Tr0ub\\"4dor"}', "4dor"),
        ("{'newPassword': 'Tr0ub4dor'}", "Tr0ub4dor"),
        ("GET /cb?code=splxlOBeZQQYbYS6WxSbIA&state=af0ifjsldkj", "splxl"),
        ("{'code': '123456'}", "123456"),
        ("hash=$argon2id$v=19$m=64,t=1,p=1$Njry1$8L8q7", "8L8q7"),
        ("$2b$12$abcdefghijklmnopqrstuv", "abcdefgh"),
        ("new row violates a check\nDETAIL:  Failing row contains (7, ada@example.com, x)\n", "ada@example.com"),
    ],
)
def test_secrets_in_known_clothes_are_hidden(text: str, secret: str) -> None:
    assert secret not in clean(text)
    assert secret not in str(hidden("reason", {"deep": [text]}))


def test_a_jwt_is_hidden_whole_cut_and_with_encoded_dots() -> None:
    token = jwt()
    header, claims, signature = token.split(".")
    for text in (token, f"x {header}.{claims}", token.replace(".", "%2E"), f'"{token[:-40]}"'):
        assert claims not in clean(text)
        assert signature not in clean(text)


@every(
    "name",
    [
        "password",
        "new_password",
        "newPassword",
        "passwd",
        "secret",
        "client_secret",
        "SECRET_KEY",
        "token",
        "access_token",
        "refreshToken",
        "resetToken",
        "authorization",
        "Authorization",
        "cookie",
        "set-cookie",
        "api_key",
        "apiKey",
        "X-Internal-API-Key",
        "private_key",
        "credentials",
        "totp",
        "otp",
        "mfaCode",
        "recovery_code",
    ],
)
def test_what_is_called_a_secret_is_hidden_whatever_it_looks_like(name: str) -> None:
    for value in ("x", b"x", ["x"], {"a": "x"}, object()):
        assert hidden(name, value) == "[redacted]"
        assert hidden("fields", {"inner": [{name: value}]}) == {"inner": [{name: "[redacted]"}]}


@every(
    ("name", "value"),
    [
        ("token_version", "3"),
        ("tokenVersion", 3),
        ("tokens_removed", 17),
        ("password_reset_ttl", 60),
        ("user_id", "0190f1de-7c5b-7cc0-8f7e-3a6e5a3f2b10"),
        ("trace_id", "4bf92f3577b34da6a3ce929d0e0e4736"),
        ("exception", "  File '/usr/lib/python3.11/site-packages/identry/core/some_long_module_name.py', line 1"),
        ("metric", "identry_http_request_duration_seconds_bucket_and_a_long_tail"),
        ("reason", "invalid refresh token: the session has ended"),
        ("url", "https://app.example.com/reset-password"),
        ("nothing", None),
    ],
)
def test_what_an_operator_needs_is_left(name: str, value: Any) -> None:
    assert hidden(name, value) == value


def test_bytes_are_counted_and_not_shown() -> None:
    assert hidden("body", b"Tr0ub4dor") == "[9 bytes]"


def test_a_value_cannot_fill_the_disk(log: Log) -> None:
    structlog.get_logger().info("x" * 10_000_000, reason="y " * 5_000_000)
    assert len(log.getvalue()) < 6000


def test_a_value_that_contains_itself_ends() -> None:
    loop: list[Any] = []
    loop.append(loop)
    assert len(str(hidden("x", loop))) < 1000


def fields(**more: Any) -> dict[str, Any]:
    return {
        "event": "request completed",
        "request_id": "req-1",
        "method": "GET",
        "path": "/health",
        "status": 200,
        "duration_ms": 0.25,
        "tenant_id": "",
        **more,
    }


def test_a_request_s_line_carries_its_time_and_no_token_of_its_path() -> None:
    stream, seen = Log(), []
    token = secrets.token_urlsafe(32)
    sink = observability.AccessLog(MovableClock(), lambda f: seen.append(f["status"]), stream=stream)
    sink(fields(path=f"/auth/invitations/{token}"))
    assert stream.only["path"] == "/auth/invitations/…"
    assert stream.only["level"] == "info"
    assert stream.only["timestamp"].endswith("Z")
    assert token not in stream.getvalue()
    assert seen == [200]


def test_a_person_reads_a_short_line() -> None:
    stream = Log()
    observability.AccessLog(MovableClock(), form="console", stream=stream)(fields())
    assert stream.getvalue()[8:] == " GET    /health 200 0.25 ms  req-1\n"


def test_above_info_requests_are_counted_and_not_written() -> None:
    stream, seen = Log(), []
    observability.AccessLog(MovableClock(), seen.append, level="WARNING", stream=stream)(fields())
    assert len(seen) == 1
    assert not stream.getvalue()


def test_the_log_goes_to_standard_output_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    observability.AccessLog(MovableClock(), stream=sys.stdout)(fields())
    assert json.loads(capsys.readouterr().out)["path"] == "/health"


_WORKER = """
import sys
from identry.core.clock import SystemClock
from identry.core.observability import AccessLog
sink = AccessLog(SystemClock())
for number in range(3000):
    sink({"method": "GET", "path": "/" + sys.argv[1] * 30, "status": 200, "duration_ms": 1.0, "request_id": "x"})
"""


def test_a_line_is_there_when_its_request_is_over() -> None:
    program = _WORKER.replace("range(3000)", "range(1)") + "sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", program, "a"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as worker:
        assert worker.stdout is not None
        assert json.loads(worker.stdout.readline())["path"] == f"/{'a' * 30}"
        assert worker.poll() is None


def test_lines_of_workers_that_share_a_pipe_do_not_mix() -> None:
    reading, writing = os.pipe()
    command = [sys.executable, "-c", _WORKER]
    workers = [subprocess.Popen([*command, letter], stdout=writing) for letter in "abc"]
    os.close(writing)
    with os.fdopen(reading) as pipe:
        paths = [json.loads(line)["path"] for line in pipe]
    assert [worker.wait() for worker in workers] == [0, 0, 0]
    assert {path: paths.count(path) for path in set(paths)} == {f"/{letter * 30}": 3000 for letter in "abc"}
