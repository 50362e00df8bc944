"""The whole document: info, security, tags, paths, components."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from identry.web.openapi.answers import (
    API_ERROR,
    BROWSER_ERROR,
    ERROR,
    OAUTH_ERROR,
    error_responses,
    spoken,
    success_responses,
)
from identry.web.openapi.samples import sample
from identry.web.openapi.schemas import Schema, Schemas
from identry.web.operations import Guard, Operation

TAGS: Mapping[str, str] = {
    "Sign in": "A password, and where one is enrolled a second factor, opens a session; a refresh token keeps it "
    "going, logging out ends it.",
    "Account": "Who the caller is and what the caller may do.",
    "Registration": "New accounts by self-registration, let in by staff.",
    "Password reset": "A forgotten password is replaced through a mailed link.",
    "Invitations": "Bring people into a company by mail.",
    "Users": "Accounts, administered by platform staff and company owners.",
    "Companies": "Who belongs to a company or a business unit, and as what.",
    "Machines": "For services, with `X-Internal-API-Key`. Mounted only where `INTERNAL_API_KEY` is set.",
    "Keys": "The public keys that verify access tokens.",
    "Browser": "For single-page apps: snake_case, no success envelope, the refresh token in an HttpOnly cookie. "
    "Mounted where `API_PUBLIC_URL` and `APP_BASE_URL` are set.",
    "Groups and permissions": "Under `/api/v1`: what the groups of a tenant may do, who is in them, and why.",
    "Tenant users": "Under `/api/v1`: the people of a tenant, for its own administrators.",
    "Tenant invitations": "Under `/api/v1`: who invites people into a tenant; accepting is in the section Browser.",
    "Tenant settings": "Under `/api/v1`: how the people of a tenant sign in.",
    "OAuth": "OAuth 2.0 and OpenID Connect: authorization, tokens, userinfo, introspection, revocation, logout.",
    "Applications": "Clients of the provider and the people who use them.",
    "Administration": "On the admin port: the platform's administrators, its accounts, what happened.",
    "Accounts of applications": "Under `/api/auth` and `/api/profile`: sign-up, sign-in and profile in JSON.",
    "Operations": "For load balancers and monitors.",
}

_DESCRIPTION = """\
One place for identity, sessions, tokens, memberships, invitations and audit.

**Try it.** Open *Sign in → `POST /auth/login`*, send your address and password: this page then uses the returned token
for every further call. Nothing leaves this server.

**Shape.** JSON in, JSON out, camelCase. A success is `{"success": true, "data": …}`, an error
`{"success": false, "error": {"code", "message", "details"?}}`. Under `/api/v1` keys are snake_case, a success is the
object itself, an error `{"error": {"code", "message", "details"?}}`. Under `/oauth` bodies are forms and errors
`{"error": code, "error_description"}` (RFC 6749); under `/api` it is `{"error": text}`. Unknown request fields are
ignored. Times are RFC 3339 UTC, ids are UUIDs (numbers under `/oauth` and `/api`). Every answer carries `X-Request-ID`;
send your own to correlate.

**Meaning of a status.** `400` the request is malformed · `401` authentication: refresh once, then sign in again ·
`403` authenticated, not allowed · `409` the state of the target does not allow it · `429` slow down for `Retry-After`
seconds · `503` cannot be decided now: retry after `Retry-After` seconds.
"""

_BODY_TYPES: Mapping[str, tuple[str, ...]] = {
    "": ("application/json",),
    "also": ("application/x-www-form-urlencoded", "application/json"),
    "only": ("application/x-www-form-urlencoded",),
}

_SECURITY: Mapping[Guard, list[dict[str, list[str]]]] = {
    Guard.PUBLIC: [],
    Guard.TOKEN: [{"bearer": []}],
    Guard.BEARER: [{"bearer": []}],
    Guard.MACHINE: [{"internalKey": []}],
    Guard.BROWSER: [{"browser": []}],
    Guard.BROWSER_TOKEN: [{"browser": []}],
    Guard.TICKET: [{"browser": []}, {}],
    Guard.APP_USER: [{"provider": []}],
    Guard.SERVICE: [{"provider": []}],
    Guard.APP_ANY: [{"provider": []}],
    Guard.COOKIE: [{"refreshCookie": []}],
    Guard.FORM: [],
}


def document(operations: Iterable[Operation], *, version: str) -> dict[str, Any]:
    """The OpenAPI 3.1 document of every operation that is not hidden, in the order of the table."""
    listed = [operation for operation in operations if not operation.hidden]
    queries = [operation.query for operation in listed]
    headers = [header.type for operation in listed for header in operation.headers]
    schemas = Schemas(
        requests=[*(operation.body for operation in listed), *queries, *headers],
        replies=[kind for operation in listed for kind in (operation.reply, *operation.or_replies)],
    )
    paths: dict[str, dict[str, Any]] = {}
    for operation in listed:
        paths.setdefault(template(operation.path), {})[operation.method.lower()] = _operation(operation, schemas)
    bodies = {operation.body for operation in listed}
    for query in dict.fromkeys(queries):
        if query is not None and query not in bodies:
            schemas.drop(query)
    used = {operation.tag for operation in listed}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Identry",
            "version": version,
            "summary": "A self-hosted identity platform: its own API, browsers, OAuth 2.0 and OpenID Connect.",
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "This server"}],
        "tags": [{"name": tag, "description": text} for tag, text in TAGS.items() if tag in used],
        "paths": paths,
        "components": {
            "schemas": {"Error": ERROR, **_other_errors(listed), **schemas.components},
            "responses": _hoist(paths),
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "The `accessToken` of a sign-in.",
                },
                "browser": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "The `access_token` of a sign-in under `/api/v1`.",
                },
                "provider": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "The `access_token` of `POST /oauth/token`.",
                },
                "refreshCookie": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "refresh_token",
                    "description": "Set by a sign-in under `/api/v1`; only pages of known origins may use it.",
                },
                "internalKey": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-Internal-API-Key",
                    "description": "One of the keys of `INTERNAL_API_KEY`; for machines, never for a browser.",
                },
            },
        },
    }


def _other_errors(listed: list[Operation]) -> dict[str, Schema]:
    """The error schemas of the surfaces that are there besides the platform's."""
    of_surface = {"browser": ("BrowserError", BROWSER_ERROR), "oauth": ("OAuthError", OAUTH_ERROR)}
    of_surface["api"] = ("ApiError", API_ERROR)
    served = {operation.surface for operation in listed}
    return dict(schema for surface, schema in of_surface.items() if surface in served)


def template(path: str) -> str:
    """`/internal/users/{id:uuid}` → `/internal/users/{id}`."""
    return re.sub(r":\w+}", "}", path)


def operation_id(operation: Operation) -> str:
    """`POST /auth/login` → `postAuthLogin`, `GET /internal/users/{id:uuid}` → `getInternalUsersById`."""
    words = re.sub(r"{(\w+)}", r"by_\1", template(operation.path)).strip("/") or "root"
    return operation.method.lower() + "".join(w[0].upper() + w[1:] for w in re.split(r"[^A-Za-z0-9]+", words) if w)


def _operation(operation: Operation, schemas: Schemas) -> Schema:
    described: Schema = {
        "tags": [operation.tag],
        "operationId": operation_id(operation),
        "summary": operation.summary,
        "description": _description(operation),
        "security": _SECURITY[operation.guard],
    }
    if parameters := [*_path(operation), *_query(operation, schemas), *_headers(operation, schemas)]:
        described["parameters"] = parameters
    if operation.body is not None:
        schema = schemas.of(operation.body)
        example = dict(operation.example) or sample(schema, schemas.components)
        described["requestBody"] = {
            "required": not operation.bare,
            "content": {media: {"schema": schema, "example": example} for media in _BODY_TYPES[operation.form]},
        }
    described["responses"] = {**success_responses(operation, schemas), **error_responses(operation)}
    return described


def _description(operation: Operation) -> str:
    parts = [operation.description or f"{operation.summary}."]
    if operation.door == "admin":
        parts.append("On the admin port (`ADMIN_PORT`); where there is none, under `/manage` of this one.")
    if operation.limits:
        parts.append(
            "Limits: "
            + ", ".join(f"{spoken(limit)} ({limit.name.replace('-', ' ')})" for limit in operation.limits)
            + "."
        )
    return "\n\n".join(parts)


def _path(operation: Operation) -> list[Schema]:
    found = []
    for name, kind in re.findall(r"{(\w+)(?::(\w+))?}", operation.path):
        schema: Schema = {"type": "string", "minLength": 1}
        if kind == "uuid":
            schema = {"type": "string", "format": "uuid"}
        elif kind == "number":
            schema = {"type": "integer", "minimum": 1}
        found.append(
            {
                "name": name,
                "in": "path",
                "required": True,
                "description": f"The {_words(name)}.",
                "schema": schema,
                "example": sample(schema, {}, name),
            }
        )
    return found


def _query(operation: Operation, schemas: Schemas) -> list[Schema]:
    if operation.query is None:
        return []
    return [
        {"name": name, "in": "query", "required": required, "description": _about(name, schema), "schema": schema}
        for name, schema, required in schemas.fields(operation.query)
    ]


def _headers(operation: Operation, schemas: Schemas) -> list[Schema]:
    return [
        {
            "name": header.name,
            "in": "header",
            "required": header.required,
            "description": header.description,
            "schema": schemas.of(header.type),
        }
        for header in operation.headers
    ]


def _about(name: str, schema: Schema) -> str:
    return str(schema.pop("description", None) or f"The {_words(name)}.")


def _words(name: str) -> str:
    """`businessUnitId` → `business unit id`."""
    return re.sub(r"(?<=[a-z])([A-Z])", lambda found: f" {found[1].lower()}", name)


def _is_json(response: Schema) -> bool:
    """Whether a response is one for programs; what people look at is described where it is."""
    return "application/json" in response["content"]


def _hoist(paths: Mapping[str, Mapping[str, Schema]]) -> dict[str, Schema]:
    """Move responses that several operations share into the components; returns those."""
    uses: dict[str, list[tuple[Schema, str]]] = {}
    for methods in paths.values():
        for described in methods.values():
            responses = described["responses"]
            for status in [status for status in responses if status >= "400" and _is_json(responses[status])]:
                uses.setdefault(repr(responses[status]), []).append((responses, status))
    shared: dict[str, Schema] = {}
    for places in uses.values():
        responses, status = places[0]
        if len(places) == 1:
            continue
        response = responses[status]
        names = list(response["content"]["application/json"]["examples"])
        name = unique = f"{status}_" + "_or_".join(names)
        while unique in shared:
            unique += "_"
        shared[name if name not in shared else unique] = response
        for responses, status in places:
            responses[status] = {"$ref": f"#/components/responses/{unique}"}
    return dict(sorted(shared.items()))
