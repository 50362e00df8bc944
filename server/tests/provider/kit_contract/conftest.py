"""The kit's client, awaited and blocking, against this server: what `kit/tests/client` prepares of its stand-in."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from harness import PASSWORD, Harness
from provider.applications import App, application
from provider.callers import MANAGE, bearer, member, number_of, user_token
from provider.grants import REDIRECT, code_for

from identry_kit.client import BlockingClient, Client

_NAMES = ("bob", "eve", "carl", "dora", "fay", "gus", "no", "root", *(f"zoe{number}" for number in range(5)))


@dataclass
class Endpoint:
    """How to reach this server, and what was prepared there (the same face as in the kit's tests)."""

    base_url: str
    admin_base_url: str
    client_id: str
    client_secret: str
    app_id: str
    admin_id: int
    redirect_uri: str
    tokens: list[str]
    codes: list[str]

    def admin_token(self) -> str:
        """A fresh access token of an administrator of the application."""
        return self.tokens.pop()

    def code(self) -> str:
        """A fresh authorization code."""
        return self.codes.pop()

    def login(self) -> tuple[str, str]:
        """Address and password of an administrator of the platform."""
        return "root@example.com", PASSWORD

    def settings(self) -> dict[str, Any]:
        named = ("base_url", "admin_base_url", "client_id", "client_secret", "app_id")
        return {name: getattr(self, name) for name in named}


async def _application(app: Harness) -> App:
    return await application(
        app,
        grant_types=["authorization_code", "refresh_token", "client_credentials"],
        redirect_uris=[REDIRECT],
        magic_link_url="https://web.example.com/magic",
        require_pkce=False,
    )


async def _let_reports_be_read(app: Harness, made: App, headers: dict[str, str]) -> None:
    """A policy that is only compared, as the stand-in's."""
    when = {"attr": "resource.type", "op": "eq", "value": "report"}
    rule = {"id": "reports", "effect": "allow", "actions": ["reports.*"], "when": when, "obligations": ["require_mfa"]}
    reply = await app.http.put(
        f"{MANAGE}/api/apps/{made.client.number}/policy",
        json={"rules": [rule], "mode": "shadow", "base_version": 0},
        headers=headers,
    )
    assert reply.status_code == 200, reply.text


@pytest.fixture
async def endpoint(app: Harness) -> Endpoint:
    """This server with a new application; whoever an earlier test made is gone."""
    await app.db.execute("DELETE FROM users WHERE email = ANY($1)", [f"{name}@example.com" for name in _NAMES])
    await app.make_user(email="root@example.com", global_role="PLATFORM_ADMIN")
    made = await _application(app)
    admin = await member(app, made, "admin", full_name="Ada Admin")
    await _let_reports_be_read(app, made, bearer(await user_token(app, admin, made.client)))
    scopes = ("openid", "email", "profile", "api")
    codes = [await code_for(app, admin, made, redirect_uri=REDIRECT, code_challenge=None) for _ in range(2)]
    return Endpoint(
        app.base_url,
        app.base_url + MANAGE,
        made.client.client_id,
        made.secret,
        str(made.client.number),
        await number_of(app, admin),
        REDIRECT,
        [await user_token(app, admin, made.client, scopes=scopes) for _ in range(3)],
        codes,
    )


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

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.client, name)
        if inspect.isgeneratorfunction(method):
            return lambda *args, **kwargs: self._walk(method, args, kwargs)
        return lambda *args, **kwargs: asyncio.to_thread(method, *args, **kwargs)

    @staticmethod
    async def _walk(method: Any, args: Any, kwargs: Any) -> AsyncIterator[Any]:
        walk, end = method(*args, **kwargs), object()
        while (item := await asyncio.to_thread(next, walk, end)) is not end:
            yield item


@pytest.fixture(params=["async", "blocking"])
async def make(request: pytest.FixtureRequest, app: Harness, endpoint: Endpoint) -> AsyncIterator[Callable[..., Any]]:
    """`make(**settings)`: a client of this server, of either kind, on behalf of an address that no limit has seen."""
    made: list[Any] = []

    def make(**settings: Any) -> Any:
        settings = {**endpoint.settings(), "retries": 0, **settings}
        client = Client(**settings) if request.param == "async" else Awaited(BlockingClient(**settings))
        made.append(client)
        return client.with_attribution(ip=app.fresh_ip())

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
