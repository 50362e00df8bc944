"""Databases of one's own on a PostgreSQL that tests share; nobody drops them, the server ends with the run."""

from __future__ import annotations

import secrets
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from identry.core.migrate import migrate_up

_TEMPLATE = "migrated_template"


def with_database(url: str, name: str) -> str:
    """The URL of another database on the same server."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"/{name}"))


async def create_database(postgres_url: str, schema: str = "") -> str:
    """A new database on the server of `postgres_url`, empty but for what `schema` makes; returns its URL."""
    url = with_database(postgres_url, f"db_{secrets.token_hex(6)}")
    await _create(postgres_url, url)
    if schema:
        connection = await asyncpg.connect(url)
        await connection.execute(schema)
        await connection.close()
    return url


async def migrated_database(postgres_url: str) -> str:
    """A new database with all tables of this release; returns its URL.

    The first of a server is migrated, the others are copies of it.
    """
    template = with_database(postgres_url, _TEMPLATE)
    try:
        await _create(postgres_url, template)
    except asyncpg.DuplicateDatabaseError:
        pass
    else:
        await migrate_up(template)
    url = with_database(postgres_url, f"db_{secrets.token_hex(6)}")
    await _create(postgres_url, url, f" TEMPLATE {_TEMPLATE}")
    return url


async def _create(postgres_url: str, url: str, template: str = "") -> None:
    connection = await asyncpg.connect(postgres_url)
    try:
        await connection.execute(f'CREATE DATABASE "{urlsplit(url).path[1:]}"{template}')
    finally:
        await connection.close()
