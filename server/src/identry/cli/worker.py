"""What a worker process of `identry serve` runs: the application, told when to drain and when its parent is gone."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Awaitable, Callable

from identry import app
from identry.cli.admin_port import WithAdminPort
from identry.core.cores import take_long_turns
from identry.core.unprivileged import end_with
from identry_kit.apierror import Receive, Scope, Send


def create() -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """The application. SIGUSR1 makes it drain; when the supervisor dies, however that happens, the worker ends too."""
    # Forked, we still have the supervisor's handlers. While starting there is nothing to drain.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the supervisor tells us
    take_long_turns()
    application = app.create()
    grace = max(1, int(application.settings.shutdown_grace.total_seconds()))

    def orphaned(*_: object) -> None:
        signal.alarm(grace)  # granian 2.8.7 can hang when a signal meets its start; the kernel ends us then
        os.kill(os.getpid(), signal.SIGTERM)

    signal.signal(signal.SIGUSR1, lambda *_: application.drain())
    signal.signal(signal.SIGUSR2, orphaned)
    if (parent := multiprocessing.parent_process()) is not None and parent.pid is not None:
        end_with(parent.pid, signal.SIGUSR2)
    return WithAdminPort(application).serve
