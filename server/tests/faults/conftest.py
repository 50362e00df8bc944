"""Engines that tests may hurt, and servers on them; a module's own, so that no pain leaks into others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from services.redis import RedisServer

from faults.journal import Crowd, people
from faults.postgres import FragilePostgres
from faults.proxy import FaultProxy
from faults.replicas import ADMIN, PASSWORD, Fleet, Replica, fleet


@dataclass
class Stage:
    """Two replicas on engines behind proxies.

    Attributes:
        postgres, redis: the engines.
        to_postgres, to_redis: the proxies before them.
        fleet: starts more replicas.
        replicas: those that run.
        admin: a client with the superadmin's token, of the first replica.
        people: addresses of users with `PASSWORD`.
    """

    postgres: FragilePostgres
    redis: RedisServer
    to_postgres: FaultProxy
    to_redis: FaultProxy
    fleet: Fleet
    replicas: list[Replica]
    admin: httpx2.AsyncClient
    people: list[str]

    def crowd(self, size: int = 12) -> Crowd:
        """That many people, ready to work on both replicas in turn."""
        return Crowd(lambda: [replica.base_url for replica in self.replicas], self.people[:size], PASSWORD)


@pytest.fixture(scope="module")
def stage_env() -> dict[str, str]:
    """Settings of the servers on the stage; a module overrides this fixture to change them."""
    return {}


@pytest.fixture(scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory, stage_env: dict[str, str]) -> AsyncIterator[Stage]:
    """The stage of a module."""
    folder: Path = tmp_path_factory.mktemp("stage")
    redis = RedisServer().start()
    try:
        async with (
            FragilePostgres(folder / "pg") as postgres,
            FaultProxy("127.0.0.1", postgres.port) as to_postgres,
            FaultProxy("127.0.0.1", redis.port) as to_redis,
            fleet(
                folder,
                DATABASE_URL=postgres.url_at(to_postgres.port),
                REDIS_URL=f"redis://127.0.0.1:{to_redis.port}/0",
                **stage_env,
            ) as servers,
        ):
            replicas = [await servers.start(), await servers.start()]
            async with httpx2.AsyncClient(base_url=replicas[0].base_url, timeout=30) as admin:
                reply = await admin.post("/auth/login", json={"email": ADMIN, "password": PASSWORD})
                assert reply.status_code == 200, reply.text
                token = reply.json()["data"]["accessToken"]
                admin.headers["Authorization"] = f"Bearer {token}"
                made = await people(admin, token, 24, PASSWORD)
                yield Stage(postgres, redis, to_postgres, to_redis, servers, replicas, admin, made)
    finally:
        redis.resume() if redis._process else None
        redis.stop()
