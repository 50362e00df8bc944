"""What other processes of this machine do."""

from __future__ import annotations

import os
from pathlib import Path


def is_alive(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not (stat := lines_of(Path(f"/proc/{pid}/stat"))) or ") Z " not in stat[0]


def lines_of(path: Path) -> list[str]:
    """The lines of a file; none when it cannot be read."""
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:
        return []
