"""The metrics port of `identry serve`: workers leave their figures in a folder, the parent adds them up when asked."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import structlog

from identry.cli.ports import PortError
from identry.core.metrics import render
from identry.core.metrics.board import Board
from identry.core.metrics.port import MetricsPort
from identry.settings import Settings

log = structlog.get_logger("identry.serve")


@contextmanager
def metrics_port(settings: Settings) -> Iterator[Settings]:
    """Serve `METRICS_HOST:METRICS_PORT` inside the block (nothing when the port is 0).

    Gives the settings with the folder that the workers write to: `METRICS_DIR`, or a temporary one that goes with us.
    The admin port tells the same figures, so it needs the folder too.

    Raises:
        PortError: the address cannot be bound.
    """
    if not settings.metrics_port and not settings.admin_listener:
        yield replace(settings, metrics_dir=None)
        return
    folder = Path(tempfile.mkdtemp(prefix="identry-metrics-", dir=settings.metrics_dir))
    try:
        with _listening(settings, folder) if settings.metrics_port else nullcontext():
            yield replace(settings, metrics_dir=folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _listening(settings: Settings, folder: Path) -> Iterator[None]:
    try:
        port = MetricsPort(settings.metrics_host, settings.metrics_port, lambda: render(Board(folder).all()))
    except OSError as error:
        reason = error.strerror or str(error)
        raise PortError(
            f"METRICS_PORT: cannot listen on {settings.metrics_host}:{settings.metrics_port}: {reason}"
        ) from error
    port.start()
    log.info("metrics", host=settings.metrics_host, port=settings.metrics_port)
    try:
        yield
    finally:
        port.stop()
