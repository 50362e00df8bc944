"""Starts a program as a user that PostgreSQL accepts: anyone but root, with an entry in the user database.

This file is run by its path in a bare interpreter (`python -I -S unprivileged.py IDENTITY PARENT PROGRAM ARGS…`), so
that nothing happens between fork and exec in a process with threads; it needs only the standard library.

An identity is one of

- `same`: the caller's own user;
- `namespace`: a user namespace in which the caller appears as `nobody`. Files keep their real owner, no permission
  changes, nothing is created in the user database. See user_namespaces(7);
- `<uid>:<gid>`: that user. Only root can choose it.

With PARENT other than 0 the program is told to end (SIGINT, PostgreSQL's fast shutdown) when that process dies.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import sys
from pathlib import Path

SAME = "same"
NAMESPACE = "namespace"
REFUSED = 97
"""Exit code when the identity cannot be had here (a container's seccomp profile, a sysctl)."""

_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1


def stand_in() -> tuple[int, int] | None:
    """An unprivileged (uid, gid) of the user database, `nobody` when there is one; None when there is only root."""
    entries = {entry.pw_uid: entry for entry in pwd.getpwall() if entry.pw_uid}
    entry = next((e for e in entries.values() if e.pw_name == "nobody"), None) or next(iter(entries.values()), None)
    return (entry.pw_uid, entry.pw_gid) if entry else None


def become(identity: str) -> None:
    """Change this process into `identity`.

    Raises:
        OSError: the kernel or a sandbox refuses.
    """
    if identity == SAME:
        return
    if identity == NAMESPACE:
        _enter_namespace()
        return
    uid, gid = map(int, identity.split(":"))
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def _enter_namespace() -> None:
    inside = stand_in()
    if inside is None:
        raise OSError("the user database holds no unprivileged user")
    uid, gid = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{inside[0]} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{inside[1]} {gid} 1")


def end_with(parent: int, number: int = signal.SIGINT) -> None:
    """Ask the kernel to send this process (and what it becomes) a signal when `parent` dies. Linux only."""
    if parent == 0 or not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(REFUSED)


def main() -> None:
    """Become the identity of the command line, then the program of the command line."""
    identity, parent, *command = sys.argv[1:]
    try:
        become(identity)
    except OSError as error:
        sys.stderr.write(f"{identity}: {error}\n")
        sys.exit(REFUSED)
    end_with(int(parent))  # after become(): a change of credentials clears it
    os.execv(command[0], command)  # noqa: S606 - no shell is the point


if __name__ == "__main__":
    main()
