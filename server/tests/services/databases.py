"""Databases of one's own on a PostgreSQL that tests share."""

from __future__ import annotations

import secrets
from urllib.parse import urlsplit, urlunsplit

import asyncpg


def with_database(url: str, name: str) -> str:
    """The URL of another database on the same server."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"/{name}"))


async def create_database(postgres_url: str, schema: str = "") -> str:
    """A new database on the server of `postgres_url`; returns its URL."""
    name = f"db_{secrets.token_hex(6)}"
    connection = await asyncpg.connect(postgres_url)
    await connection.execute(f'CREATE DATABASE "{name}"')
    await connection.close()
    url = with_database(postgres_url, name)
    if schema:
        connection = await asyncpg.connect(url)
        await connection.execute(schema)
        await connection.close()
    return url
