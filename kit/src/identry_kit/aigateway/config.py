"""What a gateway is told. It reads no environment, and neither does anything under it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import urlsplit

from identry_kit.aigateway.errors import AIMisconfigured

DEFAULT_TIMEOUT_SEC = 30.0
PROVIDERS = {"claude": "https://api.anthropic.com", "openai": "https://api.openai.com"}
"""Provider → where its API is. `claude` takes the extra `anthropic`, `openai` the extra `openai`."""


@dataclass(frozen=True, slots=True)
class AIConfig:
    """How to call a provider (contracts/kit.md §9).

    `allowed_models`: when not empty, `model` must be one of them. `max_tokens` bounds the answer; 0 or less leaves the
    field out for OpenAI and is a mistake for Claude. `timeout_sec` counts from the request to the last byte of the
    answer; 0 means 30. `temperature` is sent to OpenAI only, None leaves it out (some models take no other than
    their own). `base_url` replaces the provider's address: `https`, or `http` on loopback.
    """

    provider: str
    api_key: str = field(repr=False)
    model: str
    allowed_models: Collection[str] = ()
    max_tokens: int = 1000
    timeout_sec: float = 0
    temperature: float | None = 0.7
    base_url: str = ""

    @property
    def seconds(self) -> float:
        """The time-out that applies."""
        return self.timeout_sec or DEFAULT_TIMEOUT_SEC

    @property
    def origin(self) -> str:
        """Where the provider's API is, without a slash at its end."""
        return (self.base_url or PROVIDERS[self.provider]).rstrip("/")

    def check(self, max_tokens: int | None = None) -> None:
        """Raise AIMisconfigured for the first thing that would keep a call from being made."""
        tokens = self.max_tokens if max_tokens is None else max_tokens
        checks = (
            (self.provider in PROVIDERS, f"unsupported provider: {self.provider[:40]!r}"),
            (bool(self.api_key), "no API key"),
            (_fits_a_header(self.api_key), "the API key holds characters that no header can carry"),
            (bool(self.model), "no model"),
            (not self.allowed_models or self.model in self.allowed_models, f"model not allowed: {self.model[:80]!r}"),
            (tokens > 0 or self.provider != "claude", "max_tokens must be above 0"),
            (self.timeout_sec >= 0, "timeout_sec cannot be negative"),
            (not self.base_url or _safe(self.base_url), "base_url must be https, or http on loopback"),
        )
        for good, problem in checks:
            if not good:
                raise AIMisconfigured(problem, provider=self.provider)


def _fits_a_header(key: str) -> bool:
    return key.isascii() and key.isprintable() and " " not in key


def _safe(url: str) -> bool:
    """Whether a key may travel there."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        return bool(parts.hostname)
    try:
        return parts.scheme == "http" and ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return parts.hostname == "localhost"
