"""As which user the embedded PostgreSQL runs. An ordinary user runs it as themselves; root must find a stand-in."""

from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path

from identry.core import unprivileged
from identry.core.embedded_process import EmbeddedError, wrapped
from identry.core.unprivileged import NAMESPACE, SAME


class NoUserError(EmbeddedError):
    """There is no user here as whom PostgreSQL would run; the message says what to do."""


def choose(data_dir: Path, cluster: Path, program: Path) -> str:
    """The identity (see `unprivileged`) for the server of `cluster`, and the folders handed over to it.

    For root, in this order: the owner of an existing cluster, when that is not root · a user namespace (nothing
    changes hands) · `nobody`, to whom the cluster is given · the owner of the folder around `data_dir`.

    Raises:
        NoUserError: none of them can both run `program` and reach `data_dir`.
    """
    if os.geteuid() != 0:
        if cluster.exists() and not os.access(cluster, os.R_OK | os.W_OK | os.X_OK):
            owner = cluster.stat().st_uid
            raise NoUserError(
                f"{cluster} belongs to user id {owner}: start as that user, or choose another data directory"
            )
        return SAME if _in_user_database(os.geteuid()) else NAMESPACE
    if cluster.exists() and (present := cluster.stat()).st_uid != 0:
        identity = f"{present.st_uid}:{present.st_gid}"
        if _works(identity, program, cluster):
            return identity
    if _works(NAMESPACE, program, data_dir):
        return NAMESPACE
    around = data_dir.parent.stat()
    for uid, gid in filter(None, (unprivileged.stand_in(), (around.st_uid, around.st_gid))):
        if uid and _works(f"{uid}:{gid}", program, data_dir.parent):
            data_dir.chmod(0o711)  # its own folder only: the server must pass through to its cluster
            give(f"{uid}:{gid}", cluster)
            return f"{uid}:{gid}"
    raise NoUserError(
        "PostgreSQL refuses to run as root, user namespaces are switched off here, and no unprivileged user can "
        f"reach both {program} and {data_dir.parent}: start as an ordinary user, choose a --data-dir under a folder "
        "that everyone may enter, or set DATABASE_URL"
    )


def give(identity: str, folder: Path) -> None:
    """Make a user of `<uid>:<gid>` the owner of `folder` and everything in it; other identities own it already."""
    if identity in {SAME, NAMESPACE} or not folder.exists():
        return
    uid, gid = map(int, identity.split(":"))
    if folder.stat().st_uid == uid:
        return
    for path in (*folder.rglob("*"), folder):
        os.chown(path, uid, gid, follow_symlinks=False)


def _in_user_database(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _works(identity: str, program: Path, folder: Path) -> bool:
    """Whether `identity` can be had, can run `program` and can enter `folder`."""
    probe = ["/bin/sh", "-c", '"$0" --version >/dev/null 2>&1 && cd "$1"', str(program), str(folder)]
    return (
        subprocess.run(wrapped(identity, 0, probe), capture_output=True, cwd="/", env={}, check=False).returncode == 0
    )
