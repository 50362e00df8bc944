"""Production servers as an operator runs them: `identry serve`, several, on one PostgreSQL and one Redis."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from harness import SIGNING_PEM
from services.ports import free_port
from services.program import Running, started

PASSWORD = "correct horse battery staple"
MACHINE_KEY = "machine-" + "m" * 32
ADMIN = "root@example.com"

PRODUCTION = {
    "JWT_SIGNING_KEY_PEM": SIGNING_PEM,
    "OAUTH_ISSUER": "https://auth.example.com",
    "ADMIN_PORT": "0",
    "SECRET_KEY": "only for tests: 0123456789 abcdefghijklmnopqrst",
    "INTERNAL_API_KEY": MACHINE_KEY,
    "BOOTSTRAP_ADMIN_EMAIL": ADMIN,
    "BOOTSTRAP_ADMIN_PASSWORD": PASSWORD,
    "HOST": "127.0.0.1",
    "WORKERS": "1",
    "DB_POOL_SIZE": "8",
    "SHUTDOWN_DELAY": "1s",
    "TRUSTED_PROXY_CIDRS": "127.0.0.0/8",
    "REFRESH_GRACE": "60s",
    "METRICS_PORT": "0",
    "HASH_QUEUE": "500",
    # As an operator has them who sets nothing.
    "REDIS_TIMEOUT": "200ms",
    "DATABASE_TIMEOUT": "1900ms",
}


@dataclass
class Replica:
    """One server.

    Attributes:
        running: its process (the supervisor) and its output.
        port: where it listens.
        env: what it was started with.
    """

    running: Running
    port: int
    env: dict[str, str]

    @property
    def base_url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"


class Fleet:
    """Replicas that can be added to; all end with the block that made the fleet."""

    def __init__(self, folder: Path, env: dict[str, str], stack: ExitStack) -> None:
        self._folder = folder
        self._env = {**PRODUCTION, **env}
        self._stack = stack

    async def start(self, *, port: int = 0, **more: str) -> Replica:
        """One more replica, ready."""
        replica = self.launch(port=port, **more)
        await until_ready(replica)
        return replica

    def launch(self, *, port: int = 0, **more: str) -> Replica:
        """One more replica, on its way."""
        port = port or free_port()
        home = self._folder / f"replica-{secrets.token_hex(3)}"
        home.mkdir()
        env = {**self._env, **more}
        running = self._stack.enter_context(started("serve", cwd=home, **env, PORT=str(port)))
        return Replica(running, port, env)


@asynccontextmanager
async def fleet(folder: Path, **env: str) -> AsyncIterator[Fleet]:
    """Start replicas inside the block."""
    with ExitStack() as stack:
        yield Fleet(folder, env, stack)


async def served(ask: Callable[[], Awaitable[Any]]) -> Any:
    """The first answer that is no 503, where no fault is on: a server that had no time for a moment may refuse.

    Raises:
        AssertionError: there was none.
    """
    for _ in range(200):
        reply = await ask()
        if reply.status_code != 503:
            return reply
        await asyncio.sleep(0.1)
    raise AssertionError(f"nothing is wrong, and yet nobody is served: {reply.text}")


async def until_ready(replica: Replica, seconds: float = 60.0) -> None:
    """Wait for `/ready`.

    Raises:
        AssertionError: it ended, or was not ready in time; with its output.
    """
    try:
        async with asyncio.timeout(seconds), httpx2.AsyncClient(base_url=replica.base_url, timeout=5) as client:
            while True:
                try:
                    if (await client.get("/ready")).status_code == 200:
                        return
                except httpx2.TransportError:
                    pass
                code = replica.running.process.poll()
                assert code is None, f"exit code {code}:\n{replica.running.output}"
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"not ready:\n{replica.running.output}") from None
