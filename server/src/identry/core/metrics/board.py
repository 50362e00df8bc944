"""The folder in which each worker leaves its snapshot, and what all of them say together."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import msgspec

from identry.core.metrics.families import Snapshot, merge
from identry.core.processes import is_alive

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Snapshot).decode
_ENDED = "ended"


class Board:
    """Snapshots of the workers of one server, in a folder of their own.

    Each is one file, `<process id>.metrics`, replaced as a whole. What a worker that ended had counted stays counted:
    its file is added to `ended.metrics`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, snapshot: Snapshot) -> None:
        """Leave this process's snapshot.

        Raises:
            OSError: the folder is gone or full.
        """
        self._replace(str(os.getpid()), snapshot)

    def all(self, *, tidy: bool = True) -> Snapshot:
        """Every worker's snapshot added up; with `tidy`, which is for one process alone, ended ones become one file."""
        live, ended = [], self._read(_ENDED)
        for file in sorted(self._folder.glob("[0-9]*.metrics")):
            snapshot = self._read(file.stem)
            if is_alive(int(file.stem)):
                live.append(snapshot)
                continue
            ended = merge([], [ended, snapshot])
            if tidy:
                self._replace(_ENDED, ended)
                file.unlink(missing_ok=True)
        return merge(live, [ended])

    def _read(self, name: str) -> Snapshot:
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            return _decode((self._folder / f"{name}.metrics").read_bytes())
        return []

    def _replace(self, name: str, snapshot: Snapshot) -> None:
        new = self._folder / f".{name}.new"
        new.write_bytes(_encode(snapshot))
        new.replace(self._folder / f"{name}.metrics")
