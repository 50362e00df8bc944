"""`identry dev`: everything in one process and one folder, from nothing to a card in seconds (DESIGN §6)."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import uvloop
from granian.log import LogLevels
from granian.server.embed import Server

from identry.app import Application
from identry.cli.admin_port import WithAdminPort, reserve_admin_port
from identry.cli.administrator import bootstrap
from identry.cli.card import Card, login_command
from identry.cli.granian_options import logging_config, options
from identry.cli.keepsakes import Administrator, Keepsakes
from identry.cli.ports import PortError, reserve
from identry.cli.terminal import complain, list_problems, say
from identry.core import observability
from identry.core.embedded import EmbeddedPostgres
from identry.core.embedded_process import EmbeddedError
from identry.core.migrate import MigrationError, migrate_up
from identry.entitlements import Catalogue, CatalogueError
from identry.flows.bootstrap.service import Outcome, WeakPassword
from identry.settings import Secret, Settings, SettingsError, check, gather, load, unread_names
from identry_kit import context

_DEFAULTS = {"LOG_FORMAT": "console", "LOG_LEVEL": "INFO", "DB_POOL_SIZE": "10"}


@dataclass(frozen=True, slots=True)
class DevOptions:
    """The flags of `identry dev`; None leaves a choice to the environment or the default."""

    host: str
    port: int | None
    data_dir: Path
    reset: bool
    card_json: Path | None


def dev(flags: DevOptions) -> int:
    """Run until Ctrl-C or SIGTERM; returns the exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # until the server is up, both stop us alike
    keepsakes = Keepsakes(flags.data_dir.absolute())
    postgres = EmbeddedPostgres(keepsakes.postgres)
    try:
        if holder := postgres.holder():
            complain(f"already running (pid {holder}) on {keepsakes.folder}: stop it, or choose another --data-dir")
            return 1
        settings = _settings(flags)
        Catalogue.load(settings.entitlements_file)
        if flags.reset:
            postgres.reset()
            keepsakes.forget()
        settings = _with_keepsakes(settings, keepsakes)
        embedded = not settings.database_url
        if embedded:
            if not postgres.exists():
                say("Making the database (once) …")
            settings = replace(settings, database_url=Secret(postgres.start()))
        return uvloop.run(_Dev(flags, settings, keepsakes, embedded=embedded).run())
    except SettingsError as error:
        list_problems(error.problems)
    except (CatalogueError, EmbeddedError, PortError, MigrationError, WeakPassword) as error:
        complain(str(error))
    except OSError as error:
        complain(f"cannot use {keepsakes.folder}: {error.strerror or error}. Choose a folder of yours with --data-dir")
    except KeyboardInterrupt:
        return 0
    finally:
        postgres.stop()
    return 1


def _settings(flags: DevOptions) -> Settings:
    """The settings of this run, on a port that is free.

    Raises:
        SettingsError, PortError: they cannot be used.
    """
    given = {name: text for name, text in gather().items() if text.strip()}
    for problem in unread_names(given):
        complain(str(problem))
    own = {"APP_ENV": "development", "HOST": flags.host, "WORKERS": "1"}
    if flags.port is not None:
        own["PORT"] = str(flags.port)
    settings = load({**_DEFAULTS, **given, **own})
    check(settings)
    settings = replace(settings, port=reserve(settings.host, settings.port))
    reserve_admin_port(settings)
    if "FRONTEND_URL" in given:
        return settings
    return replace(settings, frontend_url=_base_url(settings))


def _base_url(settings: Settings) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}.get(settings.host, settings.host)  # noqa: S104 - read
    return f"http://{host}:{settings.port}"


def _with_keepsakes(settings: Settings, keepsakes: Keepsakes) -> Settings:
    """The settings with what is not set taken from the folder."""
    settings = replace(
        settings,
        jwt_signing_key_pem=settings.jwt_signing_key_pem or Secret(keepsakes.signing_key()),
        secret_key=settings.secret_key or Secret(keepsakes.secret_key()),
        internal_api_key=settings.internal_api_key or (Secret(keepsakes.internal_api_key()),),
    )
    if settings.bootstrap_admin_password_hash or settings.bootstrap_admin_password:
        return settings
    made = keepsakes.administrator()
    email = settings.bootstrap_admin_email or made.email
    return replace(settings, bootstrap_admin_email=email, bootstrap_admin_password=Secret(made.password))


class _Dev:
    """One run: migrations, the administrator, the server, the card."""

    def __init__(self, flags: DevOptions, settings: Settings, keepsakes: Keepsakes, *, embedded: bool) -> None:
        self._flags = flags
        self._settings = settings
        self._keepsakes = keepsakes
        self._embedded = embedded
        self._stopping = False

    async def run(self) -> int:
        """Serve until told to stop."""
        settings = self._settings
        observability.configure(level=settings.log_level, form=settings.log_format, request_id=context.request_id)
        await migrate_up(settings.database_url.reveal(), settings.migrations_path)
        administrator = await self._administrator()
        server = Server(
            lambda: WithAdminPort(Application(settings)).serve,
            address=settings.host,
            port=settings.port,
            factory=True,
            log_level=LogLevels.error,
            log_dictconfig=logging_config(),
            **options(),
        )
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop, server)
        card = loop.create_task(self._show_card(administrator))
        try:
            await server.serve()
        finally:
            card.cancel()
        return 0 if self._stopping else 1

    def _stop(self, server: Server) -> None:
        if self._stopping:
            os._exit(1)  # the second signal: at once; the kernel ends PostgreSQL with us
        self._stopping = True
        server.stop()  # type: ignore[no-untyped-call]  # granian's annotations are partial

    async def _administrator(self) -> Administrator:
        """The login for the card; its password is empty when it is not the one we know."""
        s = self._settings
        email, password = s.bootstrap_admin_email, s.bootstrap_admin_password.reveal()
        password_hash = s.bootstrap_admin_password_hash.reveal()
        async with bootstrap(s) as service:
            outcome = await service.ensure(email, password=password, password_hash=password_hash)
            if outcome is Outcome.TAKEN:
                complain(f"{email} is an ordinary account: identry create-admin --email {email} --promote")
            if password and await service.verify(email, password):
                return Administrator(email, password)
        return Administrator(email, "")

    async def _show_card(self, administrator: Administrator) -> None:
        """Wait until the port answers, then show where everything is."""
        s = self._settings
        while not await _answers(s.host, s.port):  # noqa: ASYNC110 - another process's port has no event
            await asyncio.sleep(0.02)
        base = _base_url(s)
        card = Card(
            base_url=base,
            docs_url=f"{base}/docs",
            mailbox_url=f"{base}/dev/mail",
            health_url=f"{base}/health",
            jwks_url=f"{base}/.well-known/jwks.json",
            admin_url=f"{base}/admin",
            admin_api_url=f"http://{s.admin_bind_host}:{s.admin_listener}" if s.admin_listener else f"{base}/manage",
            admin_email=administrator.email,
            admin_password=administrator.password,
            internal_api_key=s.internal_api_key[0].reveal(),
            data_dir=str(self._keepsakes.folder),
            database="embedded PostgreSQL" if self._embedded else "DATABASE_URL",
            pid=os.getpid(),
            curl=login_command(base, administrator.email, administrator.password or "…"),
        )
        card.show(sys.stdout)
        if self._flags.card_json is not None:
            try:
                card.write(self._flags.card_json)
            except OSError as error:
                complain(f"cannot write {self._flags.card_json}: {error.strerror}")


async def _answers(host: str, port: int) -> bool:
    """Whether someone accepts connections; the server does so only once the application is up."""
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    try:
        _, writer = await asyncio.open_connection(address, port)
    except OSError:
        return False
    writer.close()
    return True
