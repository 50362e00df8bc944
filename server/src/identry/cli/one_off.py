"""Commands that work on the database and end: their settings, as configured or those of an `identry dev` nearby; the
database; and one line about what cannot be done.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from identry.cli.keepsakes import Keepsakes
from identry.cli.terminal import complain, complain_of, list_problems
from identry.core import observability, partitions
from identry.core.clock import SystemClock
from identry.core.db import Database, Rejected
from identry.core.embedded import EmbeddedPostgres
from identry.core.kv import KV, MemoryKV
from identry.entitlements import CatalogueError
from identry.settings import Problem, Secret, Settings, SettingsError, load
from identry.settings.rules import LOCAL_DATABASE
from identry_kit.apierror import APIError


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


def one_off(
    job: Callable[[Settings], Coroutine[Any, Any, int]],
    *,
    settings: Callable[[], Settings] = one_off_settings,
    words: Callable[[str], str] = str,
) -> int:
    """Do it, saying in one line what cannot be done; the exit code.

    Args:
        job: returns the exit code.
        settings: finds them.
        words: what an error says, in the words of the command.
    """
    try:
        return asyncio.run(job(settings()))
    except SettingsError as error:
        list_problems(error.problems)
    except (CatalogueError, APIError, ValueError) as error:
        complain_of(error, words)
    except Rejected as error:
        complain(f"{str(error).partition(chr(10))[0]}; is the database migrated? identry migrate up")
    return 1


@asynccontextmanager
async def database_of(settings: Settings) -> AsyncIterator[Database]:
    """The database, ready to be written to; it is closed in the end."""
    db = Database(settings.database_url.reveal(), min_size=1, max_size=1, patience=10)
    try:
        await db.open()
        await partitions.ensure(db, SystemClock().now())
        yield db
    finally:
        await db.close()


@asynccontextmanager
async def kv_of(settings: Settings, clock: SystemClock) -> AsyncIterator[KV]:
    """Where running servers hear of what a command did; without Redis they look into the database by themselves."""
    if settings.redis_url:
        from identry.core.kv.redis import RedisKV

        kv: KV = RedisKV(settings.redis_url.reveal(), timeout=settings.redis_timeout.total_seconds())
    else:
        kv = MemoryKV(clock)
    try:
        yield kv
    finally:
        await kv.close()
