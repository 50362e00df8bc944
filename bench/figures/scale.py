"""What a request costs when there are a million users and five million sessions, beside ten thousand users."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from statistics import median

from bench import server
from bench.drive import Load, Sample, drive, driver
from bench.figures.throughput import base, login_load
from bench.server import Server
from bench.table import Row
from bench.world import TRIVIAL, World

USERS, SESSIONS = 1_000_000, 5_000_000
MOST = 1.2

Make = Callable[[World, str], Load]


def measure(world: World, *, rounds: int, seconds: float) -> list[Row]:
    """Sign-in (with a hash that costs nothing), refresh and /auth/me on a large and a small database in turn."""
    small = base(world)
    large = asyncio.run(world.database("bench_large", users=USERS, sessions=SESSIONS, params=TRIVIAL))
    trivial = asyncio.run(world.database("bench_trivial", users=10_000, sessions=50_000, params=TRIVIAL))
    rows = []
    pairs = [("login without hash", login_load, trivial), ("refresh", chains, small), ("me", me, small)]
    for name, make, of_small in pairs:
        with (
            server.identry(world, large, workers=1, redis=bool(world.redis_url), params=TRIVIAL) as at_large,
            server.identry(world, of_small, workers=1, redis=bool(world.redis_url), params=TRIVIAL) as at_small,
        ):
            rows.append(_row(name, _samples(world, make, [(at_small, of_small), (at_large, large)], rounds, seconds)))
            print("  " + " | ".join(rows[-1].cells()), flush=True)
    return rows


def _samples(
    world: World, make: Make, sides: list[tuple[Server, str]], rounds: int, seconds: float
) -> list[list[Sample]]:
    kept: list[list[Sample]] = [[] for _ in sides]
    for number in range(rounds + 1):
        for (where, url), samples in zip(sides, kept, strict=True):
            sample = drive(where, make(world, url), seconds=seconds)
            if number:  # the first fills caches
                samples.append(sample)
    return kept


def _row(name: str, samples: list[list[Sample]]) -> Row:
    small, large = ([1e6 / sample.rate for sample in side] for side in samples)
    cost = median(large) / median(small)
    failed = sum(sample.failed + sample.broken for side in samples for sample in side)
    return Row(
        f"{name}: {USERS:,} users, {SESSIONS:,} sessions : 10,000",
        f"{median(large):,.0f} µs",
        f"{median(small):,.0f} µs",
        f"{cost:.2f}×",
        f"≤ {MOST}×",
        cost <= MOST,
        f"1 worker, {driver()}, time for each answer under load{f'; {failed} failed' if failed else ''}",
    )


def chains(world: World, url: str) -> Load:
    """Refreshes, each with the token of an earlier answer."""
    people = asyncio.run(world.people(url, 400))
    return Load("POST", "/auth/refresh", bodies=[person.refresh_token for person in people], chain=True)


def me(world: World, url: str) -> Load:
    """/auth/me with the tokens of many sessions."""
    people = asyncio.run(world.people(url, 1000))
    return Load("GET", "/auth/me", bearers=[person.access_token for person in people])
