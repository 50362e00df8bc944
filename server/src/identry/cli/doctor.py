"""`identry doctor`: checks the configuration and everything it points to, and says what to do.

The texts are the first seed's Troubleshooting table, met at the place where the trouble is.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC
from enum import Enum
from pathlib import Path
from urllib.parse import urlsplit

from identry.cli.keepsakes import Keepsakes
from identry.cli.one_off import quiet_settings, running_here
from identry.cli.terminal import say
from identry.core.address import is_loopback
from identry.core.clock import SystemClock
from identry.core.db import Database, Unavailable
from identry.core.kv.protocol import KVUnavailable
from identry.core.migrate import MigrationError, migrate_status
from identry.entitlements import Catalogue, CatalogueError
from identry.settings import Problem, Settings, SettingsError, for_serving, gather, unread_names, warnings

_TOO_SKEWED = 5.0
_OLDEST_POSTGRES = 140000
_NEAREST = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what is warned of
_PATIENCE = 2.0


class Grade(Enum):
    """How a finding counts."""

    OK = "ok"
    NOTE = "note"
    PROBLEM = "PROBLEM"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report: what was looked at, how it is, and what to do when it is not well."""

    grade: Grade
    what: str
    detail: str
    advice: str = ""


def doctor() -> int:
    """Print the report; the exit code is 1 when something keeps the server from working."""
    findings = asyncio.run(_examine())
    for finding in findings:
        say(f"{finding.grade.value:>7}  {finding.what}: {finding.detail}")
        if finding.advice:
            say(f"{'':>9}→ {finding.advice}")
    problems = sum(finding.grade is Grade.PROBLEM for finding in findings)
    say(f"\n{problems} problem{'s' if problems != 1 else ''}" if problems else "\neverything needed is in order")
    return min(problems, 1)


async def _examine() -> list[Finding]:
    findings: list[Finding] = []
    try:
        findings += [Finding(Grade.NOTE, p.name, p.problem, p.what_to_do) for p in unread_names(gather())]
        settings = quiet_settings()
    except SettingsError as error:
        return [*findings, *map(_problem, error.problems)]
    findings += [Finding(Grade.NOTE, p.name, p.problem, p.what_to_do) for p in warnings(settings)]
    settings, found = _configuration(settings)
    findings += found
    for check in (_postgres, _migrations, _redis, _entitlements, _finance, _mail, admin_port):
        findings += [finding async for finding in check(settings)]
    return findings


def _configuration(settings: Settings) -> tuple[Settings, list[Finding]]:
    """The settings to look further with: `identry dev`'s own when nothing else is configured and it has run here."""
    keepsakes = Keepsakes(Path(".identry").absolute())
    if not settings.database_url and not settings.redis_url and keepsakes.postgres.is_dir():
        if (nearby := running_here(settings)) is not None:
            return nearby, [Finding(Grade.OK, "identry dev", f"runs on {keepsakes.folder}")]
        return settings, [
            Finding(Grade.NOTE, "identry dev", f"has data in {keepsakes.folder} and is not running", "identry dev")
        ]
    try:
        return for_serving(settings), [Finding(Grade.OK, "configuration", "complete")]
    except SettingsError as error:
        return settings, [_problem(problem) for problem in error.problems]


async def _postgres(settings: Settings) -> AsyncIterator[Finding]:
    if not settings.database_url:
        return
    db = Database(settings.database_url.reveal(), min_size=1, max_size=1)
    try:
        await db.open()
        row = await db.fetchrow(
            """
            SELECT current_setting('server_version_num')::int AS number, current_setting('server_version') AS version,
                   current_user AS role, coalesce(current_schema(), 'public') AS schema,
                   has_schema_privilege(coalesce(current_schema(), 'public'), 'CREATE') AS may_create,
                   clock_timestamp() AS now
            """
        )
    except Unavailable as error:
        advice = "connection refused: wrong DATABASE_URL, or PostgreSQL is not running there"
        yield Finding(Grade.PROBLEM, "PostgreSQL", str(error), advice)
        return
    finally:
        await db.close()
    assert row is not None
    grade = Grade.OK if row["number"] >= _OLDEST_POSTGRES else Grade.PROBLEM
    yield Finding(
        grade, "PostgreSQL", f"{row['version']}, as {row['role']}", "" if grade is Grade.OK else "14 or newer"
    )
    if not row["may_create"]:
        grant = f'GRANT USAGE, CREATE ON SCHEMA "{row["schema"]}" TO "{row["role"]}"'
        detail = f"{row['role']} cannot create tables in {row['schema']} (permission denied for schema)"
        yield Finding(Grade.PROBLEM, "PostgreSQL", detail, f"{grant}; or run migrations as the owner")
    skew = abs((row["now"].astimezone(UTC) - SystemClock().now()).total_seconds())
    if skew > _TOO_SKEWED:
        yield Finding(Grade.NOTE, "clock", f"{skew:.0f} s apart from PostgreSQL's", "run an NTP client on both")


async def _migrations(settings: Settings) -> AsyncIterator[Finding]:
    if not settings.database_url:
        return
    try:
        status = await migrate_status(settings.database_url.reveal(), settings.migrations_path)
    except MigrationError as error:
        if not str(error).startswith("cannot connect"):  # said above
            yield Finding(Grade.PROBLEM, "migrations", str(error))
        return
    if status.dirty:
        advice = f"finish or undo it by hand, then: identry migrate force {status.version}"
        yield Finding(Grade.PROBLEM, "migrations", f"dirty at version {status.version}", advice)
    elif status.unknown:
        advice = "start the newer release, or correct MIGRATIONS_PATH"
        yield Finding(Grade.PROBLEM, "migrations", f"version {status.version} is not this release's", advice)
    elif status.pending:
        yield Finding(Grade.NOTE, "migrations", f"{len(status.pending)} pending", "applied at the next start")
    else:
        yield Finding(Grade.OK, "migrations", f"at version {status.version}")


async def _redis(settings: Settings) -> AsyncIterator[Finding]:
    if not settings.redis_url:
        return
    from identry.core.kv.redis import RedisKV

    try:
        kv = RedisKV(settings.redis_url.reveal(), timeout=2.0)
    except ValueError as error:
        yield Finding(Grade.PROBLEM, "Redis", str(error), "correct REDIS_URL")
        return
    try:
        await kv.ping()
    except KVUnavailable as error:
        advice = "connection refused: wrong REDIS_URL, or Redis is not running there"
        yield Finding(Grade.PROBLEM, "Redis", str(error), advice)
    else:
        yield Finding(Grade.OK, "Redis", "answers")
    finally:
        await kv.close()


async def _entitlements(settings: Settings) -> AsyncIterator[Finding]:
    try:
        catalogue = Catalogue.load(settings.entitlements_file)
    except CatalogueError as error:
        yield Finding(Grade.PROBLEM, "entitlements", str(error), "correct the file, or unset ENTITLEMENTS_FILE")
        return
    if not settings.core_url:
        yield Finding(Grade.OK, "entitlements", f"built-in plans, default {catalogue.default!r}")
        return
    parts = urlsplit(settings.core_url)
    if await _accepts(parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)):
        yield Finding(Grade.OK, "entitlements", f"Core at {settings.core_url}")
    else:
        advice = "correct CORE_URL: who may do what in a company is not told (503) until it answers"
        yield Finding(Grade.PROBLEM, "entitlements", f"nothing answers at {settings.core_url}", advice)


async def _mail(settings: Settings) -> AsyncIterator[Finding]:
    """Whether the SMTP server is there. SES is not asked: its key may send, and need not be able to do more."""
    if not settings.email_enabled or not settings.smtp_url:
        return
    from identry.core.mail.smtp import parse_smtp_url  # loads the driver, so only where it is used

    try:
        server = parse_smtp_url(settings.smtp_url.reveal())
    except ValueError:
        return  # said with the configuration
    where = f"{server.host}:{server.port}"
    if await _accepts(server.host, server.port):
        yield Finding(Grade.OK, "SMTP", f"accepts connections at {where}")
    else:
        advice = "correct SMTP_URL; mail waits in the outbox meanwhile, for a day"
        yield Finding(Grade.PROBLEM, "SMTP", f"nothing accepts connections at {where}", advice)


async def _finance(settings: Settings) -> AsyncIterator[Finding]:
    if not settings.finance_database_url:
        detail = "finance database not configured"
        yield Finding(Grade.OK, "Finance", f"{detail}: company resolve answers 501, as intended without Finance")
        return
    db = Database(settings.finance_database_url.reveal(), min_size=1, max_size=1, read_only=True)
    try:
        await db.open()
        await db.fetchval("SELECT 1")
    except Unavailable as error:
        yield Finding(Grade.PROBLEM, "Finance", str(error), "correct FINANCE_DATABASE_URL, or unset it")
    else:
        yield Finding(Grade.OK, "Finance", "answers")
    finally:
        await db.close()


async def admin_port(settings: Settings) -> AsyncIterator[Finding]:
    """Where the admin port listens, for whom that is, and whether something answers there now."""
    what, port, host = "admin port", settings.admin_listener, settings.admin_bind_host
    if not settings.issuer_url:
        yield Finding(Grade.OK, what, "none: OAUTH_ISSUER is not set")
        return
    if not port:
        detail = "none: /api/admin and /api/apps are under /manage of the main port"
        advice = "let your proxy keep /manage inside, or set ADMIN_PORT"
        yield Finding(Grade.OK, what, detail) if settings.is_development else Finding(Grade.NOTE, what, detail, advice)
        return
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    answers = "answers" if await _accepts(_NEAREST.get(host, host), port) else "does not answer: nothing runs there"
    if host in _NEAREST:
        advice = "publish it to the networks of your services alone, or set ADMIN_BIND_HOST to one address"
        yield Finding(Grade.NOTE, what, f"{where}, exposed on every address of this machine; {answers}", advice)
    elif is_loopback(host):
        yield Finding(Grade.OK, what, f"{where}, for this machine alone; {answers}")
    else:
        advice = "let your firewall keep it to the networks of your services"
        yield Finding(Grade.NOTE, what, f"{where}, exposed to that network; {answers}", advice)


async def _accepts(host: str, port: int) -> bool:
    """Whether a connection can be made."""
    try:
        async with asyncio.timeout(_PATIENCE):
            _, writer = await asyncio.open_connection(host, port)
    except OSError:  # TimeoutError is one
        return False
    writer.close()
    return True


def _problem(problem: Problem) -> Finding:
    return Finding(Grade.PROBLEM, problem.name, problem.problem, problem.what_to_do)
