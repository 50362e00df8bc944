"""The README's quickstart is run as it stands, against an issuer that answers over HTTP."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

README = Path(__file__).parents[1] / "README.md"


def blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    def __init__(self) -> None:
        self.private = rsa.generate_private_key(65537, 2048)
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        modulus = self.private.public_key().public_numbers().n.to_bytes(256)
        key = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "k1", "n": b64(modulus), "e": "AQAB"}
        body = json.dumps({"keys": [key]}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()
        writer.close()

    def mint(self, **claims: Any) -> str:
        now = int(time.time())
        good = {"iss": self.url, "aud": "orders", "sub": "42", "type": "access", "iat": now, "exp": now + 60}
        parts = [json.dumps(part).encode() for part in ({"alg": "RS256", "kid": "k1", "typ": "JWT"}, good | claims)]
        message = ".".join(b64(part) for part in parts)
        return f"{message}.{b64(self.private.sign(message.encode(), padding.PKCS1v15(), SHA256()))}"


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    issuer = Issuer()
    server = await asyncio.start_server(issuer.serve, "127.0.0.1", 0)
    issuer.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield issuer
    server.close()
    await server.wait_closed()


async def test_the_quickstart_does_what_the_readme_says(
    call: Any, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    names: dict[str, Any] = {}
    exec(compile(blocks()[0].replace("https://auth.example.com", issuer.url), str(README), "exec"), names)
    app = names["app"]

    def bearer(**claims: Any) -> dict[str, Any]:
        return {"headers": [("Authorization", f"Bearer {issuer.mint(**claims)}")]}

    assert (await call(app, "/healthz")).status == 200
    anonymous = await call(app, "/api/orders")
    assert anonymous.status == 401
    assert "x-request-id" in anonymous.headers
    assert "content-security-policy" in anonymous.headers
    assert (await call(app, "/api/orders", **bearer())).status == 403
    tenant = "00000000-0000-4000-8000-000000000001"
    answer = await call(app, "/api/orders", **bearer(role="viewer", tenant_id=tenant, plan="pro"))
    assert (answer.status, json.loads(answer.body)) == (200, {"for": "42", "tenant": tenant, "plan": "pro"})
    missing = await call(app, "/api/orders/7", **bearer())
    assert (missing.status, missing.body) == (404, b'{"error":{"code":"not_found","message":"order not found: 7"}}')
    assert not [record for record in caplog.records if record.levelno > logging.WARNING]
    await names["verifier"]._keys.aclose()


def test_the_other_examples_at_least_compile() -> None:
    assert len(blocks()) == 3
    for block in blocks():
        compile(block, str(README), "exec")
