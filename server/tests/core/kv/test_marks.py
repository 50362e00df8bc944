"""Revocation marks: what one worker ends, the others know; what nobody knows, PostgreSQL decides."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import pytest

from identry.core.clock import MovableClock
from identry.core.kv import KV, MemoryKV, RevocationMarks
from identry.core.kv.marks import CHANNEL
from identry.core.kv.redis import RedisKV


async def test_a_mark_reaches_this_worker_at_once_and_the_others_soon(kv: KV, clock: MovableClock):
    here, there = RevocationMarks(kv, clock, ttl=60), RevocationMarks(kv, clock, ttl=60)
    await here.start()
    await there.start()
    ended = [uuid4() for _ in range(300)]
    user = uuid4()
    await here.mark(*ended)
    await here.mark_user(user, 4)
    assert all(here.is_marked(session) for session in ended)
    assert here.is_superseded(user, 3)
    async with asyncio.timeout(30):
        while not there.is_superseded(user, 3):
            await asyncio.sleep(0.01)
    assert all(there.is_marked(session) for session in ended)
    assert not there.is_superseded(user, 4)


async def test_nothing_else_is_marked(clock: MovableClock):
    marks = RevocationMarks(MemoryKV(clock), clock, ttl=60)
    await marks.mark(uuid4())
    await marks.mark()
    await marks.mark_user(uuid4(), 2)
    assert not marks.is_marked(uuid4())
    assert not marks.is_superseded(uuid4(), 1)


async def test_a_mark_ends_with_the_tokens_it_concerns(clock: MovableClock):
    marks = RevocationMarks(MemoryKV(clock), clock, ttl=60)
    session, user = uuid4(), uuid4()
    await marks.mark(session)
    await marks.mark_user(user, 2)
    clock.advance(59)
    assert marks.is_marked(session)
    assert marks.is_superseded(user, 1)
    clock.advance(1)
    assert not marks.is_marked(session)
    assert not marks.is_superseded(user, 1)


async def test_a_version_never_goes_back(clock: MovableClock):
    """Messages may arrive in another order than they were sent."""
    marks = RevocationMarks(MemoryKV(clock), clock, ttl=60)
    user = uuid4()
    await marks.mark_user(user, 5)
    await marks.mark_user(user, 3)
    assert marks.is_superseded(user, 4)


async def test_marks_are_bounded_and_the_oldest_goes(clock: MovableClock):
    marks = RevocationMarks(MemoryKV(clock), clock, ttl=60, max_entries=10)
    ids = [UUID(int=n) for n in range(100)]
    await marks.mark(*ids)
    for user in ids:
        await marks.mark_user(user, 2)
    assert [marks.is_marked(session) for session in ids] == [False] * 90 + [True] * 10
    assert [marks.is_superseded(user, 1) for user in ids] == [False] * 90 + [True] * 10


@pytest.mark.parametrize(
    "payload", [b"", b"s", b"s x", b"u", b"u x 1", b"u 1", b"\xff\xfe", b"z 1 2", b"u " + b"9" * 10_000 + b" 1"]
)
async def test_a_message_that_is_not_understood_is_ignored(clock: MovableClock, payload: bytes):
    kv = MemoryKV(clock)
    marks = RevocationMarks(kv, clock, ttl=60)
    await marks.start()
    await kv.publish(CHANNEL, payload)
    session = uuid4()
    await kv.publish(CHANNEL, f"s {session}".encode())
    assert marks.is_marked(session)


async def test_without_the_engine_this_worker_still_knows(clock: MovableClock):
    kv = RedisKV("redis://127.0.0.1:1/0")
    marks = RevocationMarks(kv, clock, ttl=60)
    await marks.start()
    session = uuid4()
    await marks.mark(session)
    assert marks.is_marked(session)
    await kv.close()
