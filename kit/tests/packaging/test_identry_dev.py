"""The wheel alone, in an environment of its own, verifies a token from a running `identry dev`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
from services.program import dev

SERVICE = """
import asyncio, sys
import httpx2
from identry_kit.apierror import ServiceUnavailable
from identry_kit.jwtauth import InvalidToken, JWKSCache, Verifier

base_url, token, refresh_token = sys.argv[1:]

async def hook(token, claims):
    reply = await http.get("/auth/me", headers={"Authorization": f"Bearer {token}"})
    if reply.status_code >= 500:
        raise ServiceUnavailable
    reply.raise_for_status()

async def verdict(**options):
    expected = {"issuer": "auth.primuse.dev", "audience": "primuse-apps"}
    try:
        claims = await Verifier(keys, **(expected | options)).verify(token)
    except InvalidToken as error:
        print("refused:", error.reason)
    else:
        print(claims["globalRole"], *claims.amr)

async def main():
    global http, keys
    keys = JWKSCache(f"{base_url}/.well-known/jwks.json")
    async with httpx2.AsyncClient(base_url=base_url) as http:
        await verdict(revocation=hook)
        await verdict(issuer="https://auth.example.com")
        await verdict(audience="orders")
        (await http.post("/auth/logout", json={"refreshToken": refresh_token})).raise_for_status()
        await verdict(revocation=hook)
    await keys.aclose()

asyncio.run(main())
"""


def test_the_wheel_alone_verifies_a_token_of_identry_dev(clean: Callable[..., Any], tmp_path: Path) -> None:
    with dev(tmp_path) as (_, card):
        body = re.search(r"-d '(.*)'$", card["curl"])
        assert body is not None
        reply = httpx2.post(f"{card['base_url']}/auth/login", json=json.loads(body[1])).json()["data"]
        done = clean().run("-c", SERVICE, card["base_url"], reply["accessToken"], reply["refreshToken"])
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "PLATFORM_SUPERADMIN pwd",
        "refused: issuer",
        "refused: audience",
        "refused: revoked",
    ]
