"""The first administrator, from the command line: the engines that `flows/bootstrap` needs, opened for a moment."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from identry.core import partitions
from identry.core.clock import SystemClock
from identry.core.db import Database
from identry.core.passwords import Argon2Params, Passwords
from identry.flows.bootstrap.service import Bootstrap
from identry.records.audit import Audit
from identry.settings import Settings


@asynccontextmanager
async def bootstrap(settings: Settings) -> AsyncIterator[Bootstrap]:
    """The service on connections of its own; the database is migrated already.

    Raises:
        identry.core.db.Unavailable: PostgreSQL does not answer.
    """
    clock = SystemClock()
    db = Database(settings.database_url.reveal(), min_size=1, max_size=2)
    params = Argon2Params(settings.argon2_time, settings.argon2_memory, settings.argon2_threads, settings.argon2_keylen)
    passwords = Passwords(params, threads=1, queue=4)
    try:
        await db.open()
        await partitions.ensure(db, clock.now())
        yield Bootstrap(db, clock, Audit(clock), passwords, settings.password_min_length)
    finally:
        await passwords.close()
        await db.close()
