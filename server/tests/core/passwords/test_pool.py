"""The hashing pool under pressure: bounded, fair, cancellable, and honest about when to come back."""

from __future__ import annotations

import asyncio
import threading

import pytest

from identry.core.passwords.pool import HashingBusy, HashingPool


class Gate:
    """Work that waits to be let through, and records what ran."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.started: list[str] = []
        self.peak = 0
        self._now = 0
        self._lock = threading.Lock()

    def work(self, name: str):
        def run() -> str:
            with self._lock:
                self.started.append(name)
                self._now += 1
                self.peak = max(self.peak, self._now)
            assert self.open.wait(10)
            with self._lock:
                self._now -= 1
            return name

        return run


async def until(condition) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.fixture
async def pool():
    made = HashingPool(threads=2, queue=3)
    yield made
    await made.close()


@pytest.fixture
def gate():
    made = Gate()
    yield made
    made.open.set()


async def test_no_more_than_the_threads_run_and_no_more_than_the_queue_wait(pool: HashingPool, gate: Gate):
    tasks = [asyncio.create_task(pool.run(gate.work(str(i)))) for i in range(5)]
    await until(lambda: len(gate.started) == 2)
    assert (pool.stats.running, pool.stats.queued) == (2, 3)
    for _ in range(20):
        with pytest.raises(HashingBusy) as caught:
            await pool.run(gate.work("refused"))
        assert caught.value.status == 503
        assert int(caught.value.headers["Retry-After"]) >= 1
    assert pool.stats.rejected == 20
    gate.open.set()
    assert await asyncio.gather(*tasks) == ["0", "1", "2", "3", "4"]
    assert "refused" not in gate.started
    assert gate.peak == 2
    await until(lambda: pool.stats.finished == 5)
    assert (pool.stats.running, pool.stats.queued) == (0, 0)
    assert pool.stats.seconds > 0


async def test_a_caller_who_leaves_the_queue_is_never_worked_for(pool: HashingPool, gate: Gate):
    tasks = [asyncio.create_task(pool.run(gate.work(name))) for name in ("a", "b", "left", "c")]
    await until(lambda: pool.stats.queued == 2)
    tasks[2].cancel()
    await until(lambda: pool.stats.queued == 1)
    gate.open.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert tasks[2].cancelled()
    assert gate.started == ["a", "b", "c"]


async def test_a_caller_who_leaves_while_its_work_runs_does_not_free_the_thread_early(pool: HashingPool, gate: Gate):
    tasks = [asyncio.create_task(pool.run(gate.work(name))) for name in ("a", "b", "c")]
    await until(lambda: len(gate.started) == 2)
    tasks[0].cancel()
    await asyncio.sleep(0.05)
    assert gate.started == ["a", "b"]
    assert pool.stats.running == 2
    gate.open.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    await until(lambda: pool.stats.running == 0)
    assert gate.peak == 2


async def test_slots_survive_a_storm_of_cancellations(pool: HashingPool):
    for _ in range(30):
        tasks = [asyncio.create_task(pool.run(lambda: None)) for _ in range(5)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await until(lambda: pool.stats.running == 0)
    assert pool.stats.queued == 0
    assert await asyncio.gather(*(pool.run(lambda i=i: i) for i in range(5))) == [0, 1, 2, 3, 4]


async def test_an_error_in_the_work_reaches_its_caller_and_frees_the_slot(pool: HashingPool):
    def fail() -> None:
        raise RuntimeError("broken")

    for _ in range(5):
        with pytest.raises(RuntimeError, match="broken"):
            await pool.run(fail)
    await until(lambda: pool.stats.running == 0)


async def test_the_loop_keeps_turning_while_threads_are_busy(pool: HashingPool, gate: Gate):
    task = asyncio.create_task(pool.run(gate.work("a")))
    await until(lambda: gate.started)
    for _ in range(100):
        await asyncio.sleep(0)
    assert not task.done()
    gate.open.set()
    assert await task == "a"


async def test_a_closed_pool_refuses(gate: Gate):
    pool = HashingPool(threads=1, queue=1)
    await pool.close()
    with pytest.raises(HashingBusy):
        await pool.run(gate.work("late"))


@pytest.mark.parametrize(("threads", "queue"), [(0, 1), (-1, 1), (1, -1)])
def test_a_pool_needs_threads(threads: int, queue: int):
    with pytest.raises(ValueError, match="at least one thread"):
        HashingPool(threads, queue)
