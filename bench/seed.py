"""Users and sessions in any number: `python -m bench.seed --users 1000000 --sessions 5000000 --url postgresql://…`.

Ids are UUIDv7 spread evenly over the last three months, so that months, indexes and pages look as they do after three
months of service. Sessions older than their horizon (30 days) are there as well, as they are until they are dropped.
Everything goes in by COPY, in as many connections as there are cores; then VACUUM ANALYZE.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from time import perf_counter, time

import asyncpg

from identry.core import partitions
from identry.core.db import Database
from identry.core.migrate import migrate_up

MONTHS = 3
HORIZON = timedelta(days=30)
_CHUNK = 5_000

_USERS = (
    "id, email, password_hash, full_name, global_role, is_active, approval_status, auth_provider, email_verified,"
    " mfa_enabled, token_version, created_at, updated_at"
)
_SESSIONS = "id, user_id, created_at, expires_at, auth_time, amr, token_version, refresh_token_hash, ip, user_agent"
_AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36"


def uuid_at(milliseconds: int, noise: random.Random) -> str:
    """A UUIDv7 of an instant, as text."""
    bits = noise.getrandbits(74)
    whole = f"{milliseconds:012x}7{bits >> 62:03x}{0x8 | bits >> 60 & 3:x}{bits & (1 << 60) - 1:015x}"
    return f"{whole[:8]}-{whole[8:12]}-{whole[12:16]}-{whole[16:20]}-{whole[20:]}"


def email_of(number: int) -> str:
    """The address of a user by number, from 0."""
    return f"user-{number:08d}@bench.example"


async def seed(url: str, *, users: int, sessions: int, password_hash: str) -> None:
    """Fill a database. An empty one: what is there already stays."""
    started = perf_counter()
    await migrate_up(url)
    await _months(url)
    now = time()
    parts = max(1, min(os.cpu_count() or 1, 4))
    bounds = [users * part // parts for part in range(parts + 1)]
    await asyncio.gather(
        *(_copy_users(url, range(bounds[i], bounds[i + 1]), users, now, password_hash) for i in range(parts))
    )
    ids = [_user_id(number, users, now) for number in range(users)]
    bounds = [sessions * part // parts for part in range(parts + 1)]
    await asyncio.gather(
        *(_copy_sessions(url, range(bounds[i], bounds[i + 1]), sessions, now, ids) for i in range(parts))
    )
    connection = await asyncpg.connect(url)
    for table in ("users", "sessions"):
        await connection.execute(f"VACUUM (ANALYZE) {table}")
    await connection.execute("CHECKPOINT")
    await connection.close()
    print(f"  seeded {users:,} users and {sessions:,} sessions in {perf_counter() - started:.0f} s", flush=True)


async def _months(url: str) -> None:
    db = await Database.connect(url, max_size=2)
    for back in range(MONTHS + 1):
        await partitions.ensure(db, datetime.now(UTC) - timedelta(days=31 * back))
    await db.close()


def _instant(number: int, total: int, now: float) -> float:
    return now - (MONTHS * 30 * 86400) * (1 - number / total)


def _user_id(number: int, total: int, now: float) -> str:
    return uuid_at(int(_instant(number, total, now) * 1000), random.Random(number))


async def _copy_users(url: str, numbers: range, total: int, now: float, password_hash: str) -> None:
    async def rows() -> AsyncIterator[bytes]:
        for start in range(numbers.start, numbers.stop, _CHUNK):
            lines = []
            for number in range(start, min(start + _CHUNK, numbers.stop)):
                at = datetime.fromtimestamp(_instant(number, total, now), UTC).isoformat()
                lines.append(
                    f"{_user_id(number, total, now)}\t{email_of(number)}\t{password_hash}\tUser Number {number}"
                    f"\tNONE\tt\tAPPROVED\tpassword\tt\tf\t1\t{at}\t{at}\n"
                )
            yield "".join(lines).encode()

    await _copy(url, "users", _USERS, rows())


async def _copy_sessions(url: str, numbers: range, total: int, now: float, user_ids: list[str]) -> None:
    async def rows() -> AsyncIterator[bytes]:
        noise = random.Random(numbers.start)
        for start in range(numbers.start, numbers.stop, _CHUNK):
            lines = []
            for number in range(start, min(start + _CHUNK, numbers.stop)):
                instant = _instant(number, total, now)
                born = datetime.fromtimestamp(instant, UTC)
                at, end = born.isoformat(), (born + HORIZON).isoformat()
                # A session's user existed before it.
                user = user_ids[int(noise.random() * max(1, number * len(user_ids) // total))]
                lines.append(
                    f"{uuid_at(int(instant * 1000), noise)}\t{user}\t{at}\t{end}\t{at}\t{{pwd}}\t1"
                    f"\t\\\\x{noise.getrandbits(256):064x}\t203.0.113.{number % 250}\t{_AGENT}\n"
                )
            yield "".join(lines).encode()

    await _copy(url, "sessions", _SESSIONS, rows())


async def _copy(url: str, table: str, columns: str, rows: AsyncIterator[bytes]) -> None:
    connection = await asyncpg.connect(url)
    await connection.copy_to_table(table, source=rows, columns=[name.strip() for name in columns.split(",")])
    await connection.close()


def main() -> None:
    """Seed the database that the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True)
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--sessions", type=int, default=50_000)
    parser.add_argument("--password-hash", default="", help="PHC string for every user; default: no password")
    given = parser.parse_args()
    asyncio.run(seed(given.url, users=given.users, sessions=given.sessions, password_hash=given.password_hash or "\\N"))


if __name__ == "__main__":
    main()
