"""`identry migrate up|down|status|force`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from identry.cli.one_off import one_off_settings
from identry.cli.terminal import complain, list_problems, say
from identry.core.migrate import MigrationError, migrate_down, migrate_force, migrate_status, migrate_up
from identry.settings import SettingsError


def up() -> int:
    """Apply every pending migration."""

    async def run(url: str, path: Path | None) -> int:
        applied = await migrate_up(url, path)
        say(f"applied: {', '.join(map(str, applied))}" if applied else "nothing to do")
        return 0

    return _with_database(run)


def down(steps: int) -> int:
    """Take the last `steps` migrations back."""

    async def run(url: str, path: Path | None) -> int:
        undone = await migrate_down(url, path, steps=steps)
        say(f"taken back: {', '.join(map(str, undone))}" if undone else "nothing to do")
        return 0

    return _with_database(run)


def status() -> int:
    """Print where the database stands; exit code 1 when it is dirty or not this release's."""

    async def run(url: str, path: Path | None) -> int:
        found = await migrate_status(url, path)
        version = "none" if found.version is None else str(found.version)
        say(f"version: {version}{' (dirty)' if found.dirty else ''}")
        for migration in found.migrations:
            say(f"  {'pending' if migration in found.pending else 'applied'}  {migration}")
        if found.unknown:
            complain("this release does not know that version: is the database newer, or MIGRATIONS_PATH another's?")
        return int(found.dirty or found.unknown)

    return _with_database(run)


def force(version: int) -> int:
    """Record a version without running anything; 0 means none."""

    async def run(url: str, _path: Path | None) -> int:
        await migrate_force(url, version or None)
        say(f"recorded: {version or 'none'}")
        return 0

    return _with_database(run)


def _with_database(run: Callable[[str, Path | None], Coroutine[Any, Any, int]]) -> int:
    try:
        settings = one_off_settings("set it to the database to migrate")
        return asyncio.run(run(settings.database_url.reveal(), settings.migrations_path))
    except SettingsError as error:
        list_problems(error.problems)
    except MigrationError as error:
        complain(str(error))
    return 1
