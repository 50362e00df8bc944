"""Ports for servers that are told where to listen: another one for every caller in every process of a run.

A port that the kernel chooses is free again at once, and may be given to the next who asks, in another process, before
the server that it was meant for has begun. These lie below those that the kernel chooses from, and are handed out once.
"""

from __future__ import annotations

import itertools
import os
import socket

_FIRST, _EACH = 10_000, 2_000
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_numbers = itertools.count(os.getpid() % _EACH)


def free_port() -> int:
    """A loopback port that nobody listens on and nobody else in this run is given.

    Raises:
        RuntimeError: every port of this process is taken.
    """
    for number in itertools.islice(_numbers, _EACH):
        port = _FIRST + (_WORKER % 8) * _EACH + number % _EACH
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port left")
