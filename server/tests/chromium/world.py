"""The app's page, the API and a browser, each at its own address, and the people who use them.

The page is at `http://localhost:<one port>`, the API at `http://localhost:<another>`: two origins of one site, as
`app.example.com` and `auth.example.com` are. `http://elsewhere.test:<page's port>` is a page of another site.
"""

from __future__ import annotations

import asyncio
import json
import mimetypes
import secrets
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from harness import Harness, Person, Servers, running
from services.ports import free_port

from chromium.devtools import DevTools, Tab

PAGES = Path(__file__).parent
_PAGE = PAGES / "page"


class Front:
    """Stands before the API as a proxy would: names the visitor's address, and can make requests meet.

    Attributes:
        address: that the API is told; another one for each test, because limits are counted by it.
        seen: method, path and cookie header of every request, oldest first.
    """

    def __init__(self) -> None:
        self.address = ""
        self.seen: list[tuple[str, str, str]] = []
        self._meeting: tuple[str, asyncio.Barrier] | None = None

    @contextmanager
    def meeting(self, path: str, parties: int) -> Iterator[None]:
        """Requests of this path go on only once so many of them are here: then all at once."""
        self._meeting = path, asyncio.Barrier(parties)
        try:
            yield
        finally:
            self._meeting = None

    def before(self, app: Any) -> Callable[..., Awaitable[None]]:
        """The ASGI application behind it."""

        async def serve(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                told = dict(scope["headers"])
                self.seen.append((scope["method"], scope["path"], told.get(b"cookie", b"").decode()))
                scope = {**scope, "headers": [*scope["headers"], (b"x-forwarded-for", self.address.encode())]}
                if self._meeting and (scope["method"], scope["path"]) == ("POST", self._meeting[0]):
                    await self._meeting[1].wait()
            await app(scope, receive, send)

        return serve


@contextmanager
def site(port: int, told: dict[str, Any], page: Path = _PAGE, files: dict[str, Path] | None = None) -> Iterator[None]:
    """Serve a page on a port: every path that is no file is the app itself, as single-page apps are served.

    `told` is its `/config.json`; `files` are further ones, by their names.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/config.json":
                kind, body = "application/json", json.dumps(told).encode()
            else:
                file = page / path.lstrip("/")
                file = file if file.is_file() and file.parent == page else page / "index.html"
                file = (files or {}).get(path[1:], file)
                kind, body = mimetypes.guess_type(file.name)[0] or "text/plain", file.read_bytes()
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Referrer-Policy", "no-referrer")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Visitor:
    """One person's browser: a profile with cookies of its own.

    Attributes:
        app_url: where the page is.
        api_url: where the API is.
    """

    devtools: DevTools
    profile: str
    app_url: str
    api_url: str

    async def tab(self, url: str = "") -> Tab:
        """A new tab at an address; the app's page if none is named, and then ready to be used."""
        tab = await self.devtools.tab(self.profile)
        await tab.goto(url or self.app_url)
        if not url:
            await tab.until("document.querySelector('#view').dataset.view !== 'loading'")
        return tab

    async def signed_in(self, person: Person) -> Tab:
        """A tab in which this person is signed in with the password alone."""
        tab = await self.tab()
        await sign_in(tab, person)
        await sees(tab, "account")
        return tab

    async def cookie(self, tab: Tab) -> dict[str, Any] | None:
        """The refresh cookie as the browser keeps it."""
        found = [c for c in await tab.cookies(f"{self.api_url}/api/v1/auth/refresh") if c["name"] == "refresh_token"]
        return found[0] if found else None


@dataclass
class World:
    """Everything.

    Attributes:
        app: the API, with its database and clock.
        front: stands before it.
        app_url, api_url: the two origins.
        foreign_url: the same page, at an origin that the API does not know.
    """

    app: Harness
    front: Front
    devtools: DevTools
    app_url: str
    api_url: str
    foreign_url: str

    async def visitor(self) -> Visitor:
        """Somebody's browser."""
        return Visitor(self.devtools, await self.devtools.profile(), self.app_url, self.api_url)


@asynccontextmanager
async def at_ports(
    servers: Servers,
    devtools: DevTools,
    *,
    page: Path = _PAGE,
    told: dict[str, Any] | None = None,
    files: dict[str, Path] | None = None,
    **env: Any,
) -> AsyncIterator[World]:
    """API and page served; `env` adds to the API's environment (or to what else `running` takes)."""
    front, page_port, api_port = Front(), free_port(), free_port()
    app_url, api_url = f"http://localhost:{page_port}", f"http://localhost:{api_port}"
    urls = {"API_PUBLIC_URL": api_url, "OAUTH_ISSUER": api_url, "APP_BASE_URL": app_url, "ALLOW_ORIGINS": app_url}
    own: dict[str, Any] = {**urls, **env}
    async with running(servers, port=api_port, front=front.before, **own) as app:
        with site(page_port, {"api": api_url} if told is None else told, page, files):
            yield World(app, front, devtools, app_url, api_url, f"http://elsewhere.test:{page_port}")


def new_address() -> str:
    """A client address that no limit has seen."""
    return f"2001:db8:{secrets.token_hex(2)}:{secrets.token_hex(2)}::1"


_SHOWN = "document.querySelector('#view').dataset"


async def sees(tab: Tab, view: str) -> None:
    """Wait until the page shows a view."""
    await tab.until(f"{_SHOWN}.view === '{view}'")


async def problem(tab: Tab) -> str:
    """Wait until the page tells a problem; its code."""
    return str(await tab.until("document.querySelector('#problem').textContent"))


async def sign_in(tab: Tab, person: Person) -> None:
    """Fill in the form and send it."""
    await tab.fill("form[data-do=signIn] [name=email]", person.email)
    await tab.fill("form[data-do=signIn] [name=password]", person.password)
    await tab.click("form[data-do=signIn] button")


async def give(tab: Tab, code: str) -> None:
    """Type a code of a second factor, and send it."""
    await tab.fill("[name=code]", code)
    await tab.click("#view form button")


async def me(tab: Tab) -> dict[str, Any]:
    """What the account page shows."""
    return dict(json.loads(await tab.text("#me")))


async def press(tab: Tab, action: str) -> None:
    """Press a button of the account page, and wait for what comes of it."""
    before = await tab.run(f"{_SHOWN}.shown ?? ''")
    await tab.click(f"[data-do={action}]")
    told = "document.querySelector('#problem').textContent !== ''"
    await tab.until(f"{_SHOWN}.view !== 'account' || {_SHOWN}.shown !== '{before}' || {told}")
