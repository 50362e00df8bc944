"""Text that PostgreSQL cannot store, in every place of every request that takes text: never a 5xx.

Every operation is asked as its example says, with one place spoilt: chance finds such a request once in thousands.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from contract.test_fuzz import SPARED, caller, of_provider, surface_of, visitor
from harness import Harness
from provider.applications import application

NUL = "a\x00b"


def resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """What a reference stands for."""
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


def takes_text(document: dict[str, Any], schema: dict[str, Any]) -> str:
    """`text`, `list` of text, or empty."""
    schema = resolved(document, schema)
    for choice in (resolved(document, found) for found in schema.get("anyOf", [schema])):
        if choice.get("type") == "string" and "enum" not in choice:
            return "text"
        if choice.get("type") == "array" and takes_text(document, choice["items"]):
            return "list"
    return ""


def requests_of(
    document: dict[str, Any], path: str, method: str, row: dict[str, Any], ids: dict[str, str], text: str
) -> Iterator[tuple[str, str, dict[str, str], bytes | None]]:
    """(what is spoilt, address, headers, body): one request for every place that takes text."""
    parameters = [p for p in row.get("parameters", []) if p["in"] in {"path", "query"}]
    good = {p["name"]: ids.get(p["name"], "1") for p in parameters if p["in"] == "path"}
    needed = {p["name"]: str(p.get("example", "x")) for p in parameters if p["in"] == "query" and p.get("required")}
    content = row.get("requestBody", {}).get("content", {})
    kind = next(iter(content), "")
    example = dict(content[kind].get("example") or {}) if kind else {}

    def address(places: dict[str, str], query: dict[str, str]) -> str:
        filled = path
        for name, value in places.items():
            filled = filled.replace("{" + name + "}", quote(value, safe="", errors="surrogatepass"))
        return filled + ("?" + urlencode(query, errors="surrogatepass") if query else "")

    def body(fields: dict[str, Any]) -> tuple[dict[str, str], bytes | None]:
        if not kind:
            return ({} if method == "get" else {"Content-Type": "application/json"}), None
        if "json" in kind:
            return {"Content-Type": kind}, json.dumps(fields).encode()
        plain = {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()}
        return {"Content-Type": kind}, urlencode(plain, errors="surrogatepass").encode()

    for parameter in parameters:
        name = parameter["name"]
        if takes_text(document, parameter["schema"]):
            places, query = (
                (good | {name: text}, needed) if parameter["in"] == "path" else (good, needed | {name: text})
            )
            yield f"{parameter['in']} {name}", address(places, query), *body(example)
    if kind:
        schema = resolved(document, content[kind]["schema"])
        for name, field in schema.get("properties", {}).items():
            if taken := takes_text(document, field):
                value = text if taken == "text" else [text]
                yield f"body {name}", address(good, needed), *body(example | {name: value})


PREPARED = {
    "superadmin": (caller, "platform"),
    "user": (caller, "platform"),
    "admin": (visitor, "browser"),
    "cookie": (visitor, "browser"),
    "platform-administrator": (of_provider, "provider"),
    "application": (of_provider, "provider"),
}


async def broken(app: Harness, state: str, texts: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Everything that somebody in this state breaks."""
    document = (await app.http.get("/openapi.json")).json()
    prepare, surface = PREPARED[state]
    headers, ids = await prepare(app, state)
    found, asked = [], 0
    for path, rows in document["paths"].items():
        if surface_of(path) != surface or path in SPARED:
            continue
        for (method, row), text in itertools.product(rows.items(), texts):
            for place, address, kind, body in requests_of(document, path, method, row, ids, text):
                asked += 1
                sent = headers | kind | {"X-Forwarded-For": app.fresh_ip()}
                reply = await app.http.request(method, address, headers=sent, content=body, follow_redirects=False)
                if reply.status_code >= 500 and reply.status_code != 501:
                    found.append((method, path, place, repr(text), reply.text))
    assert asked > 60 * len(texts)
    return found


@pytest.mark.parametrize("state", ["superadmin", "admin", "platform-administrator"])
async def test_a_nul_in_any_text_breaks_nothing(app: Harness, state: str) -> None:
    assert await broken(app, state, (NUL,)) == []


@pytest.mark.slow
@pytest.mark.parametrize("state", PREPARED)
async def test_no_text_that_cannot_be_stored_breaks_anything(app: Harness, state: str) -> None:
    assert await broken(app, state, (NUL, "\x00", "a\ud800b")) == []


async def test_a_client_that_names_itself_so_is_unknown_and_harms_nobody_who_asks_beside_it(app: Harness) -> None:
    made = await application(app, grant_types=["client_credentials"])
    good = {"Authorization": "Basic " + base64.b64encode(f"{made.client.client_id}:{made.secret}".encode()).decode()}

    async def ask(headers: dict[str, str], **fields: str) -> int:
        fields = {"grant_type": "client_credentials", **fields}
        headers = headers | {"X-Forwarded-For": app.fresh_ip()}
        return (await app.http.post("/oauth/token", data=fields, headers=headers)).status_code

    bad = {"Authorization": "Basic " + base64.b64encode(b"a%00b:secret").decode()}
    statuses = await asyncio.gather(*(ask(*one) for one in [(good,), (bad,)] * 10))
    assert statuses == [200, 401] * 10
    for name in (r"a\u0000b", r"a\ud800b", r"\u0000"):
        claims = f'{{"iss":"{name}","sub":"{name}","aud":"https://auth.example.com","jti":"{name}","exp":1}}'
        parts = [base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (b'{"alg":"RS256"}', claims.encode())]
        assertion = {
            "client_assertion": ".".join([*parts, "c2ln"]),
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        }
        statuses = await asyncio.gather(*(ask(good), ask({}, **assertion), ask(good)))
        assert statuses == [200, 401, 200]
    assert await ask({}, client_id="a\x00b", client_secret="c") == 400
