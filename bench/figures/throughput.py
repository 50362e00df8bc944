"""Requests a second beside the limit: /health, JWKS, /auth/me, /auth/refresh, /auth/login."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from functools import cache
from statistics import median
from time import perf_counter
from typing import Any

import psutil
from nacl.bindings import crypto_pwhash_str_verify

from bench import limits as bare
from bench import server
from bench.drive import Load, Sample, alternate, drive, driver, median_of
from bench.server import Server
from bench.table import Row, rates
from bench.world import PASSWORD, REAL, World
from identry.core.passwords import argon

LOGINS = 4000


@cache
def base(world: World) -> str:
    """The small database, made once."""
    url = asyncio.run(world.database("bench_small", users=10_000, sessions=50_000, params=REAL))
    asyncio.run(bare.prepare(url))
    return url


def measure(world: World, url: str, names: set[str], *, rounds: int, seconds: float) -> list[Row]:
    """Every operation with as many workers as cores, then with one; with Redis where there is one."""
    cores = psutil.cpu_count() or 1
    setups = [(cores, True), (1, True), (1, False)] if world.redis_url else [(1, False)]
    rows = []
    for workers, redis in setups:
        extra: dict[str, Any] = {"HASH_THREADS": str(max(1, cores // workers))}
        with (
            server.identry(world, url, workers=workers, redis=redis, **extra) as ours,
            server.limits(world, url, workers=workers) as bare_server,
        ):
            note = f"{workers} worker{'s' * (workers > 1)}, {'Redis' if redis else 'no Redis'}, {driver()}"
            for name, figure in _FIGURES.items():
                if name in names and not (name == "login" and (workers, redis) != setups[0]):
                    rows += figure(world, url, ours, bare_server, rounds, seconds, note)
                    print("  " + " | ".join(rows[-1].cells()), flush=True)
    return rows


def pair(ours: Callable[[], Sample], bare_side: Callable[[], Sample], rounds: int) -> tuple[list[Sample], list[Sample]]:
    def turns(side: Callable[[], Sample]) -> Iterator[Sample]:
        while True:
            yield side()

    ours(), bare_side()  # caches, prepared statements, connections
    first, second = alternate(rounds, turns(ours), turns(bare_side))
    return first, second


def noted(note: str, samples: list[Sample], others: list[Sample]) -> str:
    failed, broken = sum(s.failed for s in samples), sum(s.broken for s in samples)
    p50, p99 = median(s.p50 for s in samples), median(s.p99 for s in samples)
    trouble = f"; {failed} failed, {broken} broken" if failed or broken else ""
    cpu, other = (median(s.cpu for s in side) for side in (samples, others))
    note += f"; CPU {cpu:.0f} : {other:.0f} µs" if other else ""
    return f"{note}; p50 {p50:.1f} ms, p99 {p99:.1f} ms{trouble}"


def _static(path: str, title: str) -> Callable[..., list[Row]]:
    def figure(
        _world: World, _url: str, ours: Server, bare_side: Server, rounds: int, seconds: float, note: str
    ) -> list[Row]:
        first, second = pair(
            lambda: drive(ours, Load("GET", path), seconds=seconds),
            lambda: drive(bare_side, Load("GET", "/hello"), seconds=seconds),
            rounds,
        )
        return [
            rates(f"{title} : Starlette hello", median_of(first), median_of(second), 0.8, noted(note, first, second))
        ]

    return figure


def _me(world: World, url: str, ours: Server, bare_side: Server, rounds: int, seconds: float, note: str) -> list[Row]:
    people = asyncio.run(world.people(url, 1000))
    load = Load("GET", "/auth/me", bearers=[person.access_token for person in people])
    rows = []
    for path, share, what in (
        ("/one-row", 0.7, "Starlette + asyncpg row"),
        ("/one-row-unreset", 0.0, "same, no reset"),
    ):
        first, second = pair(
            lambda: drive(ours, load, seconds=seconds),
            lambda path=path: drive(bare_side, Load("GET", path), seconds=seconds),  # type: ignore[misc]
            rounds,
        )
        rows.append(rates(f"/auth/me : {what}", median_of(first), median_of(second), share, noted(note, first, second)))
    return rows


def _refresh(
    world: World, url: str, ours: Server, bare_side: Server, rounds: int, seconds: float, note: str
) -> list[Row]:
    def chained() -> Sample:
        tokens = [person.refresh_token for person in asyncio.run(world.people(url, 400))]
        return drive(ours, Load("POST", "/auth/refresh", bodies=tokens, chain=True), seconds=seconds)

    limit = Load("POST", "/sign-and-commit", bodies=["x" * 91] * 400, chain=True)
    first, second = pair(chained, lambda: drive(bare_side, limit, seconds=seconds), rounds)
    title = "/auth/refresh : RSA signature + UPDATE"
    return [rates(title, median_of(first), median_of(second), 0.7, noted(note, first, second))]


def login_load(world: World, url: str) -> Load:
    """Right passwords of many users, each from an address of its own."""
    people = asyncio.run(world.people(url, LOGINS))
    bodies = [json.dumps({"email": person.email, "password": PASSWORD}) for person in people]
    return Load("POST", "/auth/login", bodies=bodies, addresses=True)


def _login(world: World, url: str, ours: Server, _bare: Server, rounds: int, seconds: float, note: str) -> list[Row]:
    load = login_load(world, url)
    cores = psutil.cpu_count() or 1
    # Enough connections to keep every hashing thread busy, fewer than its queue holds.
    first, second = pair(
        lambda: drive(ours, load, seconds=2 * seconds, connections=6 * cores),
        lambda: verify_rate(cores, 2 * seconds),
        rounds,
    )
    return [rates("login : libsodium verify", median_of(first), median_of(second), 0.9, noted(note, first, second))]


def verify_rate(threads: int, seconds: float) -> Sample:
    """Bare libsodium verifications a second on so many threads."""
    stored = argon.parse(argon.make_hash(PASSWORD.encode(), REAL))
    assert stored is not None
    until = perf_counter() + seconds
    ends: list[float] = []

    def work() -> None:
        while perf_counter() < until:
            crypto_pwhash_str_verify(stored.text.encode(), PASSWORD.encode())
            ends.append(perf_counter())

    started = perf_counter()
    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return Sample(len(ends) / (perf_counter() - started))


_FIGURES: dict[str, Callable[..., list[Row]]] = {
    "health": _static("/health", "/health"),
    "jwks": _static("/.well-known/jwks.json", "JWKS"),
    "me": _me,
    "refresh": _refresh,
    "login": _login,
}
NAMES = tuple(_FIGURES)
