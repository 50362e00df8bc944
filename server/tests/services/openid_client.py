"""Relying parties that others wrote, from npm: `openid-client` as a process, `oidc-client-ts` for a page."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from services.npm import require_packages

FOLDER = Path(__file__).parent / "npm_clients"
BROWSER_LIBRARY = FOLDER / "node_modules" / "oidc-client-ts" / "dist" / "browser" / "oidc-client-ts.min.js"


class Failed(Exception):
    """The library refused something; `told` is what it said."""

    def __init__(self, told: dict[str, Any]) -> None:
        super().__init__(str(told))
        self.told = told


class OpenIdClient:
    """npm `openid-client` with a client of ours.

    Args:
        told: `issuer`, `behind`, `client_id`, `client_secret`, `redirect_uri`, `method` (`basic`, `post`, `none`,
            `key`), `now`.
    """

    def __init__(self, **told: Any) -> None:
        require_packages(FOLDER)
        self._told = told
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> OpenIdClient:
        self._process = await asyncio.create_subprocess_exec(
            "node",
            str(FOLDER / "openid_client.mjs"),
            json.dumps(self._told),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=1 << 20,
        )
        assert await self._line() == {"ready": True}
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    async def do(self, action: str, **told: Any) -> dict[str, Any]:
        """Have it do something; what came of it.

        Raises:
            Failed: the library threw.
        """
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": action, **told}).encode() + b"\n")
        answer = await self._line()
        if "failed" in answer:
            raise Failed(answer["failed"])
        done: dict[str, Any] = answer["ok"]
        return done

    async def _line(self) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), 40)
        assert line, "the client ended; what it said is above"
        answer: dict[str, Any] = json.loads(line)
        return answer
