"""AIGateway: one call for every provider."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import suppress
from time import perf_counter
from types import TracebackType
from typing import Any, Self

from identry_kit import context
from identry_kit.aigateway.config import AIConfig
from identry_kit.aigateway.errors import (
    MAX_BODY_IN_ERROR,
    AIBadAnswer,
    AIError,
    AINoResponse,
    AIRateLimited,
    AIRefused,
    AITimedOut,
    AIUnavailable,
)
from identry_kit.aigateway.transport import open_client

MAX_RETRY_AFTER = 3600
"""Seconds; what a provider asks beyond it is cut."""


class AIGateway:
    """Ask an AI provider for text, without knowing which one it is.

    One request for each call, never repeated: a prompt costs money each time, and only the caller knows whether the
    answer is still wanted. May be shared by all tasks of an event loop; the connection pool is opened at the first
    call (which also imports the official client, in a thread) and closed by `aclose` or `async with`.

    A line at INFO is logged for each call: provider, model, outcome, duration; never the prompt, the answer or the key.
    """

    def __init__(self, config: AIConfig, *, logger: logging.Logger | None = None) -> None:
        self.config = config
        self._logger = logger or logging.getLogger("identry_kit.aigateway")
        self._client: Any = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def __repr__(self) -> str:
        return f"AIGateway({self.config!r})"

    def is_configured(self) -> bool:
        """Whether there is a key: what a service asks before it offers the feature."""
        return bool(self.config.api_key)

    def check(self) -> None:
        """Raise AIMisconfigured if no call can succeed as configured; for the service's start."""
        self.config.check()

    async def call(self, prompt: str) -> str:
        """The provider's text for `prompt`, with the configured `max_tokens`.

        Raises an AIError: AIMisconfigured (before any request), AIRateLimited, AIUnavailable, AITimedOut, AIRefused,
        AINoResponse or AIBadAnswer.
        """
        return await self.call_with_max_tokens(prompt, self.config.max_tokens)

    async def call_with_max_tokens(self, prompt: str, max_tokens: int) -> str:
        """`call` with another bound on the answer's length."""
        self.config.check(max_tokens)
        start, outcome = perf_counter(), "cancelled"
        try:
            text = await self._call(prompt, max_tokens)
            outcome = "ok"
        except AIError as error:
            error.provider = self.config.provider
            outcome = error.code
            raise
        finally:
            fields = {
                "provider": self.config.provider,
                "model": self.config.model,
                "outcome": outcome,
                "duration_ms": round((perf_counter() - start) * 1000, 1),
                "request_id": context.request_id(),
            }
            self._logger.info("ai call", extra=fields)
        return text

    async def aclose(self) -> None:
        """Close the connections. The next call opens them again."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _call(self, prompt: str, max_tokens: int) -> str:
        client = await self._opened()
        try:
            async with asyncio.timeout(self.config.seconds):
                answer = await _request(client, self.config, prompt, max_tokens)
        except Exception as error:  # the clients' errors have no base in common, and Python's own can come out of them
            raise self._normalised(error) from None  # the original holds the request, and so the key and the prompt
        if answer.status_code != 200:
            raise self._for_answer(answer.http_response)
        return _text(answer.http_response.content, self.config.provider)

    async def _opened(self) -> Any:
        """The official client of this event loop."""
        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            client = await asyncio.to_thread(open_client, self.config)
            if self._client is None or self._loop is not loop:
                self._client, self._loop = client, loop
            else:
                await client.close()  # another call was quicker
        return self._client

    def _normalised(self, error: BaseException) -> AIError:
        """The kit's error for whatever came out of the official client."""
        if isinstance(error, AIError):
            return error
        response = getattr(error, "response", None)
        if response is not None:
            return self._for_answer(response)
        if isinstance(error, TimeoutError) or "Timeout" in type(error).__name__:
            return AITimedOut(f"{self.config.provider}: no answer within {self.config.seconds:g} s")
        cause = error.__cause__ or error.__context__
        if cause is not None:
            return self._normalised(cause)
        if isinstance(error, UnicodeError):
            return AIRefused(f"{self.config.provider}: the prompt is no Unicode text")
        return AIUnavailable(f"{self.config.provider} could not be reached: {type(error).__name__}")

    def _for_answer(self, response: Any) -> AIError:
        status = int(response.status_code)
        body = response.content.decode("utf-8", "replace").replace(self.config.api_key, "[redacted]")
        body = body.encode()[:MAX_BODY_IN_ERROR].decode("utf-8", "ignore")
        kind: type[AIError] = AIUnavailable if status >= 500 else AIRefused
        kind = {429: AIRateLimited, 408: AITimedOut, 504: AITimedOut}.get(status, kind)
        retry_after = response.headers.get("retry-after", "")
        return kind(
            f"{self.config.provider} answered {status}: {body}",
            upstream_status=status,
            upstream_body=body,
            retry_after=min(int(retry_after), MAX_RETRY_AFTER) if _digits(retry_after) else None,
        )


def is_configured(gateway: AIGateway | None) -> bool:
    """Whether there is a gateway, and it has a key."""
    return gateway is not None and gateway.is_configured()


def for_test(provider: str, api_key: str, url: str) -> AIGateway:
    """A gateway whose provider is at `url` (a server of the test): `claude-sonnet-4-6`, 100 tokens, 5 seconds."""
    return AIGateway(AIConfig(provider, api_key, "claude-sonnet-4-6", max_tokens=100, timeout_sec=5, base_url=url))


async def _request(client: Any, config: AIConfig, prompt: str, max_tokens: int) -> Any:
    """One request through the official client; returns its raw answer, which is 200."""
    body: dict[str, Any] = {"model": config.model, "messages": [{"role": "user", "content": prompt}]}
    if max_tokens > 0:
        body["max_tokens"] = max_tokens
    if config.provider == "claude":
        return await client.messages.with_raw_response.create(**body)
    if config.temperature is not None:
        body["temperature"] = config.temperature
    return await client.chat.completions.with_raw_response.create(**body)


def _text(body: bytes, provider: str) -> str:
    """The text in a provider's answer."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        raise AIBadAnswer(f"{provider} answered 200 with something that is no JSON", upstream_status=200) from None
    text = ""
    with suppress(LookupError, TypeError, AttributeError):  # any other shape holds no text
        if provider == "claude":
            text = next((block["text"] for block in answer["content"] if block.get("type") == "text"), "")
        else:
            text = answer["choices"][0]["message"]["content"]
    if not text or not isinstance(text, str):
        raise AINoResponse(f"{provider}: no response", upstream_status=200)
    return text


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10
