"""The engines of a run, and the accounts, sessions and tokens that a load needs."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_urlsafe
from uuid import UUID

import asyncpg
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bench import seed
from identry.core import jose
from identry.core.clock import SystemClock
from identry.core.embedded import EmbeddedPostgres
from identry.core.passwords import Argon2Params, argon
from identry.core.secrets import root_secret
from identry.settings import load
from identry.tokens import Grant, RefreshTokens, TokenMint

PASSWORD = "correct horse battery staple"
REAL = Argon2Params(3, 65536, 4, 32)
TRIVIAL = Argon2Params(1, 8, 1, 16)
"""Where the hash is not what is measured."""

POSTGRES = {"shared_buffers": "1GB", "max_wal_size": "8GB"}
"""As an operator sets it: memory for the tables that are in use, no checkpoint every few seconds of load."""

_SECRET = token_urlsafe(48)


@dataclass(frozen=True, slots=True)
class Person:
    """A session with its tokens."""

    email: str
    session_id: UUID
    access_token: str
    refresh_token: str


class World:
    """PostgreSQL, Redis when there is one, keys, databases."""

    def __init__(self, folder: Path, postgres: EmbeddedPostgres, redis_url: str) -> None:
        self.folder = folder
        self.redis_url = redis_url
        self._postgres = postgres
        key = rsa.generate_private_key(65537, 2048)
        self._pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()

    def environment(self, url: str, *, workers: int, redis: bool, params: Argon2Params = REAL) -> dict[str, str]:
        """What `identry serve` gets: production, every client address its own."""
        return {
            "APP_ENV": "production" if redis else "development",
            "DATABASE_URL": url,
            "REDIS_URL": self.redis_url if redis else "",
            "WORKERS": str(workers),
            "HOST": "127.0.0.1",
            "SECRET_KEY": _SECRET,
            "JWT_SIGNING_KEY_PEM": self._pem,
            "JWT_ISSUER": "https://auth.bench.example",
            "ACCESS_TOKEN_TTL": "15m",
            "TRUSTED_PROXY_CIDRS": "127.0.0.0/8",
            "FRONTEND_URL": "https://app.bench.example",
            "EMAIL_ENABLED": "false",
            "ARGON2_TIME": str(params.time),
            "ARGON2_MEMORY": str(params.memory),
            "ARGON2_THREADS": str(params.threads),
            "ARGON2_KEYLEN": str(params.key_length),
            "METRICS_PORT": "0",
            "ADMIN_PORT": "0",
        }

    async def database(self, name: str, *, users: int, sessions: int, params: Argon2Params) -> str:
        """A database of its own, filled; returns its URL."""
        url = self._postgres.url.replace("/identry?", f"/{name}?")
        connection = await asyncpg.connect(self._postgres.url)
        await connection.execute(f"CREATE DATABASE {name}")
        await connection.close()
        password_hash = argon.make_hash(PASSWORD.encode(), params)
        await seed.seed(url, users=users, sessions=sessions, password_hash=password_hash)
        return url

    async def people(self, url: str, count: int) -> list[Person]:
        """Live sessions from all over the table, each with a current refresh token and an access token."""
        settings = load(self.environment(url, workers=1, redis=bool(self.redis_url)))
        tokens = RefreshTokens(root_secret(_SECRET, self._pem))
        key = jose.load_private_pem(self._pem, settings.jwt_kid)
        mint = TokenMint(
            lambda: key,
            issuer=settings.jwt_issuer,
            audience=settings.jwt_audience,
            access_ttl=settings.access_token_ttl,
            clock=SystemClock(),
        )
        connection = await asyncpg.connect(url)
        rows = await connection.fetch(
            """
            SELECT s.id, s.user_id, s.auth_time, s.expires_at, u.email FROM (
                SELECT * FROM sessions WHERE revoked_at IS NULL AND expires_at > now() + interval '1 hour'
                AND random() < (SELECT 6.0 * $1 / greatest(count(*), 1) FROM sessions) LIMIT $1
            ) s JOIN users u ON u.id = s.user_id
            """,
            count,
        )
        people, updates = [], []
        for row in rows:
            refresh = tokens.new(row["id"])
            grant = Grant(row["id"], row["user_id"], "NONE", 1, ["pwd"], row["auth_time"], row["expires_at"])
            people.append(Person(row["email"], row["id"], await mint.access_token(grant), refresh.raw))
            updates.append((row["id"], refresh.hash))
        await connection.executemany(
            "UPDATE sessions SET refresh_token_hash = $2, refresh_generation = 0, predecessor_hash = NULL"
            " WHERE id = $1",
            updates,
        )
        await connection.close()
        return people


@contextmanager
def world(*, options: dict[str, str] | None = None) -> Iterator[World]:
    """Engines in a folder of their own, for the length of a run."""
    folder = Path(tempfile.mkdtemp(prefix="identry-bench-"))
    postgres = EmbeddedPostgres(folder / "postgres", options={**POSTGRES, **(options or {})})
    redis = None
    try:
        postgres.start()
        port = free_port()
        if executable := shutil.which("redis-server") or shutil.which("valkey-server"):
            command = [executable, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
            redis = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            wait_for_port(port)
        yield World(folder, postgres, f"redis://127.0.0.1:{port}/0" if redis else "")
    finally:
        if redis is not None:
            redis.terminate()
            redis.wait()
        postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    """A loopback port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def wait_for_port(port: int, seconds: float = 30.0) -> None:
    """Return once somebody listens."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.005)
        else:
            return
    raise TimeoutError(f"nobody listens on port {port}")


def run(coroutine):  # type: ignore[no-untyped-def]
    """`asyncio.run` under a shorter name."""
    return asyncio.run(coroutine)
