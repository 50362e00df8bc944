"""A secret as it may turn up where it does not belong."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus

from redis.asyncio import Redis

from identry.core.db import Database


def disguises(canary: str) -> set[str]:
    """A secret as a careless program may write it."""
    raw = canary.encode()
    return {
        canary,
        quote(canary, safe=""),
        quote_plus(canary),
        json.dumps(canary)[1:-1],
        repr(canary)[1:-1],
        raw.hex(),
        base64.b64encode(raw).decode().rstrip("="),
        base64.urlsafe_b64encode(raw).decode().rstrip("="),
        canary[::-1],
        canary[4:-4],
    }


async def everything_at_rest(db: Database, redis_url: str) -> str:
    """All that a stolen copy of PostgreSQL and Redis would show: each row of each table, each key with its value."""
    tables = await db.fetch(
        "SELECT c.oid::regclass::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname = 'public'"
    )
    found = [row["t"] for table in tables for row in await db.fetch(f"SELECT t::text FROM {table['name']} t")]
    assert {"users", "sessions", "one_time_tokens", "mail_outbox", "auth_audit_logs"} <= {t["name"] for t in tables}
    async with Redis.from_url(redis_url) as redis:
        keys = [key async for key in redis.scan_iter(count=1000)]
        found += [str([key, await _value(redis, key)]) for key in keys]
    assert keys, "limits, at least"
    return "\n".join(found)


async def _value(redis: Redis, key: bytes) -> object:
    match await redis.type(key):
        case b"string":
            return await redis.get(key)
        case b"zset":
            return await redis.zrange(key, 0, -1)
        case b"hash":
            return await redis.hgetall(key)
        case b"list":
            return await redis.lrange(key, 0, -1)
        case b"set":
            return await redis.smembers(key)
        case b"none":  # expired since it was listed
            return None
        case other:
            raise AssertionError(f"Redis holds a {other!r}: {key!r}")
