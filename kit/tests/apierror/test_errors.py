"""contracts/kit.md §1: constructors, wire shape, what 5xx hide."""

from __future__ import annotations

import json
from uuid import UUID

import pytest
from rows import every

from identry_kit import apierror

NIL = UUID(int=0)

CONSTRUCTORS = [
    (apierror.not_found("user", 7), 404, "not_found", "user not found: 7"),
    (apierror.not_found("user", NIL), 404, "not_found", f"user not found: {NIL}"),
    (apierror.bad_request("no"), 400, "bad_request", "no"),
    (apierror.unauthorized("no"), 401, "unauthorized", "no"),
    (apierror.forbidden("no"), 403, "forbidden", "no"),
    (apierror.conflict("no"), 409, "conflict", "no"),
    (apierror.validation_error("no", {"field": "email"}), 422, "validation_error", "no"),
    (apierror.too_many_requests("no"), 429, "too_many_requests", "no"),
    (apierror.internal("secret"), 500, "internal_error", "Internal Server Error"),
    (apierror.bad_gateway("secret"), 502, "bad_gateway", "Bad Gateway"),
    (apierror.service_unavailable("secret"), 503, "service_unavailable", "Service Unavailable"),
    (apierror.PayloadTooLarge(), 413, "payload_too_large", "request body too large"),
    (apierror.UnsupportedMediaType(), 415, "unsupported_media_type", "unsupported media type"),
    (apierror.Gone("over"), 410, "gone", "over"),
    (apierror.GatewayTimeout(), 504, "timeout", "Gateway Timeout"),
    (
        apierror.NotImplementedYet("finance database not configured"),
        501,
        "not_implemented",
        "finance database not configured",
    ),
    (apierror.new(404, "gone fishing"), 404, "not_found", "gone fishing"),
    (apierror.new(418, "teapot"), 418, "error", "teapot"),
    (apierror.new(599, "secret"), 599, "error", "Error"),
    (apierror.new(507, "secret"), 507, "error", "Insufficient Storage"),
]


@every(("error", "status", "code", "message"), CONSTRUCTORS)
def test_an_error_has_its_status_code_and_public_message(
    error: apierror.APIError, status: int, code: str, message: str
) -> None:
    assert error.status == status
    body = json.loads(error.json())["error"]
    assert body["code"] == code
    assert body["message"] == message
    assert set(body) <= {"code", "message", "details"}


@every(("error", "status", "code", "message"), CONSTRUCTORS)
def test_a_problem_says_the_same_as_the_envelope(
    error: apierror.APIError, status: int, code: str, message: str
) -> None:
    problem = json.loads(error.problem_json())
    assert problem["type"] == "about:blank"
    assert problem["status"] == status
    assert problem["code"] == code
    assert "secret" not in json.dumps(problem)
    if status < 500:
        assert problem["detail"] == message


def test_the_text_for_logs_is_the_original_message_also_at_5xx() -> None:
    assert str(apierror.internal("disk full")) == "disk full"
    assert "disk full" not in apierror.internal("disk full").json().decode()


def test_key_and_details_are_chained_and_empty_ones_left_out() -> None:
    error = apierror.bad_request("no").with_key("errors.no").with_details({"field": "email"})
    assert json.loads(error.json()) == {
        "error": {"code": "bad_request", "key": "errors.no", "message": "no", "details": {"field": "email"}}
    }
    assert json.loads(apierror.bad_request("no").with_key("").with_details({}).json()) == {
        "error": {"code": "bad_request", "message": "no"}
    }


def test_5xx_keep_code_and_key_and_drop_details() -> None:
    error = apierror.internal("secret").with_key("errors.oops").with_details({"table": "secret"})
    assert json.loads(error.json()) == {
        "error": {"code": "internal_error", "key": "errors.oops", "message": "Internal Server Error"}
    }


def test_a_two_line_subclass_is_an_error_of_its_own() -> None:
    class WrongCredentials(apierror.Unauthorized):
        code = "wrong_credentials"
        message = "email or password is wrong"

    error = WrongCredentials()
    assert (error.status, error.code, str(error)) == (401, "wrong_credentials", "email or password is wrong")


def test_encoding_never_fails() -> None:
    error = apierror.bad_request("half \ud800 pair").with_details({"id": NIL, "name": "José"})
    body = json.loads(error.json())
    assert body["error"]["details"] == {"id": str(NIL), "name": "José"}


@pytest.mark.parametrize("seconds", [1, 30])
def test_retry_after_travels_as_a_header(seconds: int) -> None:
    assert apierror.too_many_requests("no", seconds).headers == {"Retry-After": str(seconds)}
    assert apierror.service_unavailable("no", seconds).headers == {"Retry-After": str(seconds)}


async def test_an_error_is_answered_with_its_headers_and_length(call) -> None:
    async def app(scope, receive, send) -> None:
        await apierror.answer(send, apierror.too_many_requests("slow down", 3), scope)

    answer = await call(app)
    assert answer.status == 429
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["retry-after"] == "3"
    assert answer.headers["content-length"] == str(len(answer.body))


async def test_a_line_break_in_a_header_value_is_not_sent(call) -> None:
    async def app(scope, receive, send) -> None:
        error = apierror.Unauthorized(headers={"WWW-Authenticate": "Bearer\r\nSet-Cookie: a=b", "X-Fine": "1"})
        await apierror.answer(send, error, scope, apierror.to_problem)

    answer = await call(app)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-fine"] == "1"
    assert "www-authenticate" not in answer.headers
