"""Engines that tests may hurt, and servers on them; not those of the other tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from services.program import CALM
from services.redis import RedisServer

from faults.journal import Crowd, people
from faults.postgres import FragilePostgres
from faults.proxy import FaultProxy
from faults.replicas import ADMIN, PASSWORD, Fleet, Replica, fleet, until_ready


@dataclass
class Stage:
    """Two replicas on engines behind proxies.

    Attributes:
        postgres, redis: the engines.
        to_postgres, to_redis: the proxies before them.
        fleet: starts more replicas.
        replicas: those that run.
        admin: a client with the superadmin's token, of the first replica.
        people: addresses of users with `PASSWORD`, whose sessions end by logout alone: the books count them.
        others: more of them, whose sessions may end in any way.
    """

    postgres: FragilePostgres
    redis: RedisServer
    to_postgres: FaultProxy
    to_redis: FaultProxy
    fleet: Fleet
    replicas: list[Replica]
    admin: httpx2.AsyncClient
    people: list[str]
    others: list[str]

    @property
    def direct(self) -> dict[str, str]:
        """Settings of a server that asks the engines themselves: the proxies share this process with the crowd."""
        return {"DATABASE_URL": self.postgres.url, "REDIS_URL": self.redis.url, **CALM}

    def crowd(self, size: int = 12) -> Crowd:
        """That many people, ready to work on both replicas in turn."""
        return Crowd(lambda: [replica.base_url for replica in self.replicas], self.people[:size], PASSWORD)


@pytest.fixture(scope="session")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """One stage for all; every test leaves its engines well and its replicas running."""
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
            ) as servers,
        ):
            replicas = [servers.launch(), servers.launch()]
            for replica in replicas:
                await until_ready(replica)
            async with httpx2.AsyncClient(base_url=replicas[0].base_url, timeout=30) as admin:
                reply = await admin.post("/auth/login", json={"email": ADMIN, "password": PASSWORD})
                assert reply.status_code == 200, reply.text
                token = reply.json()["data"]["accessToken"]
                admin.headers["Authorization"] = f"Bearer {token}"
                made = await people(admin, token, 18, PASSWORD)
                yield Stage(postgres, redis, to_postgres, to_redis, servers, replicas, admin, made[:12], made[12:])
    finally:
        redis.resume() if redis._process else None
        redis.stop()
