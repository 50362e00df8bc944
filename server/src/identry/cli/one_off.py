"""The settings of a command that works on the database and ends: as configured, or those of `identry dev` nearby."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from identry.cli.keepsakes import Keepsakes
from identry.core import observability
from identry.core.embedded import EmbeddedPostgres
from identry.settings import Problem, Secret, Settings, SettingsError, load
from identry.settings.rules import LOCAL_DATABASE


def quiet_settings() -> Settings:
    """The settings, and from here on a log that leaves standard output to the answer: warnings, on standard error.

    Raises:
        SettingsError: a variable cannot be read.
    """
    observability.configure(level="WARNING", form="console", stream=sys.stderr)
    return load()


def one_off_settings(advice: str = "set it to the Auth PostgreSQL") -> Settings:
    """The settings, with a database.

    Without `DATABASE_URL` that is the one of the `identry dev` that runs on `./.identry`, with the keys that it keeps;
    in development else the usual local one.

    Raises:
        SettingsError: a variable cannot be read, or there is no database; `advice` says which one is wanted.
    """
    settings = quiet_settings()
    if settings.database_url:
        return settings
    if (nearby := running_here(settings)) is not None:
        return nearby
    if settings.is_development:
        return replace(settings, database_url=Secret(LOCAL_DATABASE))
    beside = "or, for the database of an `identry dev` that runs, come to the folder that holds its .identry"
    raise SettingsError([Problem("DATABASE_URL", "is required", f"{advice}; {beside}")])


def running_here(settings: Settings) -> Settings | None:
    """The settings with database and keys of the `identry dev` that runs on `./.identry`; None: none runs."""
    keepsakes = Keepsakes(Path(".identry").absolute())
    if not keepsakes.postgres.is_dir():
        return None
    postgres = EmbeddedPostgres(keepsakes.postgres)
    if postgres.holder() is None:
        return None
    return replace(
        settings,
        app_env="development",
        database_url=Secret(postgres.socket_url()),
        secret_key=settings.secret_key or Secret(keepsakes.secret_key()),
        jwt_signing_key_pem=settings.jwt_signing_key_pem or Secret(keepsakes.signing_key()),
    )
