"""Requests a second of the browser surface beside the limit: `me`, the refresh by cookie, the second step."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import psutil

from bench import limits as bare
from bench import server, tenants
from bench.drive import Load, Sample, drive, driver, median_of
from bench.figures.throughput import noted, pair
from bench.server import Server
from bench.table import Row, rates
from bench.world import TRIVIAL, World

_API = "/api/v1/auth"


def measure(world: World, names: set[str], *, rounds: int, seconds: float) -> list[Row]:
    """Every operation with as many workers as cores, then with one; with Redis where there is one."""
    url = asyncio.run(world.database("bench_browser", users=10_000, sessions=50_000, params=TRIVIAL))
    asyncio.run(tenants.settle(url))
    asyncio.run(bare.prepare(url))
    cores = psutil.cpu_count() or 1
    setups = [(cores, True), (1, True)] if world.redis_url else [(1, False)]
    rows = []
    secret = asyncio.run(tenants.enrol(world, url)) if "browser-mfa" in names else ""
    for workers, redis in setups:
        with (
            server.identry(world, url, workers=workers, redis=redis, params=TRIVIAL, **tenants.SERVED) as ours,
            server.limits(world, url, workers=workers) as bare_server,
        ):
            note = f"{workers} worker{'s' * (workers > 1)}, {'Redis' if redis else 'no Redis'}, {driver()}"
            figures: dict[str, Callable[[], list[Row]]] = {
                "browser-me": lambda ours=ours, bare=bare_server, note=note: _me(  # type: ignore[misc]
                    world, url, ours, bare, rounds, seconds, note
                ),
                "browser-refresh": lambda ours=ours, bare=bare_server, note=note: _refresh(  # type: ignore[misc]
                    world, url, ours, bare, rounds, seconds, note
                ),
                "browser-mfa": lambda ours=ours, bare=bare_server, note=note: _mfa(  # type: ignore[misc]
                    url, secret, ours, bare, rounds, seconds, note
                ),
            }
            for name, figure in figures.items():
                if name in names:
                    rows += figure()
                    print("  " + " | ".join(rows[-1].cells()), flush=True)
    return rows


def _me(world: World, url: str, ours: Server, bare_side: Server, rounds: int, seconds: float, note: str) -> list[Row]:
    found = asyncio.run(tenants.people(world, url, 1000))
    load = Load("GET", f"{_API}/me", bearers=[person.access_token for person in found], origin=tenants.PAGE)
    rows = []
    for path, share, what in (
        ("/one-row", 0.6, "Starlette + asyncpg row"),
        ("/one-row-unreset", 0.0, "same, no reset"),
    ):
        first, second = pair(
            lambda: drive(ours, load, seconds=seconds),
            lambda path=path: drive(bare_side, Load("GET", path), seconds=seconds),  # type: ignore[misc]
            rounds,
        )
        rows.append(
            rates(f"{_API}/me : {what}", median_of(first), median_of(second), share, noted(note, first, second))
        )
    return rows


def _refresh(
    world: World, url: str, ours: Server, bare_side: Server, rounds: int, seconds: float, note: str
) -> list[Row]:
    def chained() -> Sample:
        tokens = [person.refresh_token for person in asyncio.run(tenants.people(world, url, 400))]
        load = Load("POST", f"{_API}/refresh", bodies=tokens, chain=True, cookie=True, origin=tenants.PAGE)
        return drive(ours, load, seconds=seconds)

    limit = Load("POST", "/sign-and-commit", bodies=["x" * 91] * 400, chain=True)
    first, second = pair(chained, lambda: drive(bare_side, limit, seconds=seconds), rounds)
    title = f"{_API}/refresh : RSA signature + UPDATE"
    return [rates(title, median_of(first), median_of(second), 0.7, noted(note, first, second))]


def _mfa(url: str, secret: str, ours: Server, bare_side: Server, rounds: int, seconds: float, note: str) -> list[Row]:
    def steps() -> Sample:
        bodies = asyncio.run(tenants.second_steps(url, secret))
        return drive(ours, Load("POST", f"{_API}/mfa/verify", bodies=bodies, addresses=True), seconds=seconds)

    limit = Load("POST", "/verify-and-commit", bodies=["{}"])
    first, second = pair(steps, lambda: drive(bare_side, limit, seconds=seconds), rounds)
    title = f"{_API}/mfa/verify : RSA signature + its transaction"
    return [rates(title, median_of(first), median_of(second), 0.7, noted(note, first, second))]


NAMES = ("browser-me", "browser-refresh", "browser-mfa")
