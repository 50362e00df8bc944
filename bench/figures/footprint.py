"""Memory of a worker at rest and after load; how long `identry serve` and `identry dev` take to answer."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path
from statistics import median

from bench import server
from bench.drive import Load, drive
from bench.figures.scale import chains, me
from bench.figures.throughput import base, login_load
from bench.table import Row
from bench.world import World, free_port

MIB = 1 << 20


def measure(world: World, *, rounds: int, seconds: float) -> list[Row]:
    """Two workers on Redis, or one without."""
    rows = [*_memory(world, seconds), *_starts(world, rounds)]
    for row in rows:
        print("  " + " | ".join(row.cells()), flush=True)
    return rows


def _memory(world: World, seconds: float) -> list[Row]:
    url = base(world)
    redis = bool(world.redis_url)
    workers = 2 if redis else 1
    with server.identry(world, url, workers=workers, redis=redis, HASH_THREADS="1") as ours:
        time.sleep(2)
        rest = ours.memory()
        for load in (Load("GET", "/.well-known/jwks.json"), me(world, url), chains(world, url), login_load(world, url)):
            drive(ours, load, seconds=2 * seconds, connections=12 if load.path == "/auth/login" else 32)
        time.sleep(2)
        after = ours.memory()
    return [
        Row(
            f"memory of a worker {name}",
            f"{max(m.pss for m in seen) / MIB:.0f} MiB",
            f"{most} MiB",
            "",
            f"≤ {most} MiB",
            max(m.rss for m in seen) <= most * MIB,
            f"resident, with what is shared: {max(m.rss for m in seen) / MIB:.0f} MiB; {workers} workers",
        )
        for name, seen, most in (("at rest", rest, 90), ("after load", after, 120))
    ]


def _starts(world: World, rounds: int) -> list[Row]:
    url = base(world)
    redis = bool(world.redis_url)
    serve, first, warm = [], [], []
    for number in range(rounds):
        with server.identry(world, url, workers=2 if redis else 1, redis=redis) as ours:
            serve.append(ours.started_in)
        folder = world.folder / f"dev-{number}"
        folder.mkdir()
        first.append(_dev(folder))
        warm.append(_dev(folder))
        shutil.rmtree(folder)
    return [
        Row(
            f"start: {name}",
            f"{median(seen):.2f} s",
            "",
            "",
            f"≤ {most} s",
            median(seen) <= most,
            f"from exec to the first answer; {min(seen):.2f}-{max(seen):.2f}",
        )
        for name, seen, most in (("serve", serve, 1.5), ("dev, warm", warm, 3), ("dev, first", first, 15))
    ]


def _dev(folder: Path) -> float:
    """Seconds until `/health` answers, in a folder of its own."""
    port = free_port()
    command = [str(Path(sys.executable).with_name("identry")), "dev", "--port", str(port)]
    with server.started(command, port, "/health", dict(os.environ), folder / "log", cwd=folder) as ours:
        return ours.started_in
