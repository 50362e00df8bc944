"""The embedded PostgreSQL: starts anywhere, is held by one process, and cleans up after a killed one."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from services.postgres import copy_of_cluster

from identry.core import embedded_user
from identry.core.embedded import AlreadyRunningError, EmbeddedError, EmbeddedPostgres

HOLD = """
import sys, time
from pathlib import Path
from identry.core.embedded import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]))
server.start()
print(server.pid, server.url, flush=True)
time.sleep(60)
"""
IS_ROOT = os.geteuid() == 0


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path that other users may reach, unlike pytest's own."""
    path = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def made(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose cluster exists already."""
    return copy_of_cluster(folder / "pg", tmp_path_factory)


async def value(url: str, sql: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


def python_for(prefix: tuple[str, ...]) -> str:
    """An interpreter that the user of `prefix` may run: a virtual environment can lie in a closed folder."""
    for python in (sys.executable, "/usr/bin/python3"):
        reach = [*prefix, "test", "-x", str(Path(python).resolve())]
        version = [*prefix, python, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
        if all(subprocess.run(check, check=False).returncode == 0 for check in (reach, version)):
            return python
    pytest.skip("no Python 3.11 that an unprivileged user may run")


def hold(folder: Path, *prefix: str) -> tuple[subprocess.Popen[str], int, str]:
    """Another process that starts the server and keeps it: (process, pid of PostgreSQL, url)."""
    command = [*prefix, python_for(prefix), "-c", HOLD, str(folder)]
    environment = {"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(sys.path[1:])}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd="/", env=environment)
    pid, _, url = process.stdout.readline().strip().partition(" ")
    if not url:
        kill(process)
        pytest.fail(f"the holder did not start (exit code {process.returncode})")
    return process, int(pid), url


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    process.stdout.close()


def gone(pid: int, within: float = 10.0) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if not Path(f"/proc/{pid}").exists():
            return True
        time.sleep(0.02)
    return False


async def test_data_survives_a_restart(folder: Path) -> None:
    server = EmbeddedPostgres(folder / "pg")
    url = server.start()
    try:
        assert await value(url, "SELECT current_setting('server_version_num')::int / 10000") == 18
        assert await value(url, "SELECT current_user || ' ' || current_database()") == "postgres identry"
        assert await value(url, "SELECT pg_encoding_to_char(encoding) FROM pg_database LIMIT 1") == "UTF8"
        await value(url, "CREATE TABLE kept AS SELECT 7 AS n")
    finally:
        server.stop()
    with EmbeddedPostgres(folder / "pg") as again:
        assert await value(again.url, "SELECT n FROM kept") == 7


async def test_what_is_committed_is_durable(made: Path) -> None:
    with EmbeddedPostgres(made) as server:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            assert await value(server.url, f"SELECT current_setting('{setting}')") == "on"


async def test_only_the_owner_can_connect_and_there_is_no_tcp_port(made: Path) -> None:
    with EmbeddedPostgres(made) as server:
        assert (made / "run").stat().st_mode & 0o777 == 0o700
        assert await value(server.url, "SELECT current_setting('listen_addresses')") == ""


def test_neither_permissions_nor_owners_of_parent_folders_change(made: Path) -> None:
    parents = [*made.parents]
    before = [(p.stat().st_mode, p.stat().st_uid) for p in parents]
    with EmbeddedPostgres(made):
        pass
    assert [(p.stat().st_mode, p.stat().st_uid) for p in parents] == before


def test_a_second_holder_is_told_who_holds_it(made: Path) -> None:
    process, pid, _ = hold(made)
    try:
        with pytest.raises(AlreadyRunningError, match=rf"already running \(pid {process.pid}\)"):
            EmbeddedPostgres(made).start()
        with pytest.raises(AlreadyRunningError):
            EmbeddedPostgres(made).reset()
    finally:
        kill(process)
    assert gone(pid)


async def test_a_killed_holder_takes_the_server_down_and_loses_nothing(made: Path) -> None:
    process, pid, url = hold(made)
    await value(url, "CREATE TABLE acknowledged AS SELECT 1 AS n")
    kill(process)
    assert gone(pid)
    with EmbeddedPostgres(made) as server:
        assert await value(server.url, "SELECT n FROM acknowledged") == 1


async def test_a_killed_server_is_recovered_at_the_next_start(made: Path) -> None:
    process, pid, url = hold(made)
    await value(url, "CREATE TABLE written AS SELECT 2 AS n")
    os.kill(pid, signal.SIGKILL)
    kill(process)
    with EmbeddedPostgres(made) as server:
        assert await value(server.url, "SELECT n FROM written") == 2


def test_a_server_that_outlived_its_holder_is_ended(made: Path) -> None:
    orphan_maker = HOLD.replace(
        "server.start()", "import threading\nt = threading.Thread(target=server.start); t.start(); t.join()"
    )
    process = subprocess.Popen([sys.executable, "-c", orphan_maker, str(made)], stdout=subprocess.PIPE, text=True)
    orphan = int(process.stdout.readline().split()[0])
    kill(process)
    assert Path(f"/proc/{orphan}").exists()
    with EmbeddedPostgres(made) as server:
        assert server.pid != orphan
        assert gone(orphan)


def test_a_pid_file_whose_number_belongs_to_someone_else_is_no_obstacle(made: Path) -> None:
    with EmbeddedPostgres(made):
        lines = (made / "data" / "postmaster.pid").read_text().splitlines()
    (made / "data" / "postmaster.pid").write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    with EmbeddedPostgres(made) as server:
        assert server.pid not in {None, os.getpid()}


def test_a_half_made_cluster_is_made_again(folder: Path) -> None:
    server = EmbeddedPostgres(folder / "pg")
    (folder / "pg" / "data.partial" / "base").mkdir(parents=True)
    (folder / "pg" / "data.partial" / "PG_VERSION").write_text("18\n")
    with server:
        assert not (folder / "pg" / "data.partial").exists()


async def test_reset_starts_from_nothing(made: Path) -> None:
    server = EmbeddedPostgres(made)
    await value(server.start(), "CREATE TABLE t ()")
    server.stop()
    server.reset()
    with server:
        assert await value(server.url, "SELECT to_regclass('t') IS NULL")


@pytest.mark.parametrize("name", ["x" * 120, "a folder, with ' everything = %"])
async def test_a_path_that_no_socket_can_have_gets_a_private_folder(
    folder: Path, name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with EmbeddedPostgres(copy_of_cluster(folder / name, tmp_path_factory)) as server:
        assert await value(server.url, "SELECT 1") == 1
        private = Path(server.url.rpartition("host=")[2])
        assert private.stat().st_mode & 0o777 == 0o700
    assert not private.exists()


def test_data_of_another_major_version_is_refused_in_one_line(made: Path) -> None:
    (made / "data" / "PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedError, match=r"holds PostgreSQL 17 data, this release brings 18.*--reset"):
        EmbeddedPostgres(made).start()


def test_a_server_that_cannot_start_says_why(made: Path) -> None:
    server = EmbeddedPostgres(made, options={"shared_buffers": "lots"})
    with pytest.raises(EmbeddedError, match=r"did not start: .*shared_buffers"):
        server.start()
    with EmbeddedPostgres(made):
        pass


@pytest.mark.skipif(not IS_ROOT, reason="only root can become someone else")
class TestUsers:
    def nobody(self) -> tuple[int, int]:
        entry = pwd.getpwnam("nobody")
        return entry.pw_uid, entry.pw_gid

    def test_an_ordinary_user_runs_it_as_themselves(self, folder: Path) -> None:
        uid, gid = self.nobody()
        os.chown(folder, uid, gid)
        become = ("setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups")
        process, pid, _ = hold(folder / "pg", *become)
        try:
            assert Path(f"/proc/{pid}").stat().st_uid == uid
            assert (folder / "pg" / "data").stat().st_uid == uid
        finally:
            kill(process)
        assert gone(pid)
        with EmbeddedPostgres(folder / "pg") as server:  # root, afterwards: as the owner of the data
            assert Path(f"/proc/{server.pid}").stat().st_uid == uid

    def test_a_user_without_an_entry_in_the_user_database_gets_one_in_a_namespace(self, folder: Path) -> None:
        os.chown(folder, 54321, 54321)
        process, pid, _ = hold(folder / "pg", "setpriv", "--reuid=54321", "--regid=54321", "--clear-groups")
        kill(process)
        assert gone(pid)
        assert (folder / "pg" / "data").stat().st_uid == 54321

    def test_root_keeps_owning_the_files(self, folder: Path) -> None:
        with EmbeddedPostgres(folder / "pg"):
            assert (folder / "pg" / "data").stat().st_uid == 0

    async def test_without_user_namespaces_root_hands_the_data_to_nobody(
        self, made: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with EmbeddedPostgres(made) as server:
            await value(server.url, "CREATE TABLE before AS SELECT 3 AS n")
        monkeypatch.setattr(embedded_user, "NAMESPACE", "0:refused")
        with EmbeddedPostgres(made) as server:
            assert Path(f"/proc/{server.pid}").stat().st_uid == self.nobody()[0]
            assert await value(server.url, "SELECT n FROM before") == 3
        assert made.parent.stat().st_uid == 0

    def test_when_no_user_can_reach_the_folder_the_error_says_what_to_do(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(embedded_user, "NAMESPACE", "0:refused")
        (folder / "private").mkdir(mode=0o700)
        with pytest.raises(EmbeddedError, match=r"refuses to run as root.*--data-dir"):
            EmbeddedPostgres(folder / "private" / "pg").start()
