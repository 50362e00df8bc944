"""Which surface a request is on, and how that surface words an error (DESIGN §5)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from identry_kit.apierror import APIError

BROWSER_PREFIX = "/api/v1/"

_BROWSER_CODES = {
    "unauthorized": "invalid_token",
    "session_revoked": "token_revoked",
    "forbidden": "permission_denied",
    "expired": "invitation_expired",
}
"""Codes of the platform that have another name here; an error class may name its own as `browser_code`."""


def is_browser_path(path: str) -> bool:
    """Whether a path belongs to the browser surface."""
    return path.startswith(BROWSER_PREFIX)


def platform_envelope(error: APIError) -> dict[str, Any]:
    """`{"success":false,"error":{"code","message","details"?}}` (contracts/platform-api.md §1)."""
    return {"success": False, "error": _content(error, error.code, dict(error.details or {}))}


def browser_envelope(error: APIError) -> dict[str, Any]:
    """`{"error":{"code","message","details"?}}`, keys in snake_case (contracts/browser-api.md §1)."""
    code = getattr(error, "browser_code", "") or _BROWSER_CODES.get(error.code, error.code)
    return {"error": _content(error, code, _snake_keys(error.details or {}))}


def _content(error: APIError, code: str, details: Any) -> dict[str, Any]:
    body: dict[str, Any] = {"code": code, "message": error.public_message}
    # A failed readiness check says which one: it names no secret, so it is the one 5xx that keeps its details.
    if details and (error.status < 500 or "checks" in details):
        body["details"] = details
    return body


def _snake_keys(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {re.sub(r"(?<=[a-z0-9])[A-Z]", _lowered, str(key)): _snake_keys(item) for key, item in value.items()}
    return [_snake_keys(item) for item in value] if isinstance(value, list | tuple) else value


def _lowered(match: re.Match[str]) -> str:
    return "_" + match[0].lower()
