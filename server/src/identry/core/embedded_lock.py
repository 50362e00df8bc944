"""One holder of a folder at a time: a file that is locked while its process lives, and names it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from identry.core.embedded_process import EmbeddedError


class AlreadyRunningError(EmbeddedError):
    """Another living process uses the folder.

    Attributes:
        pid: that process, or None when it did not say.
    """

    def __init__(self, data_dir: Path, pid: int | None) -> None:
        self.pid = pid
        who = f"pid {pid}" if pid else "another process"
        super().__init__(f"already running ({who}) on {data_dir}: stop it, or choose another data directory")


class FolderLock:
    """The file `lock` in a folder. The kernel lets it go with the process, however that ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: int | None = None

    def acquire(self) -> None:
        """Hold the folder, making it (0700) when absent.

        Raises:
            AlreadyRunningError: another process holds it.
            EmbeddedError: it cannot be used.
        """
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise EmbeddedError(
                f"cannot use {self._folder}: {error.strerror}. Choose a folder of your own with --data-dir"
            ) from error
        if not _locked(lock):
            holder = _named(lock)
            os.close(lock)
            raise AlreadyRunningError(self._folder, holder)
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        self._file = lock

    def release(self) -> None:
        """Let go; harmless when not held."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def holder(self) -> int | None:
        """The process that holds the folder now, or None; asking changes nothing."""
        if self._file is not None:
            return os.getpid()
        try:
            lock = os.open(self._folder / "lock", os.O_RDWR | os.O_NOFOLLOW)
        except OSError:
            return None
        try:
            return None if _locked(lock) else _named(lock)
        finally:
            os.close(lock)


def _locked(lock: int) -> bool:
    """Whether it could be locked, and is now."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _named(lock: int) -> int | None:
    """The process that is written in it."""
    text = os.pread(lock, 20, 0).decode(errors="replace").strip()
    return int(text) if text.isdecimal() else None
