"""contracts/kit.md §9: the gateway, through the official clients, over a real socket."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from identry_kit.aigateway import (
    AIBadAnswer,
    AIConfig,
    AIError,
    AIGateway,
    AIMisconfigured,
    AINoResponse,
    AIRateLimited,
    AIRefused,
    AITimedOut,
    AIUnavailable,
    for_test,
    is_configured,
)

KEY = "sk-test-0123456789"
BOTH = pytest.mark.parametrize("name", ["claude", "openai"])


def gateway(at: Any, name: str, **changes: Any) -> AIGateway:
    return AIGateway(replace(for_test(name, KEY, at.url).config, **changes))


async def test_claude_gets_what_its_api_documents(provider: Any, ask: Any) -> None:
    assert await ask("claude") == "hello"
    (seen,) = provider.seen
    assert seen.path == "/v1/messages"
    assert seen.headers["x-api-key"] == KEY
    assert seen.headers["anthropic-version"] == "2023-06-01"
    assert seen.headers["content-type"] == "application/json"
    assert "authorization" not in seen.headers
    messages = [{"role": "user", "content": "say hello"}]
    assert seen.body == {"model": "claude-sonnet-4-6", "messages": messages, "max_tokens": 100}


async def test_openai_gets_what_its_api_documents(provider: Any, ask: Any) -> None:
    assert await ask("openai", model="gpt-4.1") == "hello"
    (seen,) = provider.seen
    assert seen.path == "/v1/chat/completions"
    assert seen.headers["authorization"] == f"Bearer {KEY}"
    messages = [{"role": "user", "content": "say hello"}]
    assert seen.body == {"model": "gpt-4.1", "messages": messages, "max_tokens": 100, "temperature": 0.7}


async def test_openai_gets_neither_field_that_is_switched_off(provider: Any, ask: Any) -> None:
    await ask("openai", max_tokens=0, temperature=None)
    assert set(provider.seen[0].body) == {"model", "messages"}


@BOTH
async def test_call_with_max_tokens_replaces_the_bound(provider: Any, name: str) -> None:
    async with gateway(provider, name) as ai:
        await ai.call_with_max_tokens("x", 7)
    assert provider.seen[0].body["max_tokens"] == 7


@BOTH
async def test_the_environment_changes_nothing(provider: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("OPENAI", "ANTHROPIC"):
        monkeypatch.setenv(f"{variable}_API_KEY", "sk-other")
        monkeypatch.setenv(f"{variable}_BASE_URL", "http://127.0.0.1:9")
        monkeypatch.setenv(f"{variable}_CUSTOM_HEADERS", "x-injected: 1\nx-api-key: stolen\nauthorization: stolen")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "other")
    for variable in ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_ADMIN_KEY"):
        monkeypatch.setenv(variable, "other")
    for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    async with gateway(provider, name) as ai:
        assert await ai.call("x") == "hello"
    headers = provider.seen[0].headers
    known = {"host", "content-type", "content-length", "accept", "accept-encoding", "user-agent", "connection"}
    assert set(headers) - known <= {"x-api-key", "anthropic-version", "authorization"}
    assert [value for value in headers.values() if KEY in value] == [headers.get("x-api-key") or f"Bearer {KEY}"]
    assert not {"stolen", "other"} & set(headers.values())


@BOTH
@pytest.mark.parametrize(
    ("status", "kind", "answered"),
    [
        (400, AIRefused, 502),
        (401, AIRefused, 502),
        (404, AIRefused, 502),
        (429, AIRateLimited, 503),
        (500, AIUnavailable, 503),
        (504, AITimedOut, 504),
        (529, AIUnavailable, 503),
        (302, AIRefused, 502),
        (201, AIRefused, 502),
    ],
)
async def test_a_failure_is_one_of_the_kits_errors(
    provider: Any, ask: Any, name: str, status: int, kind: type[AIError], answered: int
) -> None:
    provider.status = status
    provider.headers = {"retry-after": "7", "location": f"{provider.url}/elsewhere"}
    with pytest.raises(AIError) as caught:
        await ask(name)
    error = caught.value
    assert type(error) is kind
    assert (error.status, error.upstream_status, error.provider, error.retry_after) == (answered, status, name, 7)
    assert "as the provider says" in error.upstream_body
    assert "as the provider says" not in json.dumps(error.body())
    assert error.headers == {"Retry-After": "7"}
    assert len(provider.seen) == 1, "one request, never repeated, no redirect followed"


@pytest.mark.parametrize("said", ["", "-1", "soon", "1.5", "9" * 30, "Wed, 21 Oct 2026 07:28:00 GMT"])
async def test_an_unreadable_retry_after_is_left_out(provider: Any, ask: Any, said: str) -> None:
    provider.status, provider.headers = 429, {"retry-after": said}
    with pytest.raises(AIRateLimited) as caught:
        await ask("openai")
    assert (caught.value.retry_after, caught.value.headers) == (None, {})


@BOTH
async def test_an_error_keeps_two_kib_of_the_answer_and_never_the_key(
    provider: Any, ask: Any, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    provider.status = 401
    provider.raw = f"Incorrect API key provided: {KEY}. ".encode() + "é".encode() * 100_000
    with pytest.raises(AIRefused) as caught:
        await ask(name)
    error = caught.value
    assert 2000 < len(error.upstream_body.encode()) <= 2048
    assert "[redacted]" in error.upstream_body
    shown = f"{error!r} {error} {vars(error)} {caplog.text} {[vars(record) for record in caplog.records]}"
    assert KEY not in shown
    assert "say hello" not in shown


@BOTH
async def test_a_provider_that_says_nothing_is_a_time_out(provider: Any, ask: Any, name: str) -> None:
    provider.hang = True
    with pytest.raises(AITimedOut) as caught:
        await ask(name, timeout_sec=0.05)
    assert (caught.value.status, caught.value.upstream_status) == (504, None)


@BOTH
async def test_a_cancelled_call_is_cancelled(provider: Any, ask: Any, name: str) -> None:
    provider.hang = True
    async with gateway(provider, name) as ai:
        task = asyncio.create_task(ai.call("x"))
        await provider.waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@BOTH
async def test_a_provider_that_is_not_there_is_unavailable(name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(AIUnavailable, match="could not be reached"):
        await for_test(name, KEY, f"http://127.0.0.1:{port}").call("x")


@BOTH
@pytest.mark.parametrize("raw", [b"<html>busy</html>", b'{"content": [', b"", b"\xff\xfe", b"[" * 100_000])
@pytest.mark.parametrize("content_type", ["application/json", "text/html"])
async def test_an_answer_that_is_no_json_is_a_bad_answer(
    provider: Any, ask: Any, name: str, raw: bytes, content_type: str
) -> None:
    provider.raw, provider.headers = raw, {"content-type": content_type}
    with pytest.raises(AIBadAnswer, match="no JSON"):
        await ask(name)


@BOTH
@pytest.mark.parametrize(
    "answer",
    [{}, [], None, 7, {"content": [], "choices": []}, {"content": "text", "choices": "text"},
     {"content": [{"type": "tool_use"}], "choices": [{"message": {"content": None, "refusal": "no"}}]},
     {"content": [{"type": "text", "text": ""}], "choices": [{"message": {"content": ""}}]},
     {"content": [{"type": "text", "text": 7}], "choices": [{"message": {"content": ["x"]}}]}],
)  # fmt: skip
async def test_an_answer_without_text_is_no_response(provider: Any, ask: Any, name: str, answer: Any) -> None:
    provider.raw = json.dumps(answer).encode()
    with pytest.raises(AINoResponse, match="no response"):
        await ask(name)


@BOTH
async def test_an_answer_over_ten_mib_is_not_read_to_its_end(provider: Any, ask: Any, name: str) -> None:
    provider.text = "x" * (10 << 20)
    with pytest.raises(AIBadAnswer, match="over 10 MiB"):
        await ask(name)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"provider": "gemini"}, "unsupported provider: 'gemini'"),
        ({"api_key": ""}, "no API key"),
        ({"api_key": "sk\r\nx-admin: 1"}, "no header can carry"),
        ({"api_key": "clé"}, "no header can carry"),
        ({"model": ""}, "no model"),
        ({"allowed_models": ("a", "b")}, "model not allowed"),
        ({"provider": "openai", "allowed_models": {"gpt-4.1"}}, "model not allowed"),
        ({"max_tokens": 0}, "max_tokens must be above 0"),
        ({"timeout_sec": -1}, "timeout_sec"),
        ({"base_url": "http://api.example.com"}, "https"),
        ({"base_url": "file:///etc/passwd"}, "https"),
    ],
)
async def test_what_cannot_work_is_said_before_any_request(
    provider: Any, changes: dict[str, Any], problem: str
) -> None:
    ai = gateway(provider, "claude", **changes)
    with pytest.raises(AIMisconfigured, match=problem) as caught:
        await ai.call("x")
    assert caught.value.status == 503
    with pytest.raises(AIMisconfigured, match=problem):
        ai.check()
    assert not provider.seen
    assert "x-admin" not in str(caught.value)


def test_is_configured_is_whether_there_is_a_key() -> None:
    assert is_configured(for_test("claude", KEY, ""))
    assert for_test("openai", KEY, "").is_configured()
    assert not is_configured(AIGateway(AIConfig("claude", "", "m")))
    assert not is_configured(None)


def test_neither_the_gateway_nor_its_configuration_shows_the_key() -> None:
    assert KEY not in repr(for_test("claude", KEY, "https://example.com"))


async def test_concurrent_first_calls_share_one_client(provider: Any) -> None:
    async with gateway(provider, "openai") as ai:
        assert await asyncio.gather(*(ai.call(str(number)) for number in range(5))) == ["hello"] * 5
    assert sorted(seen.body["messages"][0]["content"] for seen in provider.seen) == list("01234")


async def test_a_closed_gateway_opens_again(provider: Any) -> None:
    ai = gateway(provider, "claude")
    for _ in range(2):
        assert await ai.call("x") == "hello"
        await ai.aclose()
        await ai.aclose()


async def test_a_call_leaves_one_line(provider: Any, ask: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="identry_kit.aigateway")
    await ask("claude")
    (record,) = [record for record in caplog.records if record.name == "identry_kit.aigateway"]
    assert (record.message, vars(record)["provider"], vars(record)["outcome"]) == ("ai call", "claude", "ok")


@pytest.mark.parametrize(("name", "extra"), [("claude", "anthropic"), ("openai", "openai")])
async def test_a_missing_extra_is_named(provider: Any, name: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, extra, None)
    with pytest.raises(AIMisconfigured, match=rf"pip install 'identry-kit\[{extra}\]'"):
        await gateway(provider, name).call("x")


def test_importing_the_package_imports_neither_client() -> None:
    code = "import sys, identry_kit.aigateway; print({'openai', 'anthropic', 'httpx2', 'msgspec'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
