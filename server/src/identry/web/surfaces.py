"""Which surface a request is on, and how that surface words an error (DESIGN §5).

A surface is told by its path alone, so that what goes wrong before a route is found is worded as its callers expect.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from identry_kit.apierror import APIError, TooManyRequests

BROWSER_PREFIX = "/api/v1/"
OAUTH_PREFIX = "/oauth/"
API_PREFIX = "/api/"
MANAGE_PREFIX = "/manage"
"""Before the routes of the admin port, where there is no such port (contracts/provider-api.md §1)."""

PAGES = frozenset(
    {
        "account",
        "admin",
        "consent",
        "device",
        "forgot-password",
        "invite",
        "login",
        "logout",
        "reset-password",
        "signed-out",
        "signup",
        "verify-email",
    }
)
"""First parts of the paths of pages for people; and those ends of `/oauth` that a person's browser is sent to."""
_PAGES_OF_OAUTH = ("/oauth/authorize", "/oauth/logout")

_BROWSER_CODES = {
    "unauthorized": "invalid_token",
    "session_revoked": "token_revoked",
    "forbidden": "permission_denied",
    "expired": "invitation_expired",
}
"""Codes of the platform that have another name here; an error class may name its own as `browser_code`."""


_OAUTH_CODES = {
    "validation_error": "invalid_request",
    "bad_request": "invalid_request",
    "unsupported_media_type": "invalid_request",
    "method_not_allowed": "invalid_request",
    "not_found": "invalid_request",
    "payload_too_large": "invalid_request",
    "unauthorized": "invalid_token",
    "session_revoked": "invalid_token",
    "forbidden": "insufficient_scope",
    "address_blocked": "access_denied",
    "rate_limited": "too_many_requests",
    "service_unavailable": "temporarily_unavailable",
    "timeout": "temporarily_unavailable",
    "internal_error": "server_error",
}
"""Codes of the platform in the words of OAuth (RFC 6749 §4.1.2.1, §5.2; RFC 6750 §3.1)."""


def is_page(path: str) -> bool:
    """Whether a person looks at what this path answers: its errors are pages."""
    return path[1:].partition("/")[0] in PAGES or path.startswith(_PAGES_OF_OAUTH)


def is_browser_path(path: str) -> bool:
    """Whether a path belongs to the browser surface."""
    return path.startswith(BROWSER_PREFIX)


def envelope_of(path: str) -> Callable[[APIError], dict[str, Any]]:
    """How errors are worded for who called this path."""
    if path.startswith(BROWSER_PREFIX):
        return browser_envelope
    if path.startswith(OAUTH_PREFIX):
        return oauth_envelope
    return api_envelope if path.removeprefix(MANAGE_PREFIX).startswith(API_PREFIX) else platform_envelope


def platform_envelope(error: APIError) -> dict[str, Any]:
    """`{"success":false,"error":{"code","message","details"?}}` (contracts/platform-api.md §1)."""
    return {"success": False, "error": _content(error, error.code, dict(error.details or {}))}


def browser_envelope(error: APIError) -> dict[str, Any]:
    """`{"error":{"code","message","details"?}}`, keys in snake_case (contracts/browser-api.md §1)."""
    code = getattr(error, "browser_code", "") or _BROWSER_CODES.get(error.code, error.code)
    return {"error": _content(error, code, _snake_keys(error.details or {}))}


def oauth_envelope(error: APIError) -> dict[str, Any]:
    """`{"error":code,"error_description"}` (RFC 6749 §5.2; contracts/provider-api.md §4)."""
    code = _OAUTH_CODES.get(error.code, error.code)
    return {"error": code, "error_description": _described(error.public_message)}


def api_envelope(error: APIError) -> dict[str, Any]:
    """`{"error":"<text>"}`, or its own word (`api_error`); 429 as under `/oauth` (provider-api.md §4)."""
    if error.status == TooManyRequests.status:
        return oauth_envelope(error)
    told = {"error": getattr(error, "api_error", "") or error.public_message}
    if "mode" in (error.details or {}):  # of a policy that is not there (contracts/provider-api.md §11)
        told["mode"] = str((error.details or {})["mode"])
    return told


def _described(message: str) -> str:
    """A description within the characters that RFC 6749 §5.2 allows."""
    return re.sub(r"[^\x20-\x21\x23-\x5b\x5d-\x7e]", "'", message)


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
