"""Example values: deterministic, plausible, and always accepted by the schema they stand for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from identry.web.openapi.schemas import REF, Schema

_UUIDS = {
    "sessionId": "0199c0de-7a11-7000-8000-00000000005e",
    "companyId": "0199c0de-7a11-7000-8000-0000000000c0",
    "businessUnitId": "0199c0de-7a11-7000-8000-0000000000b0",
}
_UUID = "0199c0de-7a11-7000-8000-000000000001"
_INSTANT = "2026-03-01T09:30:00Z"

_BY_NAME: Mapping[str, Any] = {
    "accessToken": "eyJhbGciOiJSUzI1NiIsImtpZCI6ImRlZmF1bHQiLCJ0eXAiOiJKV1QifQ.eyJzdWIiOiIwMTk5Y…",
    "accountType": "internal",
    "alg": "RS256",
    "amr": ["pwd"],
    "approvalStatus": "APPROVED",
    "authProvider": "password",
    "checks": {"postgres": "ok", "redis": "ok", "finance": "not_configured"},
    "code": "492039",
    "email": "ada@example.com",
    "expiresIn": 86400,
    "fullName": "Ada Lovelace",
    "globalRole": "NONE",
    "isActive": True,
    "emailVerified": True,
    "e": "AQAB",
    "kid": "default",
    "loggedOut": True,
    "revoked": True,
    "mfaToken": "Zk3v0Qy…",
    "modules": ["finance"],
    "grantableModules": ["finance"],
    "permissions": ["finance.expense.create"],
    "grantablePermissions": ["finance.expense.create"],
    "n": "0vx7agoebGcQSuu…",
    "newPassword": "correct horse battery staple",
    "page": 1,
    "pageSize": 20,
    "password": "correct horse battery staple",
    "phoneNumber": "+65 6123 4567",
    "profilePictureUrl": "https://example.com/ada.png",
    "refreshExpiresIn": 2592000,
    "refreshToken": "AZnA3noRcACAAAAAAAAAXgAAAAA…",
    "revokedSessions": 2,
    "role": "MANAGER",
    "search": "ada",
    "tenantRole": "ADMIN",
    "token": "pX2v7…",
    "tokenType": "Bearer",
    "tokenVersion": 1,
    "totalCount": 1,
}


def sample(schema: Schema, components: Mapping[str, Schema], name: str = "") -> Any:
    """An example of a schema; `name` is the wire name of the field that it belongs to."""
    if "$ref" in schema:
        return sample(components[schema["$ref"].removeprefix(REF)], components, name)
    if "const" in schema:
        return schema["const"]
    known = _known(schema, name)
    if known is not None:
        return known
    if options := schema.get("anyOf") or schema.get("oneOf"):
        return sample(_preferred(options), components, name)
    return _by_type(schema, components, name)


def _known(schema: Schema, name: str) -> Any:
    if examples := schema.get("examples"):
        return examples[0]
    value = _BY_NAME.get(name)
    if "enum" in schema:
        return value if value in schema["enum"] else next((v for v in schema["enum"] if v != ""), schema["enum"][0])
    if value is not None and _is(value, schema.get("type")) and _fits(value, schema):
        return value
    return None


def _fits(value: Any, schema: Schema) -> bool:
    """Whether the entries of a list are of the kind that the schema's are."""
    return not isinstance(value, list) or all(_is(entry, schema.get("items", {}).get("type")) for entry in value)


def _is(value: Any, kind: object) -> bool:
    expected = {"string": str, "integer": int, "boolean": bool, "array": list, "object": dict}.get(str(kind))
    return expected is not None and isinstance(value, expected) and (expected is bool or not isinstance(value, bool))


def _preferred(options: list[Schema]) -> Schema:
    """What a field usually holds: not null."""
    return next((option for option in options if option.get("type") != "null"), options[0])


def _by_type(schema: Schema, components: Mapping[str, Schema], name: str) -> Any:
    kind = schema.get("type")
    if kind == "object":
        fields = schema.get("properties", {})
        if schema.get("additionalProperties") is False:
            # A reply's optional fields belong to special cases (another key type, a development setting).
            fields = {key: field for key, field in fields.items() if key in schema["required"] or key in _BY_NAME}
        return {key: sample(field, components, key) for key, field in fields.items()}
    if kind == "array":
        return [sample(schema["items"], components, name.removesuffix("s"))] if "items" in schema else []
    if kind == "integer":
        return schema.get("default", schema.get("minimum", 1))
    if kind == "boolean":
        return schema.get("default", False)
    if kind == "string":
        return _text(schema, name)
    return None


def _text(schema: Schema, name: str) -> str:
    if schema.get("format") == "uuid":
        return _UUIDS.get(name, _UUID)
    if schema.get("format") == "date-time":
        return _INSTANT
    return str(schema.get("default") or name or "text")
