"""What is the twin's alone: its bounds and its clock."""

from __future__ import annotations

from identry.core.clock import MovableClock
from identry.core.kv import MemoryKV


async def test_values_and_windows_are_bounded_and_the_least_recently_used_goes(clock: MovableClock):
    kv = MemoryKV(clock, max_keys=100)
    await kv.set("kept", b"v", 60)
    await kv.hit("kept", 1, 60)
    for n in range(1000):
        await kv.set(f"k{n}", b"v", 60)
        await kv.hit(f"k{n}", 1, 60)
        assert await kv.get("kept") == b"v"
        assert not (await kv.hit("kept", 1, 60)).allowed
    assert len(kv._values) == len(kv._windows) == 100
    assert await kv.get("k0") is None


async def test_what_has_expired_does_not_pile_up(clock: MovableClock):
    kv = MemoryKV(clock)
    for _ in range(20):
        for n in range(100):
            await kv.set(f"{clock.timestamp()}:{n}", b"v", 1)
            await kv.hit(f"{clock.timestamp()}:{n}", 1, 1)
        clock.advance(2)
    assert len(kv._values) <= 200
    assert len(kv._windows) <= 200


async def test_values_expire_by_the_clock(clock: MovableClock):
    kv = MemoryKV(clock)
    await kv.set("k", b"v", 60)
    clock.advance(59)
    assert await kv.get("k") == b"v"
    clock.advance(1)
    assert await kv.get("k") is None
