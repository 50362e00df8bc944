"""`identry finance-migrate`: bring accounts and memberships over from a Finance database.

Exit codes: 0, everything is over; 2, some rows were left out (they are listed); 1, it could not be done.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from identry.cli.one_off import one_off_settings
from identry.cli.terminal import complain, list_problems, say
from identry.core import partitions
from identry.core.clock import SystemClock
from identry.core.db import Database, Rejected, Unavailable
from identry.core.foreign_tables import ForeignTableError
from identry.core.passwords import Argon2Params, Passwords
from identry.flows.finance_import.report import Count, Report
from identry.flows.finance_import.service import FinanceImport
from identry.flows.finance_import.service import Progress as Advance
from identry.flows.finance_import.source import FinanceSource, TableNames
from identry.records.audit import Audit
from identry.settings import Problem, Settings, SettingsError, load

_LONG = 3600.0
"""Seconds for one statement: the first rows of Finance come when its server has sorted its tables."""
_CONNECT = 10.0
"""Seconds for a connection."""


class MigrateError(Exception):
    """The import cannot be done; the text says why, in one line."""


def finance_migrate(*, dry_run: bool, replace_conflicts: bool) -> int:
    """Import, or tell what an import would do; returns the exit code."""
    try:
        settings = _settings()
        report = asyncio.run(_run(settings, dry_run=dry_run, replace_conflicts=replace_conflicts))
    except SettingsError as error:
        list_problems(error.problems)
        return 1
    except MigrateError as error:
        complain(str(error))
        return 1
    except KeyboardInterrupt:
        complain("interrupted; what was written is whole, run it again for the rest")
        return 1
    _show(report, dry_run=dry_run)
    return 0 if report.complete else 2


def _settings() -> Settings:
    """As of any command that works on the database and ends, with a Finance database; every fault at once."""
    problems: list[Problem] = []
    try:
        settings = one_off_settings()
    except SettingsError as error:
        problems += error.problems
        settings = load()
    if not settings.finance_database_url:
        problems.append(Problem("FINANCE_DATABASE_URL", "is required", "set it to the Finance PostgreSQL"))
    if problems:
        raise SettingsError(problems)
    return settings


async def _run(settings: Settings, *, dry_run: bool, replace_conflicts: bool) -> Report:
    clock = SystemClock()
    url, finance_url = settings.database_url.reveal(), settings.finance_database_url.reveal()
    db = Database(url, min_size=1, max_size=2, patience=_LONG, read_only=dry_run)
    finance = Database(finance_url, min_size=1, max_size=2, patience=_LONG, read_only=True)
    names = TableNames(
        settings.migrate_user_table,
        settings.migrate_company_membership_table,
        settings.migrate_business_unit_membership_table,
        settings.finance_columns,
    )
    params = Argon2Params(settings.argon2_time, settings.argon2_memory, settings.argon2_threads, settings.argon2_keylen)
    passwords = Passwords(params, threads=1, queue=1)
    try:
        await _open(db, "DATABASE_URL")
        await _require_schema(db)
        await _open(finance, "FINANCE_DATABASE_URL")
        if not dry_run:
            await partitions.ensure(db, clock.now())
        service = FinanceImport(db, clock, Audit(clock), FinanceSource(finance, names), passwords.placeholder())
        with _progress() as advance:
            return await service.run(dry_run=dry_run, replace_conflicts=replace_conflicts, progress=advance)
    except ForeignTableError as error:
        raise MigrateError(f"Finance: {error}; MIGRATE_* names tables and columns") from None
    except (Unavailable, Rejected) as error:
        raise MigrateError(f"{_line(error)}; what was written is whole, run it again for the rest") from None
    finally:
        await passwords.close()
        await finance.close()
        await db.close()


async def _open(db: Database, variable: str) -> None:
    try:
        async with asyncio.timeout(_CONNECT):
            await db.open()
    except (Unavailable, Rejected) as error:
        raise MigrateError(f"{variable}: {_line(error)}") from None
    except TimeoutError:
        raise MigrateError(f"{variable}: no answer within {_CONNECT:g} s") from None


async def _require_schema(db: Database) -> None:
    if not await db.fetchval(
        "SELECT to_regclass('users') IS NOT NULL AND to_regclass('company_memberships') IS NOT NULL"
    ):
        raise MigrateError("DATABASE_URL: the tables are missing; run: identry migrate up")


def _line(error: Exception) -> str:
    return (str(error) or type(error).__name__).partition("\n")[0]


@contextmanager
def _progress() -> Iterator[Advance]:
    """A bar on a terminal, a line for every tenth otherwise; both on standard error."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines()
        return
    columns = (TextColumn("users"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("users", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


class _Lines:
    """Progress for logs and pipes."""

    def __init__(self) -> None:
        self._tenth = 0

    def __call__(self, done: int, total: int) -> None:
        tenth = 10 * done // total if total else 10
        if tenth > self._tenth:
            self._tenth = tenth
            sys.stderr.write(f"users: {done}/{total}\n")
            sys.stderr.flush()


def _show(report: Report, *, dry_run: bool) -> None:
    for problem in report.problems:
        say(f"{problem.kind}: {problem.table} {problem.row}: {problem.reason}")
    say("dry run, nothing was written; it would be:" if dry_run else "done:")
    for name, count in (
        ("users", report.users),
        ("company memberships", report.companies),
        ("business-unit memberships", report.units),
    ):
        say(f"  {name}: {_counts(count)}")
    if report.without_password:
        say(f"  {report.without_password} new accounts have no password and need a reset")
    if report.replaced:
        say(f"  {report.replaced} accounts made room for Finance's")
    conflicts = sum(problem.kind == "conflict" for problem in report.problems)
    if conflicts:
        say(f"  {conflicts} conflicts were left out; --replace-conflicts lets Finance's id own an address held here")


def _counts(count: Count) -> str:
    merged = f", {count.merged} merged" if count.merged else ""
    return (
        f"{count.found} found, {count.created} created, {count.updated} updated, {count.unchanged} unchanged, "
        f"{count.skipped} left out{merged}"
    )
