"""`identry finance-migrate` and `identry entitlements` as an operator meets them: what they say, how they exit."""

from __future__ import annotations

import asyncio
import os
import pty
import sys
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from harness import Servers
from services.databases import create_database, migrated_database, with_database
from services.finance import SCHEMA
from services.program import identry as run

PROGRAM = str(Path(sys.executable).with_name("identry"))


async def identry(*arguments: str, **env: str) -> tuple[int, str, str]:
    """Run a command; code, standard output and error."""
    done = await asyncio.to_thread(lambda: run(*arguments, cwd=Path("/"), **env))
    return done.returncode, done.stdout, done.stderr


async def process(*arguments: str, cwd: Path, **env: str) -> tuple[int, str]:
    """Run the program itself; its exit code and what it said on both streams."""
    running = await asyncio.create_subprocess_exec(
        PROGRAM,
        *arguments,
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "ARGON2_MEMORY": "64", "ARGON2_THREADS": "1", **env},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await running.communicate()
    assert running.returncode is not None
    return running.returncode, out.decode()


class Pair:
    """A migrated database of ours and a Finance with two users, one of them invalid when asked for."""

    def __init__(self, ours: str, theirs: str) -> None:
        self.ours = ours
        self.env = {"DATABASE_URL": ours, "FINANCE_DATABASE_URL": theirs}

    async def finance(self, sql: str, *args: object) -> None:
        connection = await asyncpg.connect(self.env["FINANCE_DATABASE_URL"])
        await connection.execute(sql, *args)
        await connection.close()

    async def add(self, email: str) -> str:
        user_id = str(uuid4())
        await self.finance('INSERT INTO "User" ("id", "email") VALUES ($1, $2)', user_id, email)
        return user_id

    async def accounts(self) -> int:
        connection = await asyncpg.connect(self.ours)
        found: int = await connection.fetchval("SELECT count(*) FROM users")
        await connection.close()
        return found


@pytest.fixture
async def pair(servers: Servers) -> Pair:
    pair = Pair(await migrated_database(servers.postgres_url), await create_database(servers.postgres_url, SCHEMA))
    await pair.add("ada@example.com")
    await pair.add("grace@example.com")
    return pair


@pytest.mark.parametrize("flag", ["--dry-run", "-dry-run"])
async def test_a_dry_run_says_what_would_be_done(pair: Pair, flag: str) -> None:
    code, out, err = await identry("finance-migrate", flag, **pair.env)
    assert (code, await pair.accounts()) == (0, 0), err
    assert "dry run, nothing was written" in out
    assert "users: 2 found, 2 created, 0 updated, 0 unchanged, 0 left out" in out


async def test_an_import_says_what_was_done_and_can_be_repeated(pair: Pair) -> None:
    code, out, err = await identry("finance-migrate", **pair.env)
    assert (code, await pair.accounts()) == (0, 2), err
    assert "2 created" in out
    assert "2 new accounts have no password and need a reset" in out
    assert "users: 2/2" in err, "progress in plain lines when it is no terminal"
    code, out, _ = await identry("finance-migrate", **pair.env)
    assert (code, "2 unchanged" in out) == (0, True)


async def test_on_a_terminal_progress_is_a_bar(pair: Pair) -> None:
    controller, terminal = pty.openpty()
    running = await asyncio.create_subprocess_exec(
        PROGRAM,
        "finance-migrate",
        env={"PATH": os.environ["PATH"], "TERM": "xterm-256color", **pair.env},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=terminal,
    )
    os.close(terminal)
    assert await running.wait() == 0
    drawn = os.read(controller, 100_000).decode()
    os.close(controller)
    assert "━" in drawn
    assert "2/2" in drawn


async def test_what_is_left_out_is_listed_and_the_exit_code_is_2(pair: Pair) -> None:
    await identry("finance-migrate", **pair.env)
    bad = await pair.add("no address")
    await pair.finance("""UPDATE "User" SET "id" = 'aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa' WHERE "email" LIKE 'ada%'""")
    code, out, _ = await identry("finance-migrate", **pair.env)
    assert code == 2
    assert f"invalid: User {bad}: email is not a valid address: no address" in out
    assert "conflict: User aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa: ada@example.com belongs to account" in out
    assert "--replace-conflicts" in out
    code, out, _ = await identry("finance-migrate", "--dry-run", "--replace-conflicts", **pair.env)
    assert code == 2, "the invalid row is still left out"
    assert "1 accounts made room" in out
    await pair.finance("""DELETE FROM "User" WHERE "email" = 'no address'""")
    code, out, _ = await identry("finance-migrate", "--replace-conflicts", **pair.env)
    assert (code, await pair.accounts()) == (0, 2)


async def test_what_keeps_it_from_running_is_one_line_and_the_exit_code_is_1(pair: Pair, servers: Servers) -> None:
    nowhere = "postgresql://postgres:hunter2@127.0.0.1:1/none"
    missing = with_database(servers.postgres_url, "no_such_database")
    empty = await create_database(servers.postgres_url)
    cases = {
        "FINANCE_DATABASE_URL: database unavailable": {"FINANCE_DATABASE_URL": nowhere},
        "DATABASE_URL: database unavailable": {"DATABASE_URL": nowhere},
        "FINANCE_DATABASE_URL: database unavailable: InvalidCatalogName": {"FINANCE_DATABASE_URL": missing},
        "the tables are missing; run: identry migrate up": {"DATABASE_URL": empty},
        'there is no table "User"': {"FINANCE_DATABASE_URL": empty},
        'there is no table "Person"': {"MIGRATE_USER_TABLE": "Person"},
        '"User" has no column "mail"': {"MIGRATE_COLUMNS": "User.email=mail"},
    }
    for line, env in cases.items():
        code, out, err = await identry("finance-migrate", **{**pair.env, **env})
        assert (code, out) == (1, ""), line
        assert line in err
        assert err.count("\n") == 1, err
        assert "hunter2" not in err
    assert await pair.accounts() == 0


async def test_a_role_without_rights_is_one_line(pair: Pair) -> None:
    role = f"reader_{uuid4().hex}"
    await pair.finance(f"CREATE ROLE {role} LOGIN")
    url = pair.env["FINANCE_DATABASE_URL"].replace("//postgres@", f"//{role}@")
    code, _, err = await identry("finance-migrate", **{**pair.env, "FINANCE_DATABASE_URL": url})
    assert code == 1
    assert "permission denied for table User" in err
    assert err.count("\n") == 1


async def test_missing_and_faulty_variables_are_listed_together() -> None:
    code, _, err = await identry("finance-migrate")
    assert code == 1
    assert "DATABASE_URL is required" in err
    assert "FINANCE_DATABASE_URL is required" in err
    code, _, err = await identry("finance-migrate", MIGRATE_USER_TABLE='User"; --', MIGRATE_COLUMNS="email:mail")
    assert code == 1
    assert "MIGRATE_USER_TABLE" in err
    assert "MIGRATE_COLUMNS is no list of Table.field=column" in err


async def test_a_plan_is_set_shown_and_listed(pair: Pair) -> None:
    company, env = str(uuid4()), {"DATABASE_URL": pair.ours}
    code, out, _ = await identry("entitlements", "plans", **env)
    assert code == 0
    assert "complete (default): basic, crm, finance" in out
    _, out, _ = await identry("entitlements", "show", company, **env)
    assert "complete (the default: none was chosen)" in out
    code, out, _ = await identry("entitlements", "set", company, "basic", **env)
    assert (code, out) == (0, f"{company}: basic: basic\n")
    _, out, _ = await identry("entitlements", "show", company, **env)
    assert out == f"{company}: basic: basic\n"


@pytest.mark.parametrize(
    ("arguments", "env", "line"),
    [
        (("set", "acme", "basic"), {}, "'acme' is no UUID"),
        (("set", str(uuid4()), "gold"), {}, "no plan 'gold'; there are: basic, business, complete"),
        (("show", str(uuid4())), {"DATABASE_URL": "postgresql://x@127.0.0.1:1/none"}, "database unavailable"),
        (("show", str(uuid4())), {"DATABASE_URL": ""}, "DATABASE_URL is required"),
        (("plans",), {"ENTITLEMENTS_FILE": "/no/such/file"}, "cannot be read"),
    ],
)
async def test_a_plan_that_cannot_be_set_says_why(
    pair: Pair, arguments: tuple[str, ...], env: dict[str, str], line: str
) -> None:
    code, out, err = await identry("entitlements", *arguments, **{"DATABASE_URL": pair.ours, **env})
    assert (code, out) == (1, "")
    assert line in err


@pytest.mark.parametrize("command", ["serve", "doctor"])
async def test_a_faulty_catalogue_is_one_line_before_anything_starts(pair: Pair, tmp_path: Path, command: str) -> None:
    file = tmp_path / "catalogue.json"
    file.write_text('{"version": 1, "default": "gold", "modules": {}, "plans": {}}')
    env = {"APP_ENV": "development", "DATABASE_URL": pair.ours, "ENTITLEMENTS_FILE": str(file), "PORT": "0"}
    code, out = await process(command, cwd=tmp_path, **env)
    assert code == 1
    assert "the default plan 'gold' is not among the plans" in out
    assert "Traceback" not in out
