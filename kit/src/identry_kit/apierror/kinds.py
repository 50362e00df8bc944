"""One error type for a whole fleet: the *kind* (a class) carries the HTTP status, the instance carries the rest.

The tree::

    APIError
    ├── BadRequest 400          ├── Gone 410                   ├── Internal 500
    ├── Unauthorized 401        ├── PayloadTooLarge 413        ├── NotImplementedYet 501
    ├── Forbidden 403           ├── UnsupportedMediaType 415   ├── BadGateway 502
    ├── NotFound 404            ├── ValidationFailed 422       ├── ServiceUnavailable 503
    ├── MethodNotAllowed 405    └── TooManyRequests 429        └── GatewayTimeout 504
    └── Conflict 409

Source: third seed, package `apierror`; wire shape and 5xx redaction in contracts/kit.md §1.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Self

__all__ = [
    "APIError",
    "BadGateway",
    "BadRequest",
    "Conflict",
    "Forbidden",
    "GatewayTimeout",
    "Gone",
    "Internal",
    "MethodNotAllowed",
    "NotFound",
    "NotImplementedYet",
    "OtherError",
    "PayloadTooLarge",
    "ServiceUnavailable",
    "TooManyRequests",
    "Unauthorized",
    "UnsupportedMediaType",
    "ValidationFailed",
]


def _phrase(status: int) -> str:
    """The reason phrase of RFC 9110 §15; for a status that has none, `Error`."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def _encode(value: Mapping[str, Any]) -> bytes:
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=str)
    return text.encode("utf-8", "backslashreplace")


class APIError(Exception):
    """An error with an HTTP answer.

    A subclass states `status`, `code` and a default `message`; an instance may replace the latter two.
    `str(error)` is the original message, for logs. What a client sees is `body()` or `problem()`: at 5xx
    the message is replaced by the status phrase and `details` are dropped, so no internal text leaks.

    `headers` (for example `Retry-After`) are sent with the answer.
    """

    status: int = 500
    code: str = "internal_error"
    message: str = ""

    def __init__(
        self,
        message: str | None = None,
        *,
        code: str | None = None,
        key: str = "",
        details: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.message = type(self).message if message is None else message
        self.code = type(self).code if code is None else code
        self.key = key
        self.details = details
        self.headers: Mapping[str, str] = headers or {}
        super().__init__(self.message)

    def with_key(self, key: str) -> Self:
        """Set the i18n key that a client may translate; returns self."""
        self.key = key
        return self

    def with_details(self, details: Mapping[str, Any]) -> Self:
        """Set the machine-readable details (dropped from 5xx answers); returns self."""
        self.details = details
        return self

    @property
    def public_message(self) -> str:
        """The message that may leave the process: at 5xx only the status phrase."""
        return self.message if self.status < 500 else _phrase(self.status)

    @property
    def public_details(self) -> Mapping[str, Any] | None:
        """The details that may leave the process: none at 5xx."""
        return self.details if self.status < 500 else None

    def body(self) -> dict[str, Any]:
        """The JSON envelope `{"error":{"code","key"?,"message","details"?}}`."""
        error: dict[str, Any] = {"code": self.code}
        if self.key:
            error["key"] = self.key
        error["message"] = self.public_message
        if self.public_details:
            error["details"] = dict(self.public_details)
        return {"error": error}

    def problem(self) -> dict[str, Any]:
        """The same error as RFC 9457 `application/problem+json`."""
        problem: dict[str, Any] = {
            "type": "about:blank",
            "title": _phrase(self.status),
            "status": self.status,
        }
        if self.public_message != problem["title"] or self.status < 500:
            problem["detail"] = self.public_message
        problem["code"] = self.code
        if self.key:
            problem["key"] = self.key
        if self.public_details:
            problem["details"] = dict(self.public_details)
        return problem

    def json(self) -> bytes:
        """`body()` as compact UTF-8 JSON. It never fails: it runs where errors are answered.

        A value that JSON does not know (a UUID, a date) is written as its text, a lone surrogate as its escape.
        """
        return _encode(self.body())

    def problem_json(self) -> bytes:
        """`problem()` as compact UTF-8 JSON, with the same promise as `json()`."""
        return _encode(self.problem())


class BadRequest(APIError):
    """400: the request cannot be understood as sent."""

    status = 400
    code = "bad_request"
    message = "bad request"


class Unauthorized(APIError):
    """401: authentication is missing or wrong."""

    status = 401
    code = "unauthorized"
    message = "unauthorized"


class Forbidden(APIError):
    """403: authenticated, but not allowed."""

    status = 403
    code = "forbidden"
    message = "forbidden"


class NotFound(APIError):
    """404: no such thing, or not for this caller to know."""

    status = 404
    code = "not_found"
    message = "not found"


class MethodNotAllowed(APIError):
    """405: the path exists, this method does not; the header `Allow` lists those that do."""

    status = 405
    code = "method_not_allowed"
    message = "method not allowed"


class Conflict(APIError):
    """409: the state of the target does not allow this."""

    status = 409
    code = "conflict"
    message = "conflict"


class Gone(APIError):
    """410: it existed and is over."""

    status = 410
    code = "gone"
    message = "gone"


class PayloadTooLarge(APIError):
    """413: the body is over the limit."""

    status = 413
    code = "payload_too_large"
    message = "request body too large"


class UnsupportedMediaType(APIError):
    """415: the body is not in a type that this route reads."""

    status = 415
    code = "unsupported_media_type"
    message = "unsupported media type"


class ValidationFailed(APIError):
    """422: understood, but a field breaks a rule."""

    status = 422
    code = "validation_error"
    message = "validation failed"


class TooManyRequests(APIError):
    """429: a limit is used up; `Retry-After` (seconds) says when to come back."""

    status = 429
    code = "too_many_requests"
    message = "too many requests"


class Internal(APIError):
    """500: our fault; the text stays in the log."""

    status = 500
    code = "internal_error"
    message = "internal error"


class NotImplementedYet(APIError):
    """501: a reserved part of the contract that this deployment does not serve.

    Its message is an answer, not a leak: it is the one 5xx that keeps its own text.
    """

    status = 501
    code = "not_implemented"
    message = "not implemented"

    @property
    def public_message(self) -> str:
        """The message as written: it tells what is not configured."""
        return self.message


class BadGateway(APIError):
    """502: an upstream answered nonsense."""

    status = 502
    code = "bad_gateway"
    message = "bad gateway"


class ServiceUnavailable(APIError):
    """503: a dependency is down or a queue is full; try again after `Retry-After` seconds."""

    status = 503
    code = "service_unavailable"
    message = "service unavailable"


class GatewayTimeout(APIError):
    """504: the answer took longer than the deadline."""

    status = 504
    code = "timeout"
    message = "timeout"


class OtherError(APIError):
    """Any status that has no kind of its own; its code is `error`."""

    code = "error"

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
