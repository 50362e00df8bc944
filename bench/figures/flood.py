"""/health, memory and the share of good sign-ins while four times as many people sign in as can be served."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from statistics import quantiles
from time import perf_counter
from typing import Any

import httpx2
import psutil
import uvloop

from bench import server
from bench.figures.throughput import base, login_load, verify_rate
from bench.server import Server
from bench.table import Row
from bench.world import REAL, World

TIMES = 4
MIB = 1 << 20


@dataclass
class Seen:
    """What the flood got, and what a probe saw meanwhile (seconds); of the served, when they were."""

    served: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    without_retry_after: int = 0
    other: int = 0
    health: list[float] = field(default_factory=list)
    peak: int = 0


def measure(world: World, *, seconds: float) -> list[Row]:
    """As many hashing threads as cores, in two workers or one."""
    cores = psutil.cpu_count() or 1
    workers = min(cores, 2)
    url = base(world)
    ceiling = verify_rate(cores, seconds).rate
    threads: dict[str, Any] = {"HASH_THREADS": str(max(1, cores // workers))}
    redis = bool(world.redis_url)
    with server.limits(world, url, workers=workers) as bare_server:
        limit = _beside_hashing(bare_server, cores, seconds)
    with server.identry(world, url, workers=workers if redis else 1, redis=redis, **threads) as ours:
        at_rest = _resident(ours)
        seen = uvloop.run(_flood(world, url, ours, ceiling * TIMES, seconds))
    p99 = _p99(seen.health)
    allowed = at_rest + cores * REAL.memory * 1024 + 64 * MIB
    slowest = max(seen.refused, default=0.0)
    good = _rate(seen.served, seconds)
    share = good / ceiling
    note = f"{TIMES}× the {ceiling:.1f}/s that {cores} threads verify, {seconds:.0f} s; {workers} workers"
    rows = [
        Row(
            "flood: /health p99 : Starlette hello beside as much hashing",
            f"{p99 * 1000:.1f} ms",
            f"{_p99(limit) * 1000:.1f} ms",
            f"{p99 / max(_p99(limit), 1e-9):.1f}×",
            "≤ 50 ms",
            p99 <= 0.05,
            note,
        ),
        Row(
            "flood: memory : base + threads × 64 MiB + 64 MiB",
            f"{seen.peak / MIB:.0f} MiB",
            f"{allowed / MIB:.0f} MiB",
            f"{seen.peak / allowed:.0%}",
            "≤ 100%",
            seen.peak <= allowed,
            "all workers, proportional set size",
        ),
        Row(
            "flood: slowest refusal",
            f"{slowest:.2f} s",
            "",
            "",
            "≤ 2 s, Retry-After",
            slowest <= 2.0 and not seen.without_retry_after and not seen.other,
            f"{len(seen.refused)} refused, {seen.without_retry_after} without Retry-After, {seen.other} otherwise",
        ),
        Row(
            "flood: good sign-ins : libsodium verify",
            f"{good:.1f}/s",
            f"{ceiling:.1f}/s",
            f"{share:.0%}",
            "≥ 60%",
            share >= 0.6,
            "",
        ),
    ]
    for row in rows:
        print("  " + " | ".join(row.cells()), flush=True)
    return rows


def _rate(times: list[float], seconds: float) -> float:
    """Events a second while the flood lasts, without its first fifth: the queue is filling."""
    begin = min(times, default=0.0)
    counted = sum(begin + seconds / 5 <= at < begin + seconds for at in times)
    return counted / (seconds * 4 / 5)


def _p99(values: list[float]) -> float:
    return quantiles(values, n=100)[98] if len(values) > 1 else 0.0


def _resident(where: Server) -> int:
    return sum(memory.pss for memory in where.memory())


async def _probe(client: httpx2.AsyncClient, path: str, until: float, seen: list[float]) -> None:
    while perf_counter() < until:
        started = perf_counter()
        await client.get(path)
        seen.append(perf_counter() - started)
        await asyncio.sleep(0.01)


def _beside_hashing(where: Server, threads: int, seconds: float) -> list[float]:
    seen: list[float] = []

    async def probing() -> None:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{where.port}") as client:
            await _probe(client, "/hello", perf_counter() + seconds, seen)

    hashing = threading.Thread(target=verify_rate, args=(threads, seconds))
    hashing.start()
    uvloop.run(probing())
    hashing.join()
    return seen


async def _flood(world: World, url: str, where: Server, rate: float, seconds: float) -> Seen:
    load = await asyncio.to_thread(login_load, world, url)
    seen = Seen()
    until = perf_counter() + seconds
    no_limit = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{where.port}", timeout=30, limits=no_limit) as client:

        async def sign_in(number: int) -> None:
            headers = {"Content-Type": "application/json", "X-Forwarded-For": f"2001:db8:{number:x}::1"}
            started = perf_counter()
            reply = await client.post(load.path, content=load.bodies[number % len(load.bodies)], headers=headers)
            if reply.status_code == 200:
                seen.served.append(perf_counter())
            elif reply.status_code == 503:
                seen.refused.append(perf_counter() - started)
                seen.without_retry_after += "retry-after" not in reply.headers
            else:
                seen.other += 1

        async def watch() -> None:
            while perf_counter() < until:
                seen.peak = max(seen.peak, await asyncio.to_thread(_resident, where))
                await asyncio.sleep(0.2)

        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{where.port}") as prober:
            others = [
                asyncio.create_task(_probe(prober, "/health", until, seen.health)),
                asyncio.create_task(watch()),
            ]
            asked: list[asyncio.Task[None]] = []
            began = perf_counter()
            while (now := perf_counter()) < until:
                for _ in range(int((now - began) * rate) - len(asked)):
                    asked.append(asyncio.create_task(sign_in(len(asked))))
                await asyncio.sleep(0.01)
            await asyncio.gather(*asked, *others)
    return seen
