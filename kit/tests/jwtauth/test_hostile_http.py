"""What is around a hostile token: its size, the addresses that it names, the paths that it is sent to.

SECURITY §2 rows 4, 6 and 47. The tokens themselves are in the tables beside this file.
"""

from __future__ import annotations

import asyncio
import logging
import tracemalloc
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute

from identry_kit.jwtauth import InvalidToken, JWTAuth, Verifier


@pytest.mark.parametrize("size", [64 << 10, 1 << 20, 8 << 20])
async def test_a_huge_token_costs_no_memory_and_leaves_no_trace(
    signer: Any, verifier: Verifier, caplog: pytest.LogCaptureFixture, size: int
) -> None:
    """Row 6: refused by its length, before anything is copied."""
    token = (signer.mint() + ".") * (size // 600)
    tracemalloc.start()
    with caplog.at_level(logging.DEBUG):
        with pytest.raises(InvalidToken) as caught:
            verifier.verify_now(token)
        with pytest.raises(InvalidToken):
            await verifier.verify(token)
    assert len(str(caught.value)) < 100
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 256 << 10
    assert token[:50] not in caplog.text


async def test_nothing_is_fetched_that_a_token_names(signer: Any, verifier: Verifier) -> None:
    """Row 4: a listener waits at every address that the headers name."""
    visits: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visits.append(await reader.readline())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    own = signer.jwk(signer.other_rsa, "rs256")
    headers: list[dict[str, Any]] = [
        {"jku": f"{url}/jwks.json"},
        {"x5u": f"{url}/cert.pem"},
        {"jku": f"{url}/jwks.json", "kid": "other"},
        {"kid": f"{url}/jwks.json"},
        {"iss": url},
        {"jwk": own},
        {"jwk": own, "jku": f"{url}/jwks.json"},
        {"x5c": ["MIIB"], "x5u": f"{url}/cert.pem"},
        {"x5t": "AA", "x5t#S256": "AA", "jku": url},
        {"url": url, "jwks_uri": url},
    ]
    for header in headers:
        with pytest.raises(InvalidToken):
            await verifier.verify(signer.mint(header, "RS256", signer.other_rsa, iss=url))
        with pytest.raises(InvalidToken):
            await verifier.verify(signer.mint(header, "RS256", signer.other_rsa))
    server.close()
    await server.wait_closed()
    assert visits == []


PATHS = [
    "/api/secret", "//api/secret", "/api//secret", "/./api/secret", "/api/./secret", "/open/../api/secret",
    "/api/x/../secret", "/api/%73ecret", "/%61pi/secret", "/api%2fsecret", "/api/secret/", "/api/secret;x",
    "/API/secret", "/api/secret%00", "/api/secret%20", "/api\\secret", "/open/%2e%2e/api/secret", "/api/secret?x=1",
    "/api/secret.json", "/open;/../api/secret", "http://open/api/secret",
]  # fmt: skip
TRICKS = [
    [],
    [("X-Original-URL", "/open/health")],
    [("X-Rewrite-URL", "/open/health")],
    [("X-Forwarded-Uri", "/open/health"), ("X-Forwarded-Prefix", "/open")],
    [("X-HTTP-Method-Override", "OPTIONS"), ("X-HTTP-Method", "OPTIONS")],
    [("Upgrade", "websocket"), ("Connection", "upgrade")],
]


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "TRACE", "PROPFIND"])
async def test_no_spelling_of_a_path_reaches_what_is_protected(call: Any, verifier: Verifier, method: str) -> None:
    """Row 47: the guard is around the protected application, not a list of paths beside it."""
    reached: list[str] = []

    async def secret(request: Any) -> PlainTextResponse:
        reached.append(str(request.url))
        return PlainTextResponse("secret")

    async def socket(websocket: Any) -> None:
        reached.append("websocket")

    async def health(request: Any) -> PlainTextResponse:
        return PlainTextResponse("ok")

    methods = ["GET", "POST", "OPTIONS", "TRACE", "PROPFIND"]
    inner = Starlette(routes=[Route("/{rest:path}", secret, methods=methods), WebSocketRoute("/{rest:path}", socket)])
    guarded = JWTAuth(inner, verifier)
    app = Starlette(routes=[Route("/open/health", health), Mount("/api", app=guarded), Mount("/", app=guarded)])
    for path in PATHS:
        for headers in TRICKS:
            answer = await call(app, path, method=method, headers=headers)
            assert answer.status in {401, 404, 405, 307}, (path, headers)
        refused = await call(app, path, kind="websocket")
        assert [message["type"] for message in refused.messages] == ["websocket.close"]
    assert reached == []
    assert (await call(app, "/open/health")).status == 200
