"""A certified OpenID provider that others wrote (npm `oidc-provider`), as a process, and the ways to hurt it."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import time
from html import unescape
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx2
from wire import KeptConnections

from services.npm import require_packages
from services.ports import free_port

_HERE = Path(__file__).parent / "oidc_provider"
_FORM = re.compile(r'<form[^>]*action="([^"]+)"[^>]*method="post"')
_PROMPT = re.compile(r'name="prompt" value="(\w+)"')


class OpenIdProvider:
    """The process.

    Attributes:
        issuer: `http://127.0.0.1:…`; it stays the same over a restart.
    """

    def __init__(self, folder: Path) -> None:
        require_packages(_HERE)
        self.issuer = f"http://127.0.0.1:{free_port()}"
        self._log = folder / "provider.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._state: dict[str, Any] = {}

    def start(self) -> OpenIdProvider:
        """Start, with keys of its own, and whatever was set before."""
        with self._log.open("wb") as out:
            command = ["node", "provider.mjs", self.issuer]
            self._process = subprocess.Popen(command, cwd=_HERE, stdout=out, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 30
        while "ready" not in self._log.read_text():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the OpenID provider did not start: {self._log.read_text()[-500:]}")
            time.sleep(0.02)
        self.set(**self._state)
        return self

    def stop(self) -> None:
        """SIGKILL; connections are refused from now on."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def set(self, *, rotate: bool = False, **state: Any) -> list[str]:
        """Change it: `clients`, `accounts`, `conformIdTokenClaims`, `delay`, `answers`; `rotate`: new keys.

        Returns what it was asked since its start, as `GET /path`.
        """
        self._state.update(state)
        body = json.dumps({**state, **({"rotate": True} if rotate else {})})
        line = HTTPConnection(urlsplit(self.issuer).netloc, timeout=20)
        with contextlib.closing(line):
            line.request("POST", "/control", body, {"Content-Type": "application/json"})
            seen: list[str] = json.load(line.getresponse())["seen"]
        return seen

    def client(self, redirect_uri: str, **more: Any) -> dict[str, str]:
        """A registered client: its id and secret."""
        known = [c for c in self._state.get("clients", []) if c["client_id"] != more.get("client_id", "identry")]
        client = {"client_id": "identry", "client_secret": "s3cret of the client", **more}
        self.set(clients=[*known, {**client, "redirect_uris": [redirect_uri]}])
        return client

    def account(self, subject: str, **claims: Any) -> None:
        """Somebody who signs in there as `subject`."""
        self.set(accounts={**self._state.get("accounts", {}), subject: claims})


async def go_through(url: str, subject: str, *, stop: str) -> str:
    """Be the browser at the provider: sign in as `subject`, agree; returns the address beginning with `stop`."""
    async with httpx2.AsyncClient(transport=KeptConnections(), timeout=20) as browser:
        reply = await browser.get(url)
        for _ in range(20):
            while reply.is_redirect:
                target = urljoin(str(reply.url), reply.headers["location"])
                if target.startswith(stop):
                    return target
                reply = await browser.get(target)
            form, prompt = _FORM.search(reply.text), _PROMPT.search(reply.text)
            assert form, f"{reply.status_code} {reply.text[:500]}"
            assert prompt, reply.text[:500]
            fields = {"prompt": prompt[1], **({"login": subject, "password": "any"} if prompt[1] == "login" else {})}
            reply = await browser.post(urljoin(str(reply.url), unescape(form[1])), data=fields)
    raise AssertionError("the provider's pages never end")
