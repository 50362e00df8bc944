"""The reference says what the table says: valid OpenAPI 3.1, complete for every operation, examples that work."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import Any
from urllib.parse import urlencode

import jsonschema_rs
import pytest
from openapi_spec_validator import validate
from rows import every

from identry.core.limits import Limit
from identry.documents import full_table
from identry.signin import AccountInactive, CredentialsChanged, PendingApproval, RegistrationRejected, SignIn
from identry.web.decoding import decode_body, decode_form
from identry.web.openapi import document, refusals
from identry.web.openapi.answers import envelope
from identry.web.openapi.catalogue import errors_markdown
from identry.web.openapi.document import TAGS, operation_id, template
from identry.web.operations import Guard, Operation
from identry.web.surfaces import is_page
from identry_kit.apierror import APIError

TABLE = full_table()
LISTED = [operation for operation in TABLE if not operation.hidden]
DOCUMENT = document(TABLE, version="1.2.3")


def named(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


each_operation = every("operation", LISTED, ids=named)


def described(operation: Operation) -> dict[str, Any]:
    return DOCUMENT["paths"][template(operation.path)][operation.method.lower()]


def resolved(node: Any) -> Any:
    """The document's part with every reference replaced by what it points to."""
    if isinstance(node, dict):
        if "$ref" in node:
            target: Any = DOCUMENT
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            return resolved(target)
        return {key: resolved(value) for key, value in node.items()}
    return [resolved(value) for value in node] if isinstance(node, list) else node


def accepts(schema: Any, value: Any) -> None:
    jsonschema_rs.Draft202012Validator(resolved(schema), validate_formats=True).validate(value)


def test_the_document_is_valid_openapi_3_1():
    assert DOCUMENT["openapi"].startswith("3.1")
    validate(json.loads(json.dumps(DOCUMENT)))


def test_every_listed_operation_is_in_the_document_and_nothing_else():
    documented = {(m.upper(), path) for path, methods in DOCUMENT["paths"].items() for m in methods}
    assert documented == {(o.method, template(o.path)) for o in LISTED}
    assert len({operation_id(o) for o in LISTED}) == len(LISTED)


@each_operation
def test_has_a_summary_a_description_and_a_known_section(operation):
    entry = described(operation)
    assert 5 < len(entry["summary"]) <= 80
    assert not entry["summary"].endswith(".")
    assert len(entry["description"]) > 5
    assert operation.tag in TAGS


@each_operation
def test_lists_every_error_it_can_answer_with_status_code_and_example(operation):
    entry = resolved(described(operation))
    for kind in refusals(operation):
        if is_page(operation.path):  # told on a page; the reference names the codes
            told = entry["responses"][str(kind.status)]
            assert set(told["content"]) == {"text/html"}
            assert f"`{envelope(kind, operation)['error']}`" in told["description"]
            continue
        content = entry["responses"][str(kind.status)]["content"]["application/json"]
        told = envelope(kind, operation)
        examples = [example["value"] for example in content["examples"].values()]
        assert told in examples
        named = content["schema"]["allOf"][1]["properties"].get("error", {})
        if operation.surface == "oauth":
            assert told["error"] in named["enum"]
        elif operation.surface != "api":
            assert told["error"]["code"] in named["properties"]["code"]["enum"]
        for example in examples:
            accepts(content["schema"], example)
    errors = {int(status) for status in entry["responses"] if status >= "400"}
    assert errors == {kind.status for kind in refusals(operation)}
    assert 500 in errors


@each_operation
def test_errors_that_guard_types_and_limits_imply_are_there(operation):
    statuses = set(described(operation)["responses"])
    if operation.guard is not Guard.PUBLIC:
        # A cookie is looked at by the handler: whoever ends a session by it is told nothing about it.
        of_a_page = operation.guard in {Guard.COOKIE, Guard.FORM}
        assert ({"403", "503"} if of_a_page else {"401", "503"}) <= statuses
    if operation.body is not None:
        assert {"400", "413", "415"} <= statuses
    if operation.query is not None or ":uuid}" in operation.path:
        assert "400" in statuses
    if operation.limits:
        assert "Retry-After" in resolved(described(operation))["responses"]["429"]["headers"]
    if operation.rule or operation.reach:
        assert "403" in statuses or operation.reach == "apps.list"


@each_operation
def test_security_matches_the_guard(operation):
    schemes = {name for entry in described(operation)["security"] for name in entry}
    expected = {
        Guard.PUBLIC: set(),
        Guard.TOKEN: {"bearer"},
        Guard.BEARER: {"bearer"},
        Guard.MACHINE: {"internalKey"},
        Guard.BROWSER: {"browser"},
        Guard.BROWSER_TOKEN: {"browser"},
        Guard.TICKET: {"browser"},
        Guard.COOKIE: {"refreshCookie"},
        Guard.FORM: set(),
        Guard.APP_USER: {"provider"},
        Guard.SERVICE: {"provider"},
        Guard.APP_ANY: {"provider"},
    }
    assert schemes == expected[operation.guard]


@each_operation
def test_the_request_example_is_accepted_by_its_schema_and_by_the_decoder(operation):
    if operation.body is None:
        assert "requestBody" not in described(operation)
        return
    contents = described(operation)["requestBody"]["content"]
    for media_type, content in contents.items():
        assert content["example"]
        accepts(content["schema"], content["example"])
        if media_type == "application/json":
            decode_body(operation.body, json.dumps(content["example"]).encode())
        else:
            decode_form(operation.body, urlencode(content["example"]).encode())


@each_operation
def test_every_success_has_an_example_that_its_schema_accepts(operation):
    for status, response in described(operation)["responses"].items():
        if status >= "300":
            continue
        for media_type, content in response.get("content", {}).items():
            if media_type == "application/json":
                accepts(content["schema"], content["example"])
                assert not operation.enveloped or content["example"]["success"] is True


@each_operation
def test_every_path_parameter_is_described(operation):
    wanted = [part[1:-1].split(":")[0] for part in operation.path.split("/") if part.startswith("{")]
    found = [p["name"] for p in described(operation).get("parameters", []) if p["in"] == "path"]
    assert found == wanted
    for parameter in described(operation).get("parameters", []):
        assert parameter["description"]
        assert resolved(parameter["schema"])


def test_schemas_of_replies_are_closed_and_say_that_every_field_is_there():
    user = DOCUMENT["components"]["schemas"]["User"]
    assert user["additionalProperties"] is False
    assert set(user["required"]) == set(user["properties"])
    assert user["properties"]["createdAt"]["format"] == "date-time"


def test_schemas_of_requests_stay_open():
    body = DOCUMENT["components"]["schemas"]["LoginBody"]
    assert "additionalProperties" not in body
    assert body["required"] == ["email", "password"]


def test_every_reference_points_somewhere_and_every_component_is_used():
    text = json.dumps(DOCUMENT)
    resolved(DOCUMENT["paths"])
    for kind in ("schemas", "responses"):
        for name in DOCUMENT["components"][kind]:
            assert f'"#/components/{kind}/{name}"' in text, name


def test_the_document_is_the_same_every_time():
    assert json.dumps(document(TABLE, version="1.2.3")) == json.dumps(DOCUMENT)


def rooms() -> Iterator[str]:
    flows = importlib.import_module("identry.flows")
    for room in pkgutil.iter_modules(flows.__path__, "identry.flows."):
        yield room.name


def modules(room: str) -> list[ModuleType]:
    found = pkgutil.iter_modules(importlib.import_module(room).__path__, f"{room}.")
    return [importlib.import_module(module.name) for module in found]


NEVER_TOLD = {
    "identry.flows.login": {"login-refusals", "account-refusals"},  # how often the audit log hears of the others
    "identry.flows.password_reset": {"account-failures"},  # forgotten here, never spent
    "identry.flows.threats": {"account-failures"},  # looked for in the log
}
"""Limits that a room names and nobody meets there."""


@pytest.mark.parametrize("room", sorted(rooms()))
def test_every_limit_that_a_room_names_is_in_its_table(room):
    named = {value.name for module in modules(room) for value in vars(module).values() if isinstance(value, Limit)}
    declared = {limit.name for o in TABLE if o.handler.__module__.startswith(f"{room}.") for limit in o.limits}
    assert named - declared == NEVER_TOLD.get(room, set())


@every("room", sorted(rooms()))
def test_every_error_that_a_room_defines_is_in_its_table_and_says_when_it_comes(room):
    own = [operation for operation in TABLE if operation.handler.__module__.startswith(f"{room}.")]
    answers = {kind for operation in own for kind in refusals(operation)}
    for module in modules(room):
        for kind in vars(module).values():
            if inspect.isclass(kind) and issubclass(kind, APIError) and kind.__module__ == module.__name__ and own:
                assert kind.__doc__
                assert kind in answers, f"{kind.__name__} is missing in `errors=` of every operation of {room}"


@every("room", sorted(rooms()))
def test_a_room_that_signs_in_lists_every_gate(room):
    if any(SignIn in vars(module).values() for module in modules(room)):
        own = [o for o in LISTED if o.handler.__module__.startswith(f"{room}.") and o.body]
        for gate in (PendingApproval, RegistrationRejected, AccountInactive, CredentialsChanged):
            assert any(gate in refusals(operation) for operation in own), gate


def test_the_catalogue_of_errors_names_every_code_of_the_table():
    text = errors_markdown(TABLE)
    for operation in LISTED:
        for kind in refusals(operation):
            if operation.surface == "api":
                continue  # a sentence, but for the few that name a word
            told = envelope(kind, operation)["error"]
            assert f"### `{told['code'] if isinstance(told, dict) else told}`" in text
            assert " ".join((kind.__doc__ or "").split("\n\n")[0].split())[6:] in text
