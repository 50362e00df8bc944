"""`identry serve`: the production server. One parent prepares everything and supervises N workers.

config → migrations → the first administrator → workers (PostgreSQL → Redis → Finance → keys → serve). SIGTERM drains:
`/ready` turns 503 and answers ask their connections to close for `SHUTDOWN_DELAY`, while load balancers look away; then
the port closes and requests in flight are answered; all of it within `SHUTDOWN_GRACE`. A second signal ends at once.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog
from granian.constants import Loops
from granian.log import LogLevels
from granian.server.mp import MPServer

from identry.cli.admin_port import reserve_admin_port
from identry.cli.administrator import bootstrap
from identry.cli.granian_options import logging_config, options
from identry.cli.keepsakes import Keepsakes
from identry.cli.metrics_port import metrics_port
from identry.cli.ports import PortError, reserve
from identry.cli.terminal import complain_of, list_problems
from identry.core import observability
from identry.core.migrate import MigrationError, migrate_up
from identry.entitlements import Catalogue, CatalogueError
from identry.flows.bootstrap.service import Outcome, WeakPassword
from identry.settings import Secret, Settings, SettingsError, export, load_for_serving, publish, unread_names, warnings
from identry_kit.apierror import APIError

log = structlog.get_logger("identry.serve")


def serve() -> int:
    """Run until SIGTERM or SIGINT; returns the exit code."""
    try:
        settings = _with_keepsakes(load_for_serving())
        observability.configure(level=settings.log_level, form=settings.log_format)
        for notice in (*warnings(settings), *unread_names()):
            log.warning("configuration", variable=notice.name, problem=notice.problem, advice=notice.what_to_do)
        asyncio.run(_prepare(settings))
        reserve(settings.host, settings.port)
        reserve_admin_port(settings)
        _preload(settings)
        with metrics_port(settings) as settings:
            publish(export(settings))
            log.info("starting", host=settings.host, port=settings.port, workers=settings.workers)
            return Supervisor(settings).run()
    except SettingsError as error:
        list_problems(error.problems)
        return 1
    except (CatalogueError, MigrationError, PortError, WeakPassword, APIError) as error:
        complain_of(error)
        return 1
    except KeyboardInterrupt:
        return 0


def _preload(settings: Settings) -> None:
    """Load what the workers run, once: they are forked from here and share it."""
    import identry.app

    if settings.redis_url:
        import identry.core.kv.redis  # noqa: F401 - for its effect on sys.modules
    gc.collect()
    gc.freeze()  # none of it is looked at again, so that the pages stay shared
    gc.enable()


def _with_keepsakes(settings: Settings) -> Settings:
    """In development, what is not set comes from `.identry/`, so that tokens outlive a restart."""
    if not settings.is_development:
        return settings
    keepsakes = Keepsakes(Path(".identry").absolute())
    return replace(
        settings,
        jwt_signing_key_pem=settings.jwt_signing_key_pem or Secret(keepsakes.signing_key()),
        secret_key=settings.secret_key or Secret(keepsakes.secret_key()),
    )


async def _prepare(settings: Settings) -> None:
    Catalogue.load(settings.entitlements_file)  # the workers read it too; here a fault is one line
    applied = await migrate_up(settings.database_url.reveal(), settings.migrations_path)
    if applied:
        log.info("migrated", versions=applied)
    if not settings.bootstrap_admin_email:
        return
    async with bootstrap(settings) as service:
        outcome = await service.ensure(
            settings.bootstrap_admin_email,
            password=settings.bootstrap_admin_password.reveal(),
            password_hash=settings.bootstrap_admin_password_hash.reveal(),
        )
    if outcome is not Outcome.EXISTS:
        log.warning("first administrator", outcome=outcome.value, email=settings.bootstrap_admin_email)


class Supervisor(MPServer):
    """Granian's parent process with our way of stopping."""

    def __init__(self, settings: Settings) -> None:
        grace, delay = settings.shutdown_grace.total_seconds(), settings.shutdown_delay.total_seconds()
        self._delay = min(delay, grace / 2)
        self._told = False
        self._pid = os.getpid()
        super().__init__(
            "identry.cli.worker:create",
            address=settings.host,
            port=settings.port,
            workers=settings.workers,
            loop=Loops.uvloop,
            factory=True,
            respawn_failed_workers=True,
            workers_kill_timeout=max(1, int(grace - self._delay)),
            log_level=LogLevels.warning,
            log_dictconfig=logging_config(),
            **options(),
        )

    def run(self) -> int:
        """Serve; returns the exit code."""
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # inherited by workers until they listen to it
        try:
            self.serve()
        except SystemExit as end:
            return int(end.code or 0)
        return 0

    def signal_handler_interrupt(self, *args: Any) -> None:
        """The first signal drains, the second ends at once."""
        if os.getpid() != self._pid:
            os._exit(1)  # a worker that is being forked: it has nothing to finish
        number, _frame = args if len(args) == 2 else (signal.SIGTERM, None)
        if self._told:
            for worker in self.wrks:
                worker.kill()  # type: ignore[no-untyped-call]  # granian's annotations are partial
            os._exit(1)
        self._told = True
        for worker in self.wrks:
            if worker.inner.pid and worker.inner.is_alive():
                os.kill(worker.inner.pid, signal.SIGUSR1)
        delay = self._delay if number == signal.SIGTERM else 0.0
        threading.Timer(delay, self._stop_serving).start()

    def _stop_serving(self) -> None:
        self.interrupt_signal = True
        self.main_loop_interrupt.set()
