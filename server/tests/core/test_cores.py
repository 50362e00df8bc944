"""A container's share of the machine is what counts."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from identry.core.cores import take_long_turns, usable_cores

ALL = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, ALL),
        ({"cpu.max": "max 100000\n"}, ALL),
        ({"cpu.max": "100000 100000\n"}, 1),
        ({"cpu.max": "20000 100000\n"}, 1),
        ({"cpu.max": "90000000 100000\n"}, ALL),
        ({"cpu.max": "nonsense"}, ALL),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, ALL),
        ({"cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1),
    ],
)
def test_the_limit_of_the_control_group_counts(tmp_path: Path, files: dict[str, str], cores: int) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert usable_cores(tmp_path) == cores


def test_one_and_a_half_processors_are_two(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    assert usable_cores(tmp_path) == min(ALL, 2)


def test_who_takes_long_turns_hands_that_on_to_its_threads_and_a_sandbox_that_refuses_is_none_of_its_business(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    policies: list[int] = []

    def refuse(*_: object) -> None:
        raise PermissionError

    def work() -> None:
        take_long_turns()
        inner = threading.Thread(target=lambda: policies.append(os.sched_getscheduler(0)))
        inner.start()
        inner.join()
        monkeypatch.setattr(os, "sched_setscheduler", refuse)
        take_long_turns()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert policies == [os.SCHED_BATCH]
    assert os.sched_getscheduler(0) == os.SCHED_OTHER, "nobody else's turns"
