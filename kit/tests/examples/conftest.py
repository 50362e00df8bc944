"""The examples as a person starts them: processes of their own, and what they talk to, all of it over real sockets."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from harness import Harness, Servers
from harness import running as running_identry
from services.databases import create_database, migrated_database
from services.ports import free_port
from services.program import Running, is_open, started, wait_for
from services.redis import RedisServer
from standin.server import running as serving
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from identry.core.embedded import EmbeddedPostgres
from identry_kit.testing import Issuer

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples"
UVICORN = [sys.executable, "-W", "error", "-m", "uvicorn", "--factory", "--no-access-log"]


@dataclass
class Service:
    """A running example. `seen` are the tokens it was sent, none of which may be in what it writes."""

    url: str
    process: Running
    http: httpx2.AsyncClient
    seen: set[str] = field(default_factory=set)

    async def __call__(self, method: str, path: str, token: str = "", **request: Any) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.seen |= {token} - {""}
        url = self.url + path
        return await self.http.request(method, url, headers=headers | request.pop("headers", {}), **request)


@asynccontextmanager
async def services(folder: Path, **environments: dict[str, str]) -> AsyncIterator[dict[str, Service]]:
    """The services that `environments` name, started together, each with its environment."""
    found: dict[str, Service] = {}
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx2.AsyncClient(timeout=90))
        for name, variables in environments.items():
            port, home = free_port(), folder / name
            home.mkdir()
            arguments = (f"{name}_service.service:create_app", "--port", str(port))
            process = stack.enter_context(
                started(*arguments, cwd=home, program=UVICORN, PYTHONPATH=str(EXAMPLES), **variables)
            )
            found[name] = Service(f"http://127.0.0.1:{port}", process, http)
        for service in found.values():
            port = int(service.url.rpartition(":")[2])
            wait_for(service.process, lambda port=port: is_open(port))
        yield found
        for service in found.values():
            assert service.process.end() in {0, -15}
            output = service.process.output
            assert "Application shutdown complete" in output, output
            assert not [token for token in service.seen if token in output]


@pytest.fixture(scope="session")
def issuer() -> Iterator[Issuer]:
    with Issuer(audience="orders") as issuer:
        yield issuer


@dataclass
class AI:
    """An AI provider that speaks Anthropic's protocol."""

    url: str = ""
    status: int = 200
    prompts: list[str] = field(default_factory=list)

    async def messages(self, request: Request) -> Response:
        body = await request.json()
        self.prompts.append(body["messages"][0]["content"])
        text = {"type": "text", "text": f"Text {len(self.prompts)}."}
        usage = {"input_tokens": 1, "output_tokens": 1}
        answer = {"id": "m", "type": "message", "role": "assistant", "content": [text], "model": "m", "usage": usage}
        return JSONResponse(answer if self.status == 200 else {"error": "no"}, self.status)


@pytest.fixture(scope="session")
def ai() -> Iterator[AI]:
    ai = AI()
    with serving(Starlette(routes=[Route("/v1/messages", ai.messages, methods=["POST"])])) as (urls, _):
        ai.url = urls[0]
        yield ai


@pytest.fixture(scope="session")
async def both(
    issuer: Issuer, ai: AI, postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[dict[str, Service]]:
    """The two services with PostgreSQL and Redis behind them, and one with an AI; tokens are the test issuer's."""
    database = (await create_database(postgres.url)).replace("postgresql://", "postgresql+asyncpg://", 1)
    redis = RedisServer().start()
    try:
        told = {"JWT_ISSUER": issuer.issuer, "JWT_AUDIENCE": "orders", "JWKS_URL": issuer.jwks_url}
        told |= {"DATABASE_URL": database, "REDIS_URL": redis.url}
        with_ai = told | {"AI_API_KEY": "sk-example", "AI_URL": ai.url}
        async with services(
            tmp_path_factory.mktemp("services"), fastapi=with_ai, litestar=told | {"DOCS": "1"}
        ) as found:
            yield found
    finally:
        redis.stop()


@pytest.fixture(params=["fastapi", "litestar"])
def service(request: pytest.FixtureRequest, both: dict[str, Service]) -> Service:
    return both[request.param]


@pytest.fixture(scope="session")
async def identry(postgres: EmbeddedPostgres) -> AsyncIterator[Harness]:
    """The real identity server, on a port, with a database of its own."""
    url = await migrated_database(postgres.url)
    async with running_identry(Servers(url, ""), redis=False) as harness:
        yield harness


@pytest.fixture(scope="session")
async def beside_identry(identry: Harness, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """The service beside the real identity server, told where that is and to ask for sessions, and nothing else."""
    told = {"JWKS_URL": f"{identry.base_url}/.well-known/jwks.json", "SESSION_URL": identry.base_url, "DOCS": "1"}
    async with services(tmp_path_factory.mktemp("beside"), fastapi=told) as found:
        yield found["fastapi"]
