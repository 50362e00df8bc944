"""What an operation can answer: its success, and every error that its row of the table implies or names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

from identry.core.db import Unavailable
from identry.core.limits import Limit, RateLimited
from identry.oauth.errors import InsufficientScope
from identry.oauth.errors import InvalidToken as ProviderTokenInvalid
from identry.web import app_reach, step_up
from identry.web.browser_guard import InvalidToken
from identry.web.endpoint import AddressBlocked
from identry.web.errors import InvalidRequest
from identry.web.guards import InternalKeyRequired, SessionRevoked
from identry.web.openapi.samples import sample
from identry.web.openapi.schemas import Schema, Schemas
from identry.web.operations import Guard, Operation
from identry.web.origin_check import OriginNotAllowed
from identry.web.surfaces import api_envelope, browser_envelope, is_page, oauth_envelope, platform_envelope
from identry_kit.apierror import (
    APIError,
    Forbidden,
    GatewayTimeout,
    Internal,
    PayloadTooLarge,
    UnsupportedMediaType,
)
from identry_kit.jwtauth import MissingToken

Kind = type[APIError]

ERROR: Schema = {
    "description": "Why the request was not done. `code` is stable: branch on it, and show `message` to a person.",
    "type": "object",
    "required": ["success", "error"],
    "additionalProperties": False,
    "properties": {
        "success": {"const": False},
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "additionalProperties": False,
            "properties": {
                "code": {"type": "string", "pattern": "^[a-z_]+$"},
                "message": {"type": "string"},
                "details": {
                    "type": "object",
                    "description": "Machine-readable, by code; absent when there is nothing.",
                },
            },
        },
    },
}

BROWSER_ERROR: Schema = {
    "description": f"{ERROR['description']} Under `/api/v1`.",
    "type": "object",
    "required": ["error"],
    "additionalProperties": False,
    "properties": {"error": ERROR["properties"]["error"]},
}

OAUTH_ERROR: Schema = {
    "description": "Why the request was not done (RFC 6749 §5.2). Under `/oauth`.",
    "type": "object",
    "required": ["error"],
    "additionalProperties": False,
    "properties": {
        "error": {"type": "string", "pattern": "^[a-z_]+$"},
        "error_description": {"type": "string"},
    },
}

API_ERROR: Schema = {
    "description": "Why the request was not done: a sentence, or a word where the operation names one. Under `/api`.",
    "type": "object",
    "required": ["error"],
    "additionalProperties": False,
    "properties": {
        "error": {"type": "string"},
        "error_description": {"type": "string"},
        "mode": {"type": "string", "enum": ["off", "shadow", "enforce"]},
    },
}

_ENVELOPES: Mapping[str, tuple[str, Callable[[APIError], dict[str, Any]]]] = {
    "platform": ("Error", platform_envelope),
    "browser": ("BrowserError", browser_envelope),
    "oauth": ("OAuthError", oauth_envelope),
    "api": ("ApiError", api_envelope),
}
"""Surface → the schema of its errors, and what makes one."""

_INVALID_DETAILS = {"fields": [{"field": "email", "rule": "required", "message": "is required"}]}

_HEADERS: dict[int, Schema] = {
    401: {"WWW-Authenticate": {"description": "How to authenticate (RFC 9110 §11.6.1).", "schema": {"type": "string"}}},
    429: {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}},
    503: {"Retry-After": {"description": "Seconds to wait, when known.", "schema": {"type": "integer", "minimum": 1}}},
}


_LOCATION: Schema = {
    "Location": {"description": "Where to go.", "schema": {"type": "string", "format": "uri-reference"}}
}


def refusals(operation: Operation) -> list[Kind]:
    """Every error class that an operation can answer with: by status, first those that the row implies."""
    kinds = dict.fromkeys([*_implied(operation), *operation.errors])
    return sorted(kinds, key=lambda kind: kind.status)


def _implied(operation: Operation) -> Iterator[Kind]:
    if operation.body or operation.query or operation.headers or ":uuid}" in operation.path:
        yield InvalidRequest
    if operation.body:
        yield from (PayloadTooLarge, UnsupportedMediaType)
    if operation.guard in {Guard.TOKEN, Guard.BEARER}:
        yield from (MissingToken, SessionRevoked)
    if operation.guard in {Guard.APP_USER, Guard.SERVICE, Guard.APP_ANY}:
        yield ProviderTokenInvalid
    if operation.guard is Guard.SERVICE:
        yield InsufficientScope
    if operation.guard in {Guard.BROWSER, Guard.BROWSER_TOKEN, Guard.TICKET}:
        yield from (MissingToken, InvalidToken, SessionRevoked)
    if operation.reach:
        yield from app_reach.implied(operation)
    else:
        yield from step_up.implied(operation)
    if operation.guard is Guard.COOKIE:
        yield from (OriginNotAllowed, UnsupportedMediaType)
    if operation.guard is Guard.MACHINE:
        yield InternalKeyRequired
    if operation.rule and not any(issubclass(kind, Forbidden) for kind in operation.errors):
        yield Forbidden
    if not operation.for_all:
        yield AddressBlocked
    if operation.limits:
        yield RateLimited
    if operation.body or operation.guard is not Guard.PUBLIC or "{" in operation.path:
        yield Unavailable
    yield from (Internal, GatewayTimeout)


def envelope(kind: Kind, operation: Operation | None = None) -> dict[str, Any]:
    """What a client of an operation's surface reads when `kind` is raised as it stands; made by the error edge."""
    error = kind.__new__(kind)
    details = getattr(kind, "example_details", _INVALID_DETAILS if kind is InvalidRequest else None)
    APIError.__init__(error, details=details)
    return _ENVELOPES[operation.surface if operation else "platform"][1](error)


def error_responses(operation: Operation) -> dict[str, Schema]:
    """Status → OpenAPI response object, with one example for each different answer."""
    by_status: dict[int, list[Kind]] = {}
    for kind in refusals(operation):
        by_status.setdefault(kind.status, []).append(kind)
    return {str(status): _error_response(operation, status, kinds) for status, kinds in by_status.items()}


def _error_response(operation: Operation, status: int, kinds: list[Kind]) -> Schema:
    examples: dict[str, Any] = {}
    codes: list[str] = []
    for kind in kinds:
        value = envelope(kind, operation)
        if any(example["value"] == value for example in examples.values()):
            continue
        code, text = _told(kind, operation, value)
        codes.append(code)
        name = code if codes.count(code) == 1 else f"{code}_{codes.count(code)}"
        examples[name] = {"summary": text, "value": value}
    enum: Schema = {"error": {"properties": {"code": {"enum": list(dict.fromkeys(codes))}}}}
    described = ", ".join(f"`{code}`" for code in dict.fromkeys(codes))
    if operation.surface == "oauth":
        enum = {"error": {"enum": list(dict.fromkeys(codes))}}
    elif operation.surface == "api":  # a sentence, which is no part of the contract
        enum, described = {}, "; ".join(example["summary"] for example in examples.values())
    name = _ENVELOPES[operation.surface][0]
    if is_page(operation.path):
        content: Schema = {"text/html": {"schema": {"type": "string"}}}
    else:
        schema = {"allOf": [{"$ref": f"#/components/schemas/{name}"}, {"properties": enum}]}
        content = {"application/json": {"schema": schema, "examples": examples}}
    response: Schema = {"description": f"{HTTPStatus(status).phrase}: {described}", "content": content}
    if headers := _HEADERS.get(status):
        response["headers"] = headers
    return response


def _told(kind: Kind, operation: Operation, value: Mapping[str, Any]) -> tuple[str, str]:
    """The code of an error, by which its example goes, and its words."""
    told = value["error"]
    if isinstance(told, dict):
        return told["code"], told["message"]
    if operation.surface == "oauth":
        return told, value.get("error_description", told)
    return re.sub(r"\W", "_", getattr(kind, "api_error", "") or kind.code), told


def success_responses(operation: Operation, schemas: Schemas) -> dict[str, Schema]:
    """The reply of each success status."""
    first = HTTPStatus(operation.status).phrase
    described = {operation.status: first, **operation.also}
    return {str(status): _success(operation, status, text, schemas) for status, text in sorted(described.items())}


def _success(operation: Operation, status: int, description: str, schemas: Schemas) -> Schema:
    if status in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}:
        return {"description": description}
    if status in {HTTPStatus.FOUND, HTTPStatus.SEE_OTHER}:
        return {"description": description, "headers": _LOCATION}
    if operation.reply is None:
        schema: Schema = {"type": "string"} if operation.media_type.startswith("text/") else {}
        kinds = operation.media_type.split(", ")
        return {"description": description, "content": {kind: {"schema": schema} for kind in kinds}}
    schema = schemas.of(operation.reply)
    example = sample(schema, schemas.components)
    if operation.or_replies:
        schema = {"anyOf": [schema, *(schemas.of(kind) for kind in operation.or_replies)]}
    if operation.enveloped:
        example = {"success": True, "data": example}
        schema = {
            "type": "object",
            "required": ["success", "data"],
            "additionalProperties": False,
            "properties": {"success": {"const": True}, "data": schema},
        }
    return {"description": description, "content": {operation.media_type: {"schema": schema, "example": example}}}


def spoken(limit: Limit) -> str:
    """A limit in words: `30 per minute`."""
    units = {1: "second", 60: "minute", 3600: "hour"}
    seconds = int(limit.window)
    if seconds in units:
        return f"{limit.limit} per {units[seconds]}"
    return f"{limit.limit} in {seconds // 60} minutes" if seconds % 60 == 0 else f"{limit.limit} in {seconds} seconds"
