"""The operator's commands: one clear line when something is wrong, an exit code that says so."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
from pathlib import Path

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from harness import SIGNING_PEM
from services.databases import create_database
from services.ports import free_port
from services.program import PROGRAM, identry
from services.redis import RedisServer

from identry.cli.doctor import admin_port
from identry.core.embedded import EmbeddedPostgres
from identry.settings import load

SECRET_KEY = "only for tests: 0123456789 abcdefghijklmnopqrst"


@pytest.fixture(scope="module")
async def database(postgres: EmbeddedPostgres) -> str:
    """A database of our own, empty at first."""
    return await create_database(postgres.url)


@pytest.fixture(scope="module")
def production(database: str, redis_server: RedisServer) -> dict[str, str]:
    """A complete configuration."""
    return {
        "DATABASE_URL": database,
        "REDIS_URL": redis_server.url,
        "JWT_SIGNING_KEY_PEM": SIGNING_PEM,
        "SECRET_KEY": SECRET_KEY,
        "ACCESS_TOKEN_TTL": "15m",
    }


def _execute(url: str, sql: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(url)
        await connection.execute(sql)
        await connection.close()

    asyncio.run(run())


def test_migrations_go_up_and_down_and_tell_where_they_stand(database: str, tmp_path: Path) -> None:
    up = identry("migrate", "up", cwd=tmp_path, DATABASE_URL=database)
    assert (up.returncode, up.stdout.startswith("applied: 1, 2")) == (0, True), up.stderr
    assert identry("migrate", "up", cwd=tmp_path, DATABASE_URL=database).stdout == "nothing to do\n"
    last = up.stdout.strip().rpartition(" ")[2]
    assert identry("migrate", "down", cwd=tmp_path, DATABASE_URL=database).stdout == f"taken back: {last}\n"
    status = identry("migrate", "status", cwd=tmp_path, DATABASE_URL=database)
    assert status.stdout.count("pending") == 1
    identry("migrate", "up", cwd=tmp_path, DATABASE_URL=database)


def test_an_unreachable_database_is_one_clear_line_whatever_the_command(
    production: dict[str, str], tmp_path: Path
) -> None:
    nowhere = {**production, "DATABASE_URL": "postgresql://auth:hunter2@127.0.0.1:1/x"}
    for command in (
        ["keys", "list"],
        ["keys", "rotate"],
        ["create-admin", "--email", "ada@example.com"],
        ["reset-mfa", "ada@example.com"],
        ["explain", "ada@example.com", "users:read"],
        ["tenant", "create", "acme", "--name", "Acme"],
        ["apps", "list"],
        ["blocked-ips", "list"],
        ["entitlements", "show", "0199c0de-7a11-7000-8000-000000000001"],
        ["migrate", "status"],
    ):
        refused = identry(*command, cwd=tmp_path, **nowhere)
        assert refused.returncode == 1, command
        (line,) = refused.stderr.splitlines()
        assert "(wrong DATABASE_URL, or PostgreSQL is not running" in line, (command, line)
        assert "hunter2" not in refused.stdout + refused.stderr, command


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({}, "DATABASE_URL is required"),
        ({"DATABASE_URL": "postgresql://a:hunter2@127.0.0.1:1/x"}, "wrong DATABASE_URL, or PostgreSQL is not running"),
        ({"DATABASE_URL": "nonsense"}, "DATABASE_URL does not start with postgres://"),
        ({"DATABASE_URL": "postgresql://a@b/c", "MIGRATIONS_PATH": "/nowhere"}, "MIGRATIONS_PATH"),
    ],
)
def test_a_migration_that_cannot_start_says_why(variables: dict[str, str], message: str, tmp_path: Path) -> None:
    refused = identry("migrate", "up", cwd=tmp_path, **variables)
    assert refused.returncode == 1
    assert message in refused.stderr
    assert "Traceback" not in refused.stderr
    assert "hunter2" not in refused.stderr


class TestCreateAdmin:
    def test_it_makes_a_superadmin_and_prints_the_generated_password(self, database: str, tmp_path: Path) -> None:
        made = identry("create-admin", "--email", "Ops@Example.com", cwd=tmp_path, DATABASE_URL=database)
        assert made.returncode == 0, made.stderr
        assert made.stdout.startswith("ops@example.com is a platform superadmin; password: ")
        again = identry("create-admin", "--email", "ops@example.com", cwd=tmp_path, DATABASE_URL=database)
        assert (again.returncode, again.stdout) == (1, "")
        assert "has an account already; --promote" in again.stderr

    def test_the_password_can_come_from_standard_input(self, database: str, tmp_path: Path) -> None:
        arguments = ("create-admin", "--email", "piped@example.com", "--password-stdin")
        weak = identry(*arguments, cwd=tmp_path, stdin="short\n", DATABASE_URL=database)
        assert (weak.returncode, weak.stderr) == (1, "identry: the password must have at least 8 characters\n")
        made = identry(*arguments, cwd=tmp_path, stdin="a long enough one\n", DATABASE_URL=database)
        assert (made.returncode, made.stdout) == (0, "piped@example.com is a platform superadmin\n")

    def test_promotion_needs_an_account(self, database: str, tmp_path: Path) -> None:
        arguments = ("create-admin", "--promote", "--email")
        refused = identry(*arguments, "nobody@example.com", cwd=tmp_path, DATABASE_URL=database)
        assert (refused.returncode, "has no account" in refused.stderr) == (1, True)
        assert identry(*arguments, "piped@example.com", cwd=tmp_path, DATABASE_URL=database).returncode == 0

    def test_what_is_no_address_is_refused(self, database: str, tmp_path: Path) -> None:
        refused = identry("create-admin", "--email", "nobody", cwd=tmp_path, DATABASE_URL=database)
        assert (refused.returncode, refused.stderr) == (1, "identry: 'nobody' is not a mail address\n")


class TestKeys:
    def test_generate_prints_a_key_that_the_server_accepts(self, production: dict[str, str], tmp_path: Path) -> None:
        made = identry("keys", "generate", "--bits", "2048", cwd=tmp_path)
        assert isinstance(load_pem_private_key(made.stdout.encode(), None), rsa.RSAPrivateKey)
        listed = identry("keys", "list", cwd=tmp_path, **{**production, "JWT_SIGNING_KEY_PEM": made.stdout})
        assert listed.returncode == 0, listed.stderr

    def test_a_rotated_key_is_listed_and_a_second_rotation_waits(
        self, production: dict[str, str], tmp_path: Path
    ) -> None:
        rotated = identry("keys", "rotate", cwd=tmp_path, **production)
        assert rotated.returncode == 0, rotated.stderr
        kid = rotated.stdout.split()[0]
        assert f"{kid}  RS256  published" in identry("keys", "list", cwd=tmp_path, **production).stdout
        second = identry("keys", "rotate", cwd=tmp_path, **production)
        assert (second.returncode, "already waits" in second.stderr) == (1, True)

    def test_retiring_an_unknown_key_is_refused(self, production: dict[str, str], tmp_path: Path) -> None:
        refused = identry("keys", "retire", "no-such", cwd=tmp_path, **production)
        assert (refused.returncode, "no signing key has the kid" in refused.stderr) == (1, True)


class TestDoctor:
    def test_a_healthy_set_up_is_in_order(self, production: dict[str, str], tmp_path: Path) -> None:
        identry("migrate", "up", cwd=tmp_path, **production)
        report = identry("doctor", cwd=tmp_path, **production)
        assert report.returncode == 0, report.stdout
        for line in ("ok  PostgreSQL: 18", "ok  Redis: answers", "ok  migrations: at version"):
            assert line in report.stdout
        assert "finance database not configured" in report.stdout

    def test_everything_that_is_wrong_is_listed_with_what_to_do(
        self, production: dict[str, str], tmp_path: Path
    ) -> None:
        wrong = {
            "DATABASE_URL": "postgresql://a:hunter2@127.0.0.1:1/x",
            "REDIS_URL": "redis://127.0.0.1:1/0",
            "SMTP_URL": "smtp://a:hunter2@127.0.0.1:1",
            "CORE_URL": "http://127.0.0.1:1",
        }
        report = identry("doctor", cwd=tmp_path, **{**production, **wrong, "JWT_SECRET": "legacy"})
        assert report.returncode == 1
        assert "PROBLEM  PostgreSQL" in report.stdout
        assert "PROBLEM  Redis" in report.stdout
        assert "PROBLEM  SMTP: nothing accepts connections at 127.0.0.1:1" in report.stdout
        assert "PROBLEM  entitlements: nothing answers at http://127.0.0.1:1" in report.stdout
        assert "note  JWT_SECRET: is set and ignored" in report.stdout
        assert report.stdout.count("→") >= 3
        assert "hunter2" not in report.stdout + report.stderr

    async def test_it_says_where_the_admin_port_listens_and_who_can_reach_it(self) -> None:
        taken, free = socket.create_server(("127.0.0.1", 0)), free_port()
        port = str(taken.getsockname()[1])
        issuer = {"OAUTH_ISSUER": "https://auth.example.com"}
        said = {
            "ok  none: OAUTH_ISSUER is not set": {},
            f"ok  127.0.0.1:{port}, for this machine alone; answers": {**issuer, "ADMIN_PORT": port},
            f"ok  [::1]:{free}, for this machine alone; does not answer": {
                **issuer, "ADMIN_PORT": str(free), "ADMIN_BIND_HOST": "::1",
            },
            f"note  0.0.0.0:{port}, exposed on every address of this machine; answers": {
                **issuer, "ADMIN_PORT": port, "ADMIN_BIND_HOST": "0.0.0.0",
            },
        }  # fmt: skip
        with taken:
            for expected, settings in said.items():
                (finding,) = [found async for found in admin_port(load(settings))]
                assert f"{finding.grade.value}  {finding.detail}".startswith(expected)
                assert bool(finding.advice) == (finding.grade.value == "note")
            for env, grade in (("development", "ok"), ("production", "note")):
                (finding,) = [found async for found in admin_port(load({**issuer, "APP_ENV": env, "ADMIN_PORT": "0"}))]
                assert (finding.grade.value, "under /manage" in finding.detail) == (grade, True)

    def test_nothing_configured_names_what_is_required(self, tmp_path: Path) -> None:
        report = identry("doctor", cwd=tmp_path)
        assert report.returncode == 1
        for name in ("DATABASE_URL", "REDIS_URL", "JWT_SIGNING_KEY_PEM"):
            assert f"PROBLEM  {name}: is required" in report.stdout

    def test_a_role_without_rights_is_told_the_grant(
        self, production: dict[str, str], database: str, tmp_path: Path
    ) -> None:
        _execute(database, "DROP ROLE IF EXISTS cli_weak; CREATE ROLE cli_weak LOGIN")
        url = database.replace("postgres@", "cli_weak@")
        report = identry("doctor", cwd=tmp_path, **{**production, "DATABASE_URL": url})
        assert 'GRANT USAGE, CREATE ON SCHEMA "public" TO "cli_weak"' in report.stdout
        assert report.returncode == 1


def test_the_template_names_every_variable(tmp_path: Path) -> None:
    template = identry("env", "--template", cwd=tmp_path)
    assert template.returncode == 0
    for name in ("DATABASE_URL", "JWT_SIGNING_KEY_PEM", "BOOTSTRAP_ADMIN_EMAIL", "SHUTDOWN_GRACE"):
        assert f"# {name}=" in template.stdout


def test_a_terminal_that_knows_fewer_letters_gets_escapes(tmp_path: Path) -> None:
    environment = {"PATH": os.defpath, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [*PROGRAM, "doctor"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert "\\u2192" in done.stdout


def test_help_and_version_need_no_configuration(tmp_path: Path) -> None:
    assert identry("version", cwd=tmp_path, PORT="nonsense").stdout.startswith("identry ")
    shown = identry("--help", cwd=tmp_path, PORT="nonsense").stdout
    for command in ("dev", "serve", "migrate", "create-admin", "keys", "doctor", "env"):
        assert command in shown
