"""What the kit costs the service that installs it: tokens, routes, the limiter, keys that expire, memory."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from statistics import median

import uvloop

from bench import kit_auth, kit_caches, kit_stack, kit_verify
from bench.drive import Load, Sample, alternate, drive, driver, median_of
from bench.kit_service import KID, PEM
from bench.kit_verify import COLD, RAW, SEEN
from bench.server import started
from bench.table import Row, rates
from bench.world import free_port
from identry_kit.testing import Issuer

NAMES = ("kit",)
_ISSUERS_DELAY = f"the issuer takes {kit_caches.DELAY * 1000:.0f} ms"


def measure(*, rounds: int, seconds: float) -> list[Row]:
    """Every row, told as it is found."""
    rows = []
    for row in _rows(rounds, seconds):
        rows.append(row)
        print("  " + " | ".join(row.cells()), flush=True)
    return rows


def _rows(rounds: int, seconds: float) -> Iterator[Row]:
    yield from _verification()
    yield from _routes()
    yield from _http(rounds, seconds)
    yield from _limiter()
    yield from _expiry()
    yield from _memory()


def _verification() -> Iterator[Row]:
    found = kit_verify.in_an_environment_of_its_own()
    raw = found.pop(RAW)
    others = {name: micros for name, micros in found.items() if name not in {COLD, SEEN}}
    for name, micros in found.items():
        limit, ratio = f"{raw:.1f} µs", f"{micros / raw:.2f}×"
        if name == COLD:
            fastest = min(others.values(), default=micros)
            yield Row(
                "kit: verify, cold : raw RSA-2048 verify",
                *(f"{micros:.1f} µs", limit, ratio, "≤ 1.60×", micros <= 1.6 * raw),
                f"the fastest of {', '.join(others)}: {fastest / micros:.2f}× as long" if others else "",
            )
        elif name == SEEN:
            yield _at_most("kit: verify, seen", micros, 5)
        else:
            yield Row(f"{name}: verify : the same", f"{micros:.1f} µs", limit, ratio)


def _at_most(operation: str, micros: float, limit: float, note: str = "") -> Row:
    return Row(operation, f"{micros:.2f} µs", to_reach=f"≤ {limit:g} µs", met=micros <= limit, note=note)


def _routes() -> Iterator[Row]:
    found = uvloop.run(kit_auth.requests())
    bare, caller, nothing = (found[name] for name in (kit_auth.BARE, kit_auth.CALLER, kit_auth.NOTHING))
    yield _at_most(
        "kit: FastAPI CurrentUser on top of the bare route",
        caller - bare,
        25,
        f"bare {bare:.0f} µs; a dependency that does nothing adds {nothing - bare:.1f} µs",
    )


def _http(rounds: int, seconds: float) -> Iterator[Row]:
    """All endpoints get the same requests, on one worker."""
    issuer = Issuer()
    bearers = [issuer.mint() for _ in range(100)]
    port = free_port()
    environment = os.environ | {PEM: issuer.key.public_pem, KID: issuer.key.kid}
    command = [sys.executable, "-m", "bench.kit_service", "--port", str(port)]
    with (
        tempfile.TemporaryDirectory(prefix="identry-bench-") as folder,
        started(command, port, "/bare", environment, Path(folder, "log")) as server,
    ):

        def turns(path: str) -> Iterator[Sample]:
            for _ in count():
                yield drive(server, Load("GET", path, bearers=bearers), seconds=seconds)

        sides = [turns(path) for path in ("/bare", "/full", "/limited", "/logged")]
        for side in sides:
            next(side)
        bare, full, limited, logged = alternate(rounds, *sides)
    for samples, share, layers, lines in (
        (full, 0.6, "stack, JWTAuth", "no handler for log lines"),
        (limited, 0.0, "stack, JWTAuth, limiter", "no handler for log lines"),
        (logged, 0.0, "stack, JWTAuth, limiter", "log lines to /dev/null"),
    ):
        failed = sum(sample.failed + sample.broken for sample in (*samples, *bare))
        cpu, other = (median(sample.cpu for sample in side) for side in (samples, bare))
        note = f"{lines}, 1 worker, {driver()}; CPU {cpu:.0f} : {other:.0f} µs" + (
            f"; {failed} failed" if failed else ""
        )
        yield rates(f"kit: {layers} : bare Starlette", median_of(samples), median_of(bare), share, note)


def _limiter() -> Iterator[Row]:
    found = uvloop.run(kit_stack.measure())
    bare = found["bare"]
    yield _at_most("kit: limiter, in process", found["RateLimiter, one tenant"] - bare, 3)
    yield Row("kit: standard_stack on a bare ASGI hello", f"{found['standard_stack'] - bare:.2f} µs")


def _expiry() -> Iterator[Row]:
    for expired, what in ((True, "expire"), (False, "are not there yet")):
        got = uvloop.run(kit_caches.rush(expired=expired))
        reached = got.fetches == 1 and (not expired or got.longest < kit_caches.DELAY)
        yield Row(
            f"kit: keys {what} under {kit_caches.CALLERS} callers",
            f"{got.fetches} fetch, longest wait {got.longest * 1000:.1f} ms",
            to_reach="1 fetch" + (", nobody waits for it" if expired else ""),
            met=reached,
            note=_ISSUERS_DELAY,
        )


def _memory() -> Iterator[Row]:
    for name, (entries, held) in kit_caches.memory().items():
        yield Row(
            f"kit: memory of {entries:,} {name}", f"{held / 1e6:.1f} MB", note=f"{held / entries:,.0f} bytes for each"
        )
