"""Tokens and keys at the server's own door: a forgery is a 401, asks nobody, and tells nothing (docs/security.md)."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import httpx2
import pytest
from harness import Harness

from security.forge import hostile

GENERIC = {
    "invalid or expired token",
    "missing or invalid authorization header",
    "the session has ended; sign in again",
}

PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "k", "passwordHash", "password_hash", "secretEncrypted", "tokenHash"}


async def test_every_forged_token_is_refused(app: Harness, capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[str] = []

    async def listener(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append("connected")
        writer.close()

    server = await asyncio.start_server(listener, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    person = await app.signed_in()
    table = list(hostile(person.access_token, url))
    assert len(table) > 90
    accepted, told = [], []
    for name, token in table:
        reply = await app.http.get("/auth/me", headers={"Authorization": f"Bearer {token}"})
        if reply.status_code != 401:
            accepted.append((name, reply.status_code))
        elif reply.json()["error"]["message"] not in GENERIC:
            told.append((name, reply.text))
    server.close()
    assert not accepted
    assert not told
    assert not asked
    assert (await app.http.get("/auth/me", headers=person.bearer)).status_code == 200
    logged = capsys.readouterr()
    lines = (logged.out + logged.err).splitlines()
    assert max((len(line) for line in lines), default=0) < 2048
    assert person.access_token.rpartition(".")[2] not in logged.out + logged.err


async def test_rewritten_copies_of_a_revoked_token_stay_dead(app: Harness) -> None:
    person = await app.signed_in()
    head, body, signature = person.access_token.split(".")
    await app.http.post("/auth/logout", json={"refreshToken": person.refresh_token})
    copies = [
        person.access_token,
        f"{head}.{body}.{signature}=",
        f"{head}=.{body}.{signature}",
        f" {head}.{body}.{signature}",
    ]
    for token in copies:
        reply = await app.http.get("/auth/me", headers={"Authorization": f"Bearer {token}"})
        assert reply.status_code == 401


async def test_no_answer_to_anybody_holds_a_private_key(app: Harness) -> None:
    people = {
        role: await app.signed_in(global_role=role) for role in ("NONE", "PLATFORM_MODERATOR", "PLATFORM_SUPERADMIN")
    }
    callers = [{}, *(person.bearer for person in people.values()), {"X-Internal-API-Key": app.env["INTERNAL_API_KEY"]}]
    user = people["NONE"].id
    seen = 0
    for operation in app.app.operations:
        if operation.method != "GET" or operation.hidden:
            continue
        path = re.sub(r"{(\w+):uuid}", str(user), operation.path)
        path = re.sub(r"{\w+}", "x" * 43, path)
        for headers in callers:
            reply = await app.http.get(path, headers=headers)
            assert "PRIVATE KEY" not in reply.text
            if reply.headers.get("content-type", "").startswith("application/json") and path != "/openapi.json":
                assert not set(_keys(reply.json())) & {
                    "d",
                    "p",
                    "q",
                    "dp",
                    "dq",
                    "qi",
                    "k",
                    "passwordHash",
                    "password_hash",
                }
            seen += 1
    assert seen > 40
    jwks = (await app.http.get("/.well-known/jwks.json")).json()
    for key in jwks["keys"]:
        assert set(key) == {"kty", "use", "alg", "kid", "n", "e"}


def _keys(node: Any) -> list[str]:
    if isinstance(node, dict):
        return [*node, *(name for value in node.values() for name in _keys(value))]
    if isinstance(node, list):
        return [name for value in node for name in _keys(value)]
    return []


async def test_a_very_large_authorization_header_is_refused_before_it_is_read(app: Harness) -> None:
    async with httpx2.AsyncClient(base_url=app.base_url, timeout=10) as client:
        for size in (64 << 10, 1 << 20):
            try:
                reply = await client.get("/auth/me", headers={"Authorization": "Bearer " + "a" * size})
            except httpx2.TransportError:
                continue  # hung up on: just as well
            assert reply.status_code in {400, 401, 431}
            assert len(reply.content) < 2000, json.dumps(reply.text)[:100]
