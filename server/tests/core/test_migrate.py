"""Migrations: golang-migrate's files and table; once each, whole or not at all, whoever starts and whoever dies."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import zlib
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from services.databases import create_database

from identry.core.embedded import EmbeddedPostgres
from identry.core.migrate import MigrationError, migrate_down, migrate_force, migrate_status, migrate_up

RUN = """
import asyncio, sys
from pathlib import Path
from identry.core.migrate import migrate_up
print(asyncio.run(migrate_up(sys.argv[1], Path(sys.argv[2]))))
"""


@pytest.fixture
async def url(postgres: EmbeddedPostgres) -> str:
    """An empty database."""
    return await create_database(postgres.url)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, 1, "users", "CREATE TABLE users (id int)", "DROP TABLE users")
    write(
        tmp_path,
        2,
        "sessions",
        "CREATE TABLE sessions (id int); INSERT INTO sessions VALUES (1)",
        "DROP TABLE sessions",
    )
    return tmp_path


def write(folder: Path, version: int, name: str, up: str, down: str | None = None) -> None:
    (folder / f"{version:06}_{name}.up.sql").write_text(up)
    if down is not None:
        (folder / f"{version:06}_{name}.down.sql").write_text(down)


async def rows(url: str, sql: str) -> list[tuple[object, ...]]:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(sql)]
    finally:
        await connection.close()


VERSION = "SELECT version, dirty FROM schema_migrations"


async def test_pending_steps_are_applied_in_order_and_once(url: str, folder: Path) -> None:
    write(folder, 10, "tenth", "ALTER TABLE sessions ADD COLUMN tenth int")
    assert await migrate_up(url, folder) == [1, 2, 10]
    assert await migrate_up(url, folder) == []
    assert await rows(url, VERSION) == [(10, False)]


async def test_the_table_is_golang_migrates(url: str, folder: Path) -> None:
    await migrate_up(url, folder)
    columns = await rows(
        url,
        "SELECT column_name, data_type, is_nullable FROM information_schema.columns "
        "WHERE table_name = 'schema_migrations' ORDER BY 1",
    )
    assert columns == [("dirty", "boolean", "NO"), ("version", "bigint", "NO")]


async def test_golang_migrates_own_lock_keeps_it_waiting(url: str, folder: Path) -> None:
    tool = await asyncpg.connect(url)
    key = zlib.crc32(b"public\0schema_migrations\0" + urlsplit(url).path.encode()) * 1486364155 % 2**32
    await tool.execute("SELECT pg_advisory_lock($1)", key)
    waiting = asyncio.create_task(migrate_up(url, folder))
    await asyncio.sleep(0.3)
    assert not waiting.done()
    await tool.close()
    assert await waiting == [1, 2]


async def test_eight_processes_at_once_apply_each_step_once(url: str, folder: Path) -> None:
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", RUN, url, str(folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(8)
    ]
    results = await asyncio.gather(*(process.communicate() for process in processes))
    assert [process.returncode for process in processes] == [0] * 8, results
    assert sorted(out.decode().strip() for out, _ in results) == [*["[1, 2]"], *["[]"] * 7]
    assert await rows(url, "SELECT count(*) FROM sessions") == [(1,)]


async def test_a_killed_migrator_leaves_nothing_half_done(url: str, folder: Path) -> None:
    write(folder, 3, "slow", "CREATE TABLE third (id int); SELECT pg_sleep(30)")
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", RUN, url, str(folder))
    busy = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(30)%' AND wait_event = 'PgSleep'"
    while await rows(url, busy) != [(1,)]:
        await asyncio.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    await process.wait()
    await rows(url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
    assert await rows(url, VERSION) == [(2, False)]
    write(folder, 3, "slow", "CREATE TABLE third (id int)")
    assert await migrate_up(url, folder) == [3]


async def test_a_failing_step_is_rolled_back_and_named_with_its_line(url: str, folder: Path) -> None:
    write(folder, 3, "bad", "CREATE TABLE third (id int);\nALTER TABLE nowhere\n  ADD COLUMN x int;\n")
    with pytest.raises(MigrationError, match=r'3 \(bad\) failed.*relation "nowhere" does not exist; nothing of it'):
        await migrate_up(url, folder)
    assert await rows(url, VERSION) == [(2, False)]
    assert await rows(url, "SELECT to_regclass('third') IS NULL") == [(True,)]


async def test_a_syntax_error_is_named_with_its_line(url: str, folder: Path) -> None:
    write(folder, 3, "bad", "CREATE TABLE third (id int);\n\nCREATE TABEL fourth ();\n")
    with pytest.raises(MigrationError, match=r"3 \(bad\) failed in line 3: syntax error"):
        await migrate_up(url, folder)


async def test_a_step_outside_a_transaction_that_fails_leaves_the_database_dirty(url: str, folder: Path) -> None:
    index = "-- identry: no-transaction\nCREATE INDEX CONCURRENTLY i ON sessions (id)"
    write(folder, 3, "index", index.replace("sessions", "nowhere"))
    with pytest.raises(MigrationError, match="marked dirty"):
        await migrate_up(url, folder)
    write(folder, 3, "index", index)
    for attempt in (migrate_up, migrate_down):
        with pytest.raises(MigrationError, match=r"dirty at version 3.*identry migrate force 3"):
            await attempt(url, folder)
    assert (await migrate_status(url, folder)).dirty
    await migrate_force(url, 2)
    assert await migrate_up(url, folder) == [3]


async def test_down_takes_back_the_last_steps_and_up_applies_them_again(url: str, folder: Path) -> None:
    await migrate_up(url, folder)
    assert await migrate_down(url, folder) == [2]
    assert await rows(url, VERSION) == [(1, False)]
    assert await migrate_down(url, folder, steps=9) == [1]
    assert await rows(url, VERSION) == []
    assert await migrate_up(url, folder) == [1, 2]


async def test_down_without_a_way_back_is_refused(url: str, folder: Path) -> None:
    write(folder, 3, "final", "SELECT 1")
    await migrate_up(url, folder)
    with pytest.raises(MigrationError, match=r"3 \(final\) has no \.down\.sql"):
        await migrate_down(url, folder)


async def test_status_tells_what_is_pending_and_writes_nothing(url: str, folder: Path) -> None:
    status = await migrate_status(url, folder)
    assert (status.version, [m.version for m in status.pending]) == (None, [1, 2])
    assert await rows(url, "SELECT to_regclass('schema_migrations') IS NULL") == [(True,)]


async def test_a_database_newer_than_the_release_is_refused(url: str, folder: Path) -> None:
    await migrate_up(url, folder)
    (folder / "000002_sessions.up.sql").unlink()
    (folder / "000002_sessions.down.sql").unlink()
    with pytest.raises(
        MigrationError, match=r"newer than this release: it stands at version 2, this release ends at 1"
    ):
        await migrate_up(url, folder)


async def test_a_database_at_an_unknown_version_in_between_is_refused(url: str, folder: Path) -> None:
    write(folder, 5, "fifth", "SELECT 1")
    await migrate_up(url, folder)
    await migrate_force(url, 4)
    with pytest.raises(MigrationError, match="stands at version 4, which is not among the migrations"):
        await migrate_up(url, folder)


async def test_a_role_without_rights_is_told_which_grant_is_missing(url: str, folder: Path) -> None:
    await rows(url, "SELECT 1 FROM pg_roles WHERE rolname = 'weak'") or await rows(url, "CREATE ROLE weak LOGIN")
    weak = url.replace("postgres@", "weak@")
    with pytest.raises(MigrationError) as caught:
        await migrate_up(weak, folder)
    message = str(caught.value)
    assert message.startswith("permission denied for schema public")
    assert 'GRANT USAGE, CREATE ON SCHEMA "public" TO "weak"' in message


async def test_a_role_without_rights_may_start_when_nothing_is_pending(url: str, folder: Path) -> None:
    await rows(url, "SELECT 1 FROM pg_roles WHERE rolname = 'weak'") or await rows(url, "CREATE ROLE weak LOGIN")
    await migrate_up(url, folder)
    await rows(url, "GRANT SELECT ON schema_migrations TO weak")
    assert await migrate_up(url.replace("postgres@", "weak@"), folder) == []


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("postgresql://u:hunter2@127.0.0.1:1/auth", "wrong DATABASE_URL, or PostgreSQL is not running"),
        ("mysql://u:hunter2@127.0.0.1/auth", "check DATABASE_URL"),
        ("postgresql://postgres@/nowhere?host=SOCKET", "create that database"),
        ("postgresql://stranger@/identry?host=SOCKET", "user or password in DATABASE_URL is wrong"),
    ],
)
async def test_an_unreachable_database_is_one_clear_line(
    postgres: EmbeddedPostgres, folder: Path, target: str, message: str
) -> None:
    with pytest.raises(MigrationError) as caught:
        await migrate_up(target.replace("SOCKET", postgres.url.rpartition("host=")[2]), folder)
    text = str(caught.value)
    assert text.startswith("cannot connect to PostgreSQL: ")
    assert message in text
    assert "\n" not in text
    assert "hunter2" not in text


@pytest.mark.parametrize("text", ["BEGIN;\nSELECT 1;\nCOMMIT;", "SELECT 1; commit ;", "START TRANSACTION; SELECT 1"])
async def test_a_file_that_ends_the_transaction_itself_is_refused(url: str, folder: Path, text: str) -> None:
    write(folder, 3, "own", text)
    with pytest.raises(MigrationError, match="each migration runs in a transaction of its own"):
        await migrate_up(url, folder)


async def test_function_bodies_and_comments_may_say_begin(url: str, folder: Path) -> None:
    body = "-- begin;\nCREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END; $$;\n"
    write(folder, 3, "function", body)
    assert await migrate_up(url, folder) == [1, 2, 3]


async def test_two_files_of_one_number_are_refused(url: str, folder: Path) -> None:
    write(folder, 2, "other", "SELECT 1")
    with pytest.raises(MigrationError, match="two migrations have the number"):
        await migrate_up(url, folder)


async def test_a_missing_folder_is_named(url: str, folder: Path) -> None:
    with pytest.raises(MigrationError, match="set MIGRATIONS_PATH"):
        await migrate_up(url, folder / "nowhere")
