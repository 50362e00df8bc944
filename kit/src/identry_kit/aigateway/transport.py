"""What really leaves and enters the process, whatever the official client adds or the environment says.

Both clients read variables of their own (organisations, further headers, proxies) and both read an answer of any
length. They take an HTTP client from outside, so they get one with three rules: it sends the headers listed here and no
others, it follows neither a redirect nor a variable, and it reads no more than it was told.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from identry_kit.aigateway.config import AIConfig
from identry_kit.aigateway.errors import AIBadAnswer, AIMisconfigured

MAX_ANSWER = 10 << 20
"""Bytes of an answer that are read; a longer one is an error."""
MAX_FAILURE = 64 << 10
"""Bytes that are read of an answer that is not 200; the rest is dropped."""

_KEPT = ("host", "content-type", "content-length", "accept", "user-agent", "connection")


def open_client(config: AIConfig) -> Any:
    """The official async client for `config`. Imports it, which takes a second: not for the event loop.

    Raises AIMisconfigured when the extra is not installed.
    """
    name = "anthropic" if config.provider == "claude" else "openai"
    try:
        sdk = import_module(name)
    except ImportError:
        text = f"provider {config.provider!r} needs an extra: pip install 'identry-kit[{name}]'"
        raise AIMisconfigured(text, provider=config.provider) from None
    # The client that the SDK would make reads variables for proxies; what it is made of does not. Which HTTP library
    # that comes from (httpx or httpx2) depends on the SDK's version.
    plain = next(base for base in sdk.DefaultAsyncHttpxClient.__mro__ if base.__name__ == "AsyncClient")
    http = _guarded(plain, _headers(config))
    maker = sdk.AsyncAnthropic if name == "anthropic" else sdk.AsyncOpenAI
    return maker(
        api_key=config.api_key,
        base_url=config.origin if name == "anthropic" else f"{config.origin}/v1",
        timeout=config.seconds,
        max_retries=0,
        http_client=http(timeout=config.seconds, follow_redirects=False, trust_env=False),
    )


def _headers(config: AIConfig) -> dict[str, str]:
    """The headers that say who calls; contracts/kit.md §9 spells them."""
    if config.provider == "claude":
        return {"x-api-key": config.api_key, "anthropic-version": "2023-06-01"}
    return {"authorization": f"Bearer {config.api_key}"}


def _guarded(client: type[Any], headers: dict[str, str]) -> Callable[..., Any]:
    """`client`, a class, with the rules of this module."""

    class Guarded(client):  # type: ignore[misc]  # a base class that is known at run time
        async def send(self, request: Any, **options: Any) -> Any:
            sent = {name: value for name, value in request.headers.items() if name in _KEPT} | headers
            # A compressed answer could be far larger than what was counted.
            sent["accept-encoding"] = "identity"
            ours = type(request)(
                request.method, request.url, headers=sent, content=request.content, extensions=request.extensions
            )
            response = await super().send(ours, **{**options, "stream": True})
            try:
                body = await _bounded(response)
            finally:
                await response.aclose()
            kept = [
                (name, value) for name, value in response.headers.items() if name in {"content-type", "retry-after"}
            ]
            # The client reads its own notes from the request that it made, so it is handed that one back.
            return type(response)(response.status_code, headers=kept, content=body, request=request)

    return Guarded


async def _bounded(response: Any) -> bytes:
    """The body of `response`. Raises AIBadAnswer when a good one is too long; another is cut."""
    parts, size = [], 0
    limit = MAX_ANSWER if response.status_code == 200 else MAX_FAILURE
    async for part in response.aiter_raw():
        parts.append(part)
        size += len(part)
        if size > limit:
            if response.status_code == 200:
                raise AIBadAnswer("the answer is over 10 MiB", upstream_status=200)
            break
    return b"".join(parts)[:limit]
