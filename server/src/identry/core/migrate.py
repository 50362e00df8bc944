"""Migrations, in golang-migrate's format, so that its `migrate` command reads the same folder and the same table.

Files are `<version>_<name>.up.sql` and `.down.sql`; the table `schema_migrations(version, dirty)` holds one row. Each
step and its version row are one transaction, so a killed migrator leaves nothing half done. A file that cannot run in
a transaction (`CREATE INDEX CONCURRENTLY`) starts with `-- identry: no-transaction` and holds one statement; when that
is interrupted, the row stays dirty and the next run says so instead of guessing.

Any number of processes may start at once: one works under the advisory lock that golang-migrate takes too, the rest
wait and find nothing left to do. Source: first seed §13; golang-migrate v4, `database/pgx`.
"""

from __future__ import annotations

import asyncio
import contextlib
import zlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from identry.core.migration_files import Migration, MigrationError, is_transactional, read_folder

__all__ = ["Migration", "MigrationError", "Status", "migrate_down", "migrate_force", "migrate_status", "migrate_up"]

_LOCK_SALT = 1486364155  # golang-migrate's, database/util.go
_CONNECT_TIMEOUT = 10.0
_LOCK_PATIENCE = 120.0
_TABLE = "schema_migrations"


@dataclass(frozen=True, slots=True)
class Status:
    """Where a database stands.

    Attributes:
        version: the last step applied, None before the first.
        dirty: that step was interrupted outside a transaction.
        migrations: all steps of this release, oldest first.
    """

    version: int | None
    dirty: bool
    migrations: tuple[Migration, ...]

    @property
    def pending(self) -> tuple[Migration, ...]:
        """The steps not applied yet."""
        return tuple(m for m in self.migrations if self.version is None or m.version > self.version)

    @property
    def unknown(self) -> bool:
        """Whether the database stands at a version that this release does not bring."""
        return self.version is not None and self.version not in {m.version for m in self.migrations}


async def migrate_up(url: str, path: Path | None = None) -> list[int]:
    """Apply every pending step; returns the versions applied by this call.

    Args:
        url: the database; a role that may create tables, unless nothing is pending.
        path: the folder of migrations; None for the ones of this release.

    Raises:
        MigrationError: one line that says what is wrong and what to do.
    """
    migrations = read_folder(path)
    async with _connected(url) as connection:
        status = await _status(connection, migrations)
        _check(status)
        if not status.pending:
            return []  # without the lock: the usual start of a replica
        async with _locked(connection):
            await _ensure_table(connection)
            status = await _status(connection, migrations)
            _check(status)
            for migration in status.pending:
                await _apply(connection, migration, migration.up, migration.version)
            return [migration.version for migration in status.pending]


async def migrate_down(url: str, path: Path | None = None, *, steps: int = 1) -> list[int]:
    """Take the last `steps` steps back; returns the versions taken back, newest first.

    Raises:
        MigrationError: as for `migrate_up`, or a step has no way back.
    """
    migrations = read_folder(path)
    async with _connected(url) as connection, _locked(connection):
        await _ensure_table(connection)
        status = await _status(connection, migrations)
        _check(status)
        applied = [m for m in migrations if m not in status.pending]
        undone = []
        for _ in range(min(steps, len(applied))):
            migration = applied.pop()
            if migration.down is None:
                raise MigrationError(f"migration {migration} has no .down.sql: it cannot be taken back")
            await _apply(connection, migration, migration.down, applied[-1].version if applied else None)
            undone.append(migration.version)
        return undone


async def migrate_force(url: str, version: int | None) -> None:
    """Record that the database stands at `version` (None: before the first step), clean, without running anything.

    For a dirty database, after its state was put right by hand.
    """
    async with _connected(url) as connection, _locked(connection):
        await _ensure_table(connection)
        async with connection.transaction():
            await _record(connection, version, dirty=False)


async def migrate_status(url: str, path: Path | None = None) -> Status:
    """Where the database stands; writes nothing."""
    migrations = read_folder(path)
    async with _connected(url) as connection:
        return await _status(connection, migrations)


# -- the steps -------------------------------------------------------------------------------------------------------


async def _apply(connection: Any, migration: Migration, sql: str, after: int | None) -> None:
    if is_transactional(sql):
        async with connection.transaction():
            await _run(connection, migration, sql, "nothing of it was applied")
            await _record(connection, after, dirty=False)
        return
    async with connection.transaction():
        await _record(connection, migration.version, dirty=True)
    await _run(connection, migration, sql, "it runs outside a transaction, so the database is marked dirty")
    async with connection.transaction():
        await _record(connection, after, dirty=False)


async def _run(connection: Any, migration: Migration, sql: str, consequence: str) -> None:
    try:
        await connection.execute(sql)
    except asyncpg.InsufficientPrivilegeError:
        raise
    except asyncpg.PostgresError as error:
        position = int(error.position) if error.position else 0
        where = f" in line {sql.count(chr(10), 0, position) + 1}" if position else ""
        raise MigrationError(f"migration {migration} failed{where}: {error.message}; {consequence}") from error


async def _record(connection: Any, version: int | None, *, dirty: bool) -> None:
    await connection.execute("DELETE FROM schema_migrations")
    if version is not None:
        await connection.execute("INSERT INTO schema_migrations (version, dirty) VALUES ($1, $2)", version, dirty)


async def _ensure_table(connection: Any) -> None:
    if await connection.fetchval("SELECT to_regclass($1) IS NULL", _TABLE):
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_migrations (version bigint not null primary key, dirty boolean not null)"
        )


async def _status(connection: Any, migrations: tuple[Migration, ...]) -> Status:
    if await connection.fetchval("SELECT to_regclass($1) IS NULL", _TABLE):
        return Status(None, dirty=False, migrations=migrations)
    row = await connection.fetchrow("SELECT version, dirty FROM schema_migrations ORDER BY version DESC LIMIT 1")
    return Status(row["version"] if row else None, dirty=bool(row and row["dirty"]), migrations=migrations)


def _check(status: Status) -> None:
    if status.dirty:
        raise MigrationError(
            f"the database is dirty at version {status.version}: that step was interrupted outside a transaction. "
            f"Finish or undo its statement by hand, then run: identry migrate force {status.version}"
        )
    if not status.unknown:
        return
    last = status.migrations[-1].version if status.migrations else None
    if last is None or (status.version or 0) > last:
        raise MigrationError(
            f"the database is newer than this release: it stands at version {status.version}, this release ends at "
            f"{last}. Start the newer release, or take the database back with it: identry migrate down"
        )
    raise MigrationError(
        f"the database stands at version {status.version}, which is not among the migrations here: is "
        "MIGRATIONS_PATH the folder of this database?"
    )


# -- the connection --------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def _connected(url: str) -> AsyncIterator[Any]:
    """One connection of its own, outside any pool: it carries session settings and the advisory lock."""
    try:
        connection = await asyncpg.connect(url, timeout=_CONNECT_TIMEOUT, command_timeout=None)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
        raise MigrationError(_unreachable(error)) from error
    try:
        # A wait for a table lock would stop every query behind it: give up, roll back, say so.
        await connection.execute("SET statement_timeout = 0; SET lock_timeout = '10s'")
        yield connection
    except asyncpg.InsufficientPrivilegeError as error:
        raise MigrationError(await _missing_right(connection, error)) from error
    except asyncpg.InvalidSchemaNameError as error:
        raise MigrationError(f"{error.message}: create the schema of the role's search_path and grant it") from error
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise MigrationError(f"PostgreSQL ended the migration: {_text(error)}; start again to go on") from error
    finally:
        with contextlib.suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await connection.close(timeout=5.0)


def _text(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _unreachable(error: Exception) -> str:
    causes: tuple[tuple[type[Exception] | tuple[type[Exception], ...], Callable[[], str]], ...] = (
        (
            (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError),
            lambda: "user or password in DATABASE_URL is wrong",
        ),
        (asyncpg.InvalidCatalogNameError, lambda: "create that database, or correct the name in DATABASE_URL"),
        (asyncpg.CannotConnectNowError, lambda: "PostgreSQL is starting or stopping: try again"),
        (asyncpg.TooManyConnectionsError, lambda: "raise max_connections, or lower DB_POOL_SIZE"),
        (TimeoutError, lambda: f"no answer within {_CONNECT_TIMEOUT:.0f} s: wrong host in DATABASE_URL, or a firewall"),
        (OSError, lambda: "wrong DATABASE_URL, or PostgreSQL is not running"),
    )
    advice = next((say() for kind, say in causes if isinstance(error, kind)), "check DATABASE_URL")
    return f"cannot connect to PostgreSQL: {_text(error)} ({advice})"


async def _missing_right(connection: Any, error: asyncpg.InsufficientPrivilegeError) -> str:
    role, schema = await connection.fetchrow("SELECT current_user, coalesce(current_schema(), 'public')")
    return (
        f"{error.message}: the database role cannot do this migration. Run it as the owner, or: "
        f'GRANT USAGE, CREATE ON SCHEMA "{schema}" TO "{role}"'
    )


@contextlib.asynccontextmanager
async def _locked(connection: Any) -> AsyncIterator[None]:
    """Hold the lock that golang-migrate's command takes for this database, schema and table.

    Polled: a session that waits inside PostgreSQL would itself block another's `CREATE INDEX CONCURRENTLY`.
    """
    database, schema = await connection.fetchrow("SELECT current_database(), current_schema()")
    key = (zlib.crc32(f"{schema}\0{_TABLE}\0/{database}".encode()) * _LOCK_SALT) & 0xFFFFFFFF
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _LOCK_PATIENCE
    while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", key):
        if loop.time() > deadline:
            raise MigrationError(
                f"another migration has held the lock for {_LOCK_PATIENCE:.0f} s: wait for it, or end the session "
                f"that holds it (pg_locks, locktype advisory, objid {key})"
            )
        await asyncio.sleep(0.05)
    try:
        yield
    finally:
        with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await connection.fetchval("SELECT pg_advisory_unlock($1)", key)
