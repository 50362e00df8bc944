"""The limits: endpoints that do one thing on the stack that Identry stands on, and nothing else.

`python -m bench.limits --port 4000 --workers 2 --url postgresql://…` serves them with Identry's own server settings.
"""

from __future__ import annotations

import argparse
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from granian.constants import Loops
from granian.log import LogLevels
from granian.server.mp import MPServer
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from bench import provider_limits
from identry.cli.granian_options import options

_URL = "BENCH_LIMITS_URL"
ROWS = 10_000
_TOKEN = "x" * 91


async def hello(_request: Request) -> PlainTextResponse:
    """What Starlette's own front page shows."""
    return PlainTextResponse("Hello, world!")


async def one_row(request: Request) -> JSONResponse:
    """One row by its key, through asyncpg's pool as its manual shows it."""
    return await _one_row(request.app.state.pool)


async def one_row_unreset(request: Request) -> JSONResponse:
    """The same through a pool that resets nothing: one round trip instead of two."""
    return await _one_row(request.app.state.unreset)


async def _one_row(pool: Any) -> JSONResponse:
    row = await pool.fetchrow("SELECT id, email, full_name FROM bench_rows WHERE id = $1", _random_id())
    return JSONResponse({"id": str(row["id"]), "email": row["email"], "fullName": row["full_name"]})


async def sign_and_commit(request: Request) -> JSONResponse:
    """One RSA-2048 signature and one UPDATE … RETURNING that commits."""
    row = await request.app.state.unreset.fetchrow(
        "UPDATE bench_rows SET n = n + 1 WHERE id = $1 RETURNING id, n", _random_id()
    )
    signature = request.app.state.key.sign(b"x" * 400, padding.PKCS1v15(), hashes.SHA256())
    # Of the shape that the driver reads the next token from: it does the same for both sides.
    return JSONResponse({"data": {"id": str(row["id"]), "refreshToken": _TOKEN, "signature": signature.hex()}})


async def verify_and_commit(request: Request) -> JSONResponse:
    """One RSA-2048 signature and one transaction of what a finished second step must write, each row by its key: the
    factor, its ticket and the user change, a session and two events are added."""
    user = _random_id()
    async with request.app.state.unreset.acquire() as connection, connection.transaction():
        for column in ("n", "ticket", "login"):
            await connection.execute(f"UPDATE bench_rows SET {column} = {column} + 1 WHERE id = $1", user)
        for _ in range(3):
            await connection.execute(
                "INSERT INTO bench_events (id, row_id, told) VALUES ($1, $2, $3)", uuid4(), user, _TOKEN
            )
    signature = request.app.state.key.sign(b"x" * 400, padding.PKCS1v15(), hashes.SHA256())
    return JSONResponse({"id": str(user), "signature": signature.hex()})


def _random_id() -> UUID:
    return UUID(int=random.randrange(ROWS))


async def _keep(_connection: object) -> None: ...


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    url = os.environ[_URL]
    app.state.key = rsa.generate_private_key(65537, 2048)
    app.state.signers = provider_limits.signers()
    app.state.sheet = provider_limits.sheet()
    async with (
        asyncpg.create_pool(url, min_size=2, max_size=10) as app.state.pool,
        asyncpg.create_pool(url, min_size=2, max_size=10, reset=_keep) as app.state.unreset,
    ):
        yield


def create() -> Starlette:
    """The application."""
    return Starlette(
        routes=[
            Route("/hello", hello),
            Route("/one-row", one_row),
            Route("/one-row-unreset", one_row_unreset),
            Route("/sign-and-commit", sign_and_commit, methods=["POST"]),
            Route("/verify-and-commit", verify_and_commit, methods=["POST"]),
            *provider_limits.ROUTES,
        ],
        lifespan=_lifespan,
    )


async def prepare(url: str) -> None:
    """The table of the endpoints above: as many rows as the smallest world has users."""
    connection = await asyncpg.connect(url)
    await connection.execute(
        "CREATE TABLE IF NOT EXISTS bench_rows (id uuid PRIMARY KEY, email text, full_name text, n int DEFAULT 0,"
        " ticket int DEFAULT 0, login int DEFAULT 0) WITH (fillfactor = 70)"
    )
    await connection.execute("CREATE TABLE IF NOT EXISTS bench_events (id uuid PRIMARY KEY, row_id uuid, told text)")
    for table in provider_limits.TABLES:
        await connection.execute(table)
    await connection.copy_records_to_table(
        "bench_rows",
        records=[(UUID(int=i), f"user-{i}@bench.example", f"User Number {i}", 0) for i in range(ROWS)],
        columns=["id", "email", "full_name", "n"],
    )
    await connection.execute("VACUUM ANALYZE bench_rows")
    await connection.close()


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--url", required=True)
    given = parser.parse_args()
    os.environ[_URL] = given.url
    server = MPServer(
        "bench.limits:create",
        address="127.0.0.1",
        port=given.port,
        workers=given.workers,
        loop=Loops.uvloop,
        factory=True,
        log_level=LogLevels.warning,
        **options(),
    )
    server.serve()


if __name__ == "__main__":
    main()
