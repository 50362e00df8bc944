"""How many processors this process may use (by the machine, its affinity, its container), and in what turns."""

from __future__ import annotations

import math
import os
from contextlib import suppress
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def usable_cores(cgroup: Path = _CGROUP) -> int:
    """At least 1. A container's limit of 1.5 processors counts as 2 (Linux control groups, versions 1 and 2)."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        cores = os.cpu_count() or 1
    limit = _limit(cgroup)
    return cores if limit is None else max(1, min(cores, math.ceil(limit)))


def take_long_turns() -> None:
    """From now on, what wakes up in this thread, and in those that it starts, interrupts nothing that is running.

    A busy worker then does the work of many requests in a row, and their statements and signatures come together
    (decision 0097). Linux's SCHED_BATCH, see sched(7); where it is not to be had all stays as it is.
    """
    if hasattr(os, "SCHED_BATCH"):
        with suppress(OSError):  # a sandbox refuses
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def _limit(cgroup: Path) -> float | None:
    for name in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        try:
            quota, period = " ".join((cgroup / part).read_text() for part in name).split()
            if float(quota) > 0 and float(period) > 0:
                return float(quota) / float(period)
        except (OSError, ValueError):  # no such file, or "max"
            continue
    return None
