"""What the client's tests call: an identity server (a stand-in, started once), and both clients behind one face.

`endpoint` is all that the tests of the contract know of the server; to run them against another one, replace it.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from standin.faults import Faults
from standin.provider import ADMIN, APP_ID, CLIENT_ID, CLIENT_SECRET, Provider, admin_app, public_app
from standin.server import running

from identry_kit.client import BlockingClient, Client


class _Switch:
    """The applications that are served: those of the present test's provider."""

    def __init__(self) -> None:
        self.provider: Provider | None = None
        self.apps: dict[str, Any] = {}

    def use(self, provider: Provider) -> None:
        self.provider = provider
        self.apps = {
            "public": provider.around(public_app(provider), "public"),
            "admin": provider.around(admin_app(provider), "admin"),
        }

    def app(self, port: str) -> Any:
        async def serve(scope: Any, receive: Any, send: Any) -> None:
            await self.apps[port](scope, receive, send)

        return serve


@pytest.fixture(scope="session")
def standin() -> Iterator[tuple[_Switch, list[str], asyncio.AbstractEventLoop]]:
    switch = _Switch()
    with running(switch.app("public"), switch.app("admin")) as (urls, loop):
        yield switch, urls, loop
        if switch.provider is not None:
            switch.provider.release()


@dataclass
class Endpoint:
    """How to reach an identity server, and what somebody prepared there."""

    base_url: str
    admin_base_url: str
    client_id: str
    client_secret: str
    app_id: str
    admin_token: Callable[[], str]
    """A fresh access token of an administrator of the application."""
    admin_id: int
    code: Callable[[], str]
    """A fresh authorization code for `redirect_uri`."""
    redirect_uri: str
    login: Callable[[], tuple[str, str]]
    """Address and password of a global administrator."""

    def settings(self) -> dict[str, Any]:
        return {
            "base_url": self.base_url,
            "admin_base_url": self.admin_base_url,
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "app_id": self.app_id,
        }


@pytest.fixture
def provider(standin: Any) -> Iterator[Provider]:
    """A fresh stand-in; whatever still waits in it is let go at the end."""
    switch, urls, loop = standin
    provider = Provider()
    provider.loop = loop
    provider.urls = urls
    switch.use(provider)
    yield provider
    Faults.release(provider)


@pytest.fixture
def endpoint(provider: Provider) -> Endpoint:
    base_url, admin_base_url = provider.urls

    def login() -> tuple[str, str]:
        provider.add("root@example.com", "admin", password="correct horse battery")
        return "root@example.com", "correct horse battery"

    return Endpoint(
        base_url, admin_base_url, CLIENT_ID, CLIENT_SECRET, str(APP_ID), provider.user_token, ADMIN,
        provider.code, "http://localhost/callback", login,
    )  # fmt: skip


class Awaited:
    """A blocking client whose calls are awaited: each runs in a thread, in the caller's context."""

    def __init__(self, client: BlockingClient) -> None:
        self.client = client

    def with_jwt(self, token: str) -> Awaited:
        return Awaited(self.client.with_jwt(token))

    def with_attribution(self, **who: str) -> Awaited:
        return Awaited(self.client.with_attribution(**who))

    async def aclose(self) -> None:
        self.client.close()

    def __repr__(self) -> str:
        return repr(self.client)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.client, name)
        if inspect.isgeneratorfunction(method):
            return lambda *args, **kwargs: self._walk(method, args, kwargs)
        return lambda *args, **kwargs: asyncio.to_thread(method, *args, **kwargs)

    @staticmethod
    async def _walk(method: Any, args: Any, kwargs: Any) -> AsyncIterator[Any]:
        walk = method(*args, **kwargs)
        end = object()
        while (item := await asyncio.to_thread(next, walk, end)) is not end:
            yield item


class Naps:
    """Instead of sleeping: writes down how long, and does what a test wants to happen meanwhile."""

    def __init__(self) -> None:
        self.taken: list[float] = []
        self.meanwhile: Callable[[], None] | None = None

    def nap(self, seconds: float) -> None:
        self.taken.append(seconds)
        if self.meanwhile is not None:
            self.meanwhile()

    async def anap(self, seconds: float) -> None:
        self.nap(seconds)


@pytest.fixture
def naps() -> Naps:
    return Naps()


@pytest.fixture(params=["async", "blocking"])
async def make(request: pytest.FixtureRequest, endpoint: Endpoint, naps: Naps) -> AsyncIterator[Callable[..., Any]]:
    """`make(**settings)`: a client of the endpoint, of either kind, with the same face; `retries` is 0 unless said."""
    made: list[Any] = []

    def make(**settings: Any) -> Any:
        settings = {**endpoint.settings(), "retries": 0, **settings}
        client = (
            Client(**settings, sleep=naps.anap)
            if request.param == "async"
            else Awaited(BlockingClient(**settings, sleep=naps.nap))
        )
        made.append(client)
        return client

    yield make
    for client in made:
        await client.aclose()


@pytest.fixture
def client(make: Callable[..., Any]) -> Any:
    return make()


@pytest.fixture
def admin(client: Any, endpoint: Endpoint) -> Any:
    """The client in the name of an administrator of the application."""
    return client.with_jwt(endpoint.admin_token())
