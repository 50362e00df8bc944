"""The parts by themselves: one thread, the best of many rounds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import perf_counter
from typing import Any
from uuid import uuid4

import argon2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from nacl.bindings import crypto_pwhash_str_verify

from bench.figures.throughput import verify_rate
from bench.table import Row
from bench.world import PASSWORD, REAL, World
from identry.core import jose
from identry.core.clock import SystemClock
from identry.core.kv import MemoryKV
from identry.core.passwords import argon
from identry.permissions import TenantAccess

_CLAIMS = {"iss": "bench", "aud": "bench", "sub": "s" * 36, "sid": "s" * 36, "type": "access", "exp": 1 << 33}


def measure(world: World) -> list[Row]:
    """Hashing, signing, permissions, counting. Verifying is among the kit's figures."""
    rows = [*_hashing(), *_signing(), *asyncio.run(_permissions()), *asyncio.run(_counting(world))]
    for row in rows:
        print("  " + " | ".join(row.cells()), flush=True)
    return rows


def best(call: Callable[[], object], calls: int, rounds: int = 7) -> float:
    """Seconds of one call, in the best round."""
    found = []
    for _ in range(rounds):
        started = perf_counter()
        for _ in range(calls):
            call()
        found.append((perf_counter() - started) / calls)
    return min(found)


def _hashing() -> list[Row]:
    text = argon.make_hash(PASSWORD.encode(), REAL)
    hasher = argon2.PasswordHasher(REAL.time, REAL.memory, REAL.threads, REAL.key_length)
    sodium = best(lambda: crypto_pwhash_str_verify(text.encode(), PASSWORD.encode()), 1)
    other = best(lambda: hasher.verify(text, PASSWORD), 1)
    return [
        Row(
            "verify a password: libsodium : argon2-cffi",
            f"{sodium * 1000:.0f} ms",
            f"{other * 1000:.0f} ms",
            f"{sodium / other:.2f}×",
            note=f"t={REAL.time}, {REAL.memory // 1024} MiB, p={REAL.threads}; the server takes libsodium,"
            f" on two threads {verify_rate(2, 2.0).rate:.1f}/s",
        )
    ]


def _signing() -> list[Row]:
    raw = rsa.generate_private_key(65537, 2048)
    private = jose.PrivateKey(raw, "bench")
    sign = best(lambda: private.sign(_CLAIMS), 100)
    raw_sign = best(lambda: raw.sign(b"x" * 400, padding.PKCS1v15(), hashes.SHA256()), 100)
    return [_micros("sign an access token : the RSA-2048 signature in it", sign, raw_sign)]


async def _permissions() -> list[Row]:
    tenant_id, user_id = uuid4(), uuid4()
    database: Any = _OneGroup()  # answers the one question that is asked
    access = TenantAccess(database, SystemClock())
    await access.of(tenant_id, user_id, 1)

    def check() -> bool:
        rights = access.known(tenant_id, user_id, 1)
        return rights is not None and rights.allows("incidents:read")

    assert check()
    found = best(check, 20_000)
    return [Row("check a permission that is remembered", f"{found * 1e6:.1f} µs", "", "", "≤ 3 µs", found <= 3e-6)]


class _OneGroup:
    """A database in which everybody is in one group."""

    async def fetch(self, *_: object) -> list[tuple[object, ...]]:
        """The columns of a group."""
        return [(uuid4(), uuid4(), "Desk", "", ["incidents:*", "users:read", "rbac:read"], False, None, None)]


async def _counting(world: World) -> list[Row]:
    async def each(kv: object, calls: int) -> float:
        found = []
        for number in range(5):
            started = perf_counter()
            for _ in range(calls):
                await kv.hit(f"bench-{number}", 1 << 30, 1.0)  # type: ignore[attr-defined]  # both engines have it
            found.append((perf_counter() - started) / calls)
        return min(found)

    rows = [_micros("count one attempt, in process", await each(MemoryKV(SystemClock()), 1000), None)]
    if world.redis_url:
        from identry.core.kv.redis import RedisKV

        kv = RedisKV(world.redis_url, timeout=2)
        hit = await each(kv, 500)
        started = perf_counter()
        for _ in range(500):
            await kv.ping()
        ping = (perf_counter() - started) / 500
        await kv.close()
        rows.append(_micros("count one attempt, Redis : PING", hit, ping))
    return rows


def _micros(operation: str, measured: float, limit: float | None) -> Row:
    return Row(
        operation,
        f"{measured * 1e6:.1f} µs",
        "" if limit is None else f"{limit * 1e6:.1f} µs",
        "" if limit is None else f"{measured / limit:.2f}×",
    )
