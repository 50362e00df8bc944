"""The application in processes of its own, for races that one process would only pretend to run."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx2
from harness import BASE_ENV, Servers
from services.ports import free_port


@asynccontextmanager
async def _instance(environment: dict[str, str]) -> AsyncIterator[httpx2.AsyncClient]:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "--factory", "identry.app:create", "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--log-level", "warning", "--no-access-log", "--timeout-keep-alive", "300"],
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
    )
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
    try:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60, limits=limits) as client:
            await _wait_until_ready(client, process)
            yield client
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, 60)


async def _wait_until_ready(client: httpx2.AsyncClient, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        assert process.poll() is None, "the instance did not start"
        try:
            if (await client.get("/ready")).status_code == 200:
                return
        except httpx2.TransportError:
            pass
        await asyncio.sleep(0.05)
    raise AssertionError("the instance did not become ready")


@asynccontextmanager
async def instances(servers: Servers, count: int, **env: str) -> AsyncIterator[list[httpx2.AsyncClient]]:
    """Clients of `count` running processes that share PostgreSQL and Redis."""
    environment = {**BASE_ENV, "DATABASE_URL": servers.postgres_url, "REDIS_URL": servers.redis_url, **env}
    async with AsyncExitStack() as stack:
        starting = [stack.enter_async_context(_instance(environment)) for _ in range(count)]
        yield [await started for started in starting]
