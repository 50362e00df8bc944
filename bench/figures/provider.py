"""The provider beside its limits: client_credentials, introspection, the exchange of a code, the sign-in page."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from urllib.request import urlopen

import psutil

from bench import applications, provider_limits, server
from bench import limits as bare
from bench.applications import CALLBACK, SERVED, VERIFIER
from bench.drive import Load, Sample, drive, driver, median_of
from bench.figures.throughput import noted, pair
from bench.server import Server
from bench.table import Row, rates
from bench.world import TRIVIAL, World

FORM = "application/x-www-form-urlencoded"
CODES = 20_000


@dataclass(frozen=True, slots=True)
class Turn:
    """Both servers, and how long to look at them."""

    world: World
    url: str
    ours: Server
    bare: Server
    rounds: int
    seconds: float
    note: str
    alg: str

    def beside(self, title: str, share: float, mine: Callable[[], Sample], limit: Callable[[], Sample]) -> Row:
        """A row: our rate, and the limit's."""
        first, second = pair(mine, limit, self.rounds)
        return rates(title, median_of(first), median_of(second), share, noted(self.note, first, second))

    def drive_ours(self, load: Load) -> Sample:
        """One round at Identry."""
        return drive(self.ours, load, seconds=self.seconds)

    def drive_bare(self, load: Load) -> Sample:
        """One round at the bare endpoints."""
        return drive(self.bare, load, seconds=self.seconds)


def measure(world: World, names: set[str], *, rounds: int, seconds: float) -> list[Row]:
    """Every operation with as many workers as cores, then with one; `client-credentials` with RS256 and ES256."""
    url = asyncio.run(world.database("bench_provider", users=10_000, sessions=50_000, params=TRIVIAL))
    asyncio.run(bare.prepare(url))
    rows: list[Row] = []
    for alg, wanted in (("RS256", names), ("ES256", names & {"client-credentials"})):
        figures = [figure for name, figure in _FIGURES.items() if name in wanted]
        if figures and alg == "ES256":
            _sign_with(world, url, alg)
        for workers in dict.fromkeys((psutil.cpu_count() or 1, 1)) if figures else ():
            with (
                server.identry(
                    world, url, workers=workers, redis=bool(world.redis_url), params=TRIVIAL, **SERVED
                ) as ours,
                server.limits(world, url, workers=workers) as bare_server,
            ):
                note = f"{workers} worker{'s' * (workers > 1)}, {driver()}"
                turn = Turn(world, url, ours, bare_server, rounds, seconds, note, alg)
                for figure in figures:
                    for row in figure(turn):
                        rows.append(row)
                        print("  " + " | ".join(row.cells()), flush=True)
    return rows


def _sign_with(world: World, url: str, alg: str) -> None:
    """Give the database a key of this algorithm that signs from now on."""
    environment = world.environment(url, workers=1, redis=bool(world.redis_url))
    command = [str(Path(sys.executable).with_name("identry")), "keys", "rotate", "--now", "--algorithm", alg]
    subprocess.run(command, env={**os.environ, **environment, **SERVED}, check=True, capture_output=True)


def _client_credentials(turn: Turn) -> list[Row]:
    app = asyncio.run(applications.application(turn.url, "client_credentials"))
    body = app.form(grant_type="client_credentials")
    load = Load("POST", "/oauth/token", bodies=[body], media_type=FORM, addresses=True)
    limit = Load("POST", f"/sign/{turn.alg}", bodies=["{}"])
    title = f"client_credentials {turn.alg}"
    return [
        turn.beside(
            f"{title} : an endpoint that signs",
            0.75,
            lambda: turn.drive_ours(load),
            lambda: turn.drive_bare(limit),
        ),
        turn.beside(
            f"{title} : signatures alone, one core",
            0.0,
            lambda: turn.drive_ours(load),
            lambda: sign_rate(turn.alg, turn.seconds),
        ),
    ]


def sign_rate(alg: str, seconds: float) -> Sample:
    """Signatures a second of one thread that does nothing else."""
    sign, count, begun = provider_limits.signers()[alg], 0, perf_counter()
    while (took := perf_counter() - begun) < seconds:
        sign()
        count += 1
    return Sample(count / took)


def _introspect(turn: Turn) -> list[Row]:
    app = asyncio.run(applications.application(turn.url, "authorization_code", "refresh_token"))
    tokens = asyncio.run(applications.access_tokens(turn.world, turn.url, app, 1000))
    bodies = [app.form(token=token, token_type_hint="access_token") for token in tokens]
    load = Load("POST", "/oauth/introspect", bodies=bodies, media_type=FORM, addresses=True)
    return [
        turn.beside(
            f"introspect : {what}",
            share,
            lambda: turn.drive_ours(load),
            lambda path=path: turn.drive_bare(Load("GET", path)),  # type: ignore[misc]
        )
        for path, share, what in (
            ("/one-row", 0.6, "Starlette + asyncpg row"),
            ("/one-row-unreset", 0.0, "same, no reset"),
        )
    ]


def _code_exchange(turn: Turn) -> list[Row]:
    app = asyncio.run(applications.application(turn.url, "authorization_code", "refresh_token"))

    def redeemed() -> Sample:
        codes = asyncio.run(applications.codes(turn.url, app, CODES))
        fixed = {"grant_type": "authorization_code", "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
        bodies = [app.form(code=code, **fixed) for code in codes]
        return turn.drive_ours(Load("POST", "/oauth/token", bodies=bodies, media_type=FORM, addresses=True))

    def limit() -> Sample:
        codes = asyncio.run(provider_limits.codes(turn.url, CODES))
        bodies = [f"code={code}" for code in codes]
        return turn.drive_bare(Load("POST", "/exchange", bodies=bodies, media_type=FORM))

    return [turn.beside("code exchange : its transaction + two signatures", 0.6, redeemed, limit)]


def _login_page(turn: Turn) -> list[Row]:
    """One visitor at a time: how long until the first byte, and what a browser has to fetch."""

    def one(side: Server, path: str) -> Sample:
        return drive(side, Load("GET", path), seconds=turn.seconds, connections=1, own=True)

    first, second = pair(lambda: one(turn.ours, "/login"), lambda: one(turn.bare, "/page"), turn.rounds)
    ours, limit = (median(sample.p50 for sample in side) for side in (first, second))
    weight = _weight(turn.ours)
    return [
        Row(
            "login page, first byte : its bare template",
            f"{ours:.2f} ms",
            f"{limit:.2f} ms",
            f"{ours / limit:.2f}×",
            "≤ 1.5×",
            ours <= 1.5 * limit,
            noted(turn.note, first, second),
        ),
        Row("login page, weight with styles", f"{weight / 1000:.1f} kB", "", "", "≤ 60 kB", weight <= 60_000),
    ]


def _weight(side: Server) -> int:
    """Bytes of the page and of all that it names, uncompressed."""
    base = f"http://127.0.0.1:{side.port}"
    html = urlopen(f"{base}/login", timeout=10).read()
    named = set(re.findall(rb'(?:href|src)="(/pages/[^"]+)"', html))
    return len(html) + sum(len(urlopen(base + path.decode(), timeout=10).read()) for path in named)


_FIGURES: dict[str, Callable[[Turn], list[Row]]] = {
    "client-credentials": _client_credentials,
    "introspect": _introspect,
    "code-exchange": _code_exchange,
    "login-page": _login_page,
}
NAMES = tuple(_FIGURES)
