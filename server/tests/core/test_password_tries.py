"""Passwords that are asked for again: what counts as a try."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest
from services.clocks import StillClock

from identry.core.kv import MemoryKV
from identry.core.limits import MINUTE, Limit, Limiter, RateLimited
from identry.core.password_tries import PasswordTries
from identry.core.passwords import Argon2Params, HashingBusy, Passwords

LIMIT = Limit("two", 2, MINUTE)


@pytest.fixture
async def passwords() -> AsyncIterator[Passwords]:
    made = Passwords(Argon2Params(1, 64, 1, 32), threads=1, queue=1)
    yield made
    await made.close()


@pytest.fixture
def tries(passwords: Passwords) -> PasswordTries:
    return PasswordTries(passwords, Limiter(MemoryKV(StillClock())))


async def test_wrong_ones_count_also_in_parallel_and_right_ones_do_not(
    passwords: Passwords, tries: PasswordTries
) -> None:
    stored = await passwords.hash("right")
    for _ in range(3):
        assert await tries("right", stored, LIMIT, "ada")
    guesses = (tries("wrong", stored, LIMIT, "ada") for _ in range(3))
    told = await asyncio.gather(*guesses, return_exceptions=True)
    assert [type(one) for one in told] == [bool, bool, RateLimited]
    assert not any(told[:2])
    with pytest.raises(RateLimited):
        await tries("right", stored, LIMIT, "ada")
    assert await tries("right", stored, LIMIT, "grace"), "each has tries of their own"


async def test_what_nobody_looked_at_was_no_try(passwords: Passwords, tries: PasswordTries) -> None:
    stored, gate = await passwords.hash("right"), threading.Event()
    waiting = [asyncio.create_task(passwords._pool.run(gate.wait)) for _ in range(2)]
    try:
        while passwords.stats.queued == 0:
            await asyncio.sleep(0)
        for _ in range(3):
            with pytest.raises(HashingBusy):
                await tries("wrong", stored, LIMIT, "ada")
    finally:
        gate.set()
        await asyncio.gather(*waiting)
    assert not await tries("wrong", stored, LIMIT, "ada")
