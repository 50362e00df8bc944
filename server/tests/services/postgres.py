"""PostgreSQL for tests: what takes long, making a cluster, is done once for all processes of a run."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from identry.core.embedded import EmbeddedPostgres

_OPTIONS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "300"}
"""Nothing here outlives the run."""


def copy_of_cluster(folder: Path, factory: pytest.TempPathFactory) -> Path:
    """`folder`, in which an `EmbeddedPostgres` finds its cluster made; as if it had been started there and stopped."""
    original = _original(factory.getbasetemp())
    folder.mkdir(mode=0o700, parents=True)
    subprocess.run(["cp", "-a", str(original / "data"), str(folder / "data")], check=True)
    return folder


def _original(base: Path) -> Path:
    # Processes of one run have their folders side by side; alone, pytest's own folder is the run's.
    run = base.parent if base.name.startswith("popen-") else base
    original = run / "cluster"
    with (run / "cluster.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (original / "data").exists():
            shutil.rmtree(original, ignore_errors=True)
            with EmbeddedPostgres(original, options={"fsync": "off"}):
                pass
    return original


class _Shared:
    """The server of this process, and how many hold it."""

    server: EmbeddedPostgres | None = None
    holders = 0


@contextlib.contextmanager
def shared_postgres(factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """The server that all tests of this process share, each in databases or with rows of its own."""
    if _Shared.server is None:
        folder = copy_of_cluster(factory.mktemp("pg") / "shared", factory)
        server = EmbeddedPostgres(folder, options=_OPTIONS)
        server.start()
        _Shared.server = server
    _Shared.holders += 1
    yield _Shared.server
    _Shared.holders -= 1
    if not _Shared.holders:
        _Shared.server.stop()
        _Shared.server = None
