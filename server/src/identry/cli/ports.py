"""Is the port free, and if not, whose is it?"""

from __future__ import annotations

import contextlib
import errno
import socket
from pathlib import Path


class PortError(RuntimeError):
    """The address cannot be bound; the message is one line and says what to do."""


def reserve(host: str, port: int) -> int:
    """The port to listen on: `port` when it can be bound, a free one for 0.

    Raises:
        PortError: it is taken or not ours to take.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            raise PortError(_explain(error, host, port)) from error
        bound: int = probe.getsockname()[1]
        return bound


def _explain(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        holder = _holder(port)
        return f"port {port} is taken{f' by {holder}' if holder else ''}: stop that, or use --port {port + 1} (PORT)"
    if error.errno == errno.EACCES:
        return f"port {port} is reserved for root: choose one above 1023 with --port (PORT)"
    return f"cannot listen on {host}:{port}: {error.strerror or error}"


def _holder(port: int) -> str:
    """`name (pid 123)` of the process that listens on `port`, as far as this user may see; Linux only."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                    inodes.add(f"socket:[{fields[9]}]")
    for process in Path("/proc").glob("[0-9]*") if inodes else ():
        with contextlib.suppress(OSError):
            if any(str(link.readlink()) in inodes for link in (process / "fd").iterdir()):
                return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
    return ""
