"""What `KV` promises, held against every engine."""

from __future__ import annotations

import asyncio

import pytest

from identry.core.clock import MovableClock
from identry.core.kv import KV


async def eventually(condition) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


async def pass_by(clock: MovableClock, seconds: float) -> None:
    """Values expire by the engine's own clock: the one that the test moves, or that of the server."""
    clock.advance(seconds)
    await asyncio.sleep(seconds)


async def test_a_value_comes_back_as_it_was_stored(kv: KV):
    value = bytes(range(256)) * 400
    await kv.set("k", value, 60)
    assert await kv.get("k") == value


async def test_an_unknown_key_has_no_value(kv: KV):
    assert await kv.get("nobody") is None


async def test_an_empty_value_is_a_value(kv: KV):
    await kv.set("k", b"", 60)
    assert await kv.get("k") == b""


async def test_a_value_replaces_the_one_before_and_its_time_to_live(kv: KV, clock: MovableClock):
    await kv.set("k", b"old", 0.05)
    await kv.set("k", b"new", 60)
    await pass_by(clock, 0.1)
    assert await kv.get("k") == b"new"


async def test_a_value_expires(kv: KV, clock: MovableClock):
    await kv.set("k", b"v", 0.05)
    await pass_by(clock, 0.1)
    assert await kv.get("k") is None


@pytest.mark.parametrize("ttl", [0, -1.5])
async def test_a_value_without_time_to_live_is_not_stored_and_removes_the_old_one(kv: KV, ttl: float):
    await kv.set("k", b"old", 60)
    await kv.set("k", b"v", ttl)
    assert await kv.get("k") is None


async def test_delete_forgets_values_and_windows_and_minds_no_unknown_key(kv: KV):
    await kv.set("a", b"1", 60)
    await kv.set("b", b"2", 60)
    await kv.hit("a", 1, 60)
    await kv.delete("a", "unknown")
    assert await kv.get("a") is None
    assert await kv.get("b") == b"2"
    assert (await kv.hit("a", 1, 60)).allowed
    await kv.delete()


async def test_the_same_key_as_value_and_window_is_two_things(kv: KV):
    await kv.hit("k", 1, 60)
    assert await kv.get("k") is None
    await kv.set("k", b"v", 60)
    assert not (await kv.hit("k", 1, 60)).allowed
    assert await kv.get("k") == b"v"


async def test_a_window_allows_its_limit_and_counts_down(kv: KV):
    hits = [await kv.hit("k", 3, 60) for _ in range(5)]
    assert [hit.allowed for hit in hits] == [True, True, True, False, False]
    assert [hit.remaining for hit in hits] == [2, 1, 0, 0, 0]
    assert hits[2].retry_after == 0
    assert 59 < hits[3].retry_after <= 60.001


async def test_retry_after_is_when_the_next_attempt_passes(kv: KV, clock: MovableClock):
    await kv.hit("k", 2, 60)
    clock.advance(20)
    await kv.hit("k", 2, 60)
    refused = await kv.hit("k", 2, 60)
    assert 35 < refused.retry_after <= 40.001
    clock.advance(refused.retry_after - 1)
    assert not (await kv.hit("k", 2, 60)).allowed
    clock.advance(1.001)
    assert (await kv.hit("k", 2, 60)).allowed
    assert 19 < (await kv.hit("k", 2, 60)).retry_after < 25


async def test_a_refused_attempt_does_not_extend_the_wait(kv: KV, clock: MovableClock):
    await kv.hit("k", 1, 10)
    for _ in range(9):
        clock.advance(1)
        assert not (await kv.hit("k", 1, 10)).allowed
    clock.advance(1.001)
    assert (await kv.hit("k", 1, 10)).allowed


async def test_the_window_slides_and_does_not_jump(kv: KV, clock: MovableClock):
    """A fixed window would allow twice the limit around its edge."""
    clock.advance(59 - clock.timestamp() % 60)
    assert all([(await kv.hit("k", 5, 60)).allowed for _ in range(5)])
    clock.advance(2)
    assert not any([(await kv.hit("k", 5, 60)).allowed for _ in range(5)])


async def test_a_lowered_limit_counts_what_was_allowed_before(kv: KV, clock: MovableClock):
    for _ in range(5):
        await kv.hit("k", 5, 60)
        clock.advance(1)
    refused = await kv.hit("k", 2, 60)
    assert not refused.allowed
    clock.advance(refused.retry_after - 0.5)
    assert not (await kv.hit("k", 2, 60)).allowed
    clock.advance(0.501)
    assert (await kv.hit("k", 2, 60)).allowed


async def test_concurrent_attempts_share_the_limit(kv: KV):
    hits = await asyncio.gather(*(kv.hit("k", 30, 60) for _ in range(200)))
    assert sum(hit.allowed for hit in hits) == 30


async def test_windows_of_different_keys_are_apart(kv: KV):
    await kv.hit("a", 1, 60)
    assert (await kv.hit("b", 1, 60)).allowed


async def test_a_refund_gives_the_newest_attempt_back(kv: KV, clock: MovableClock):
    await kv.hit("k", 2, 60)
    clock.advance(30)
    await kv.hit("k", 2, 60)
    await kv.refund("k")
    assert [(await kv.hit("k", 2, 60)).allowed for _ in range(2)] == [True, False]
    clock.advance(31)
    assert [(await kv.hit("k", 2, 60)).allowed for _ in range(2)] == [True, False]


async def test_a_refund_of_nothing_is_no_error_and_no_credit(kv: KV):
    await kv.refund("k")
    await kv.hit("k", 1, 60)
    await kv.refund("k")
    await kv.refund("k")
    assert [(await kv.hit("k", 1, 60)).allowed for _ in range(2)] == [True, False]


async def test_a_clock_set_back_neither_locks_for_longer_than_a_window_nor_breaks(kv: KV, clock: MovableClock):
    for _ in range(3):
        await kv.hit("k", 3, 60)
    clock.advance(-30)
    refused = await kv.hit("k", 3, 60)
    assert not refused.allowed
    assert refused.retry_after <= 60.001
    clock.advance(-3600)
    assert (await kv.hit("k", 3, 60)).allowed


async def test_messages_reach_every_subscriber_of_the_channel_and_no_other(kv: KV):
    first: list[bytes] = []
    second: list[bytes] = []
    other: list[bytes] = []
    await kv.subscribe("news", first.append)
    await kv.subscribe("news", second.append)
    await kv.subscribe("else", other.append)
    for payload in (b"1", b"\x00\xff", b""):
        await kv.publish("news", payload)
    await eventually(lambda: len(first) == len(second) == 3)
    assert first == second == [b"1", b"\x00\xff", b""]
    assert other == []


async def test_a_message_without_subscribers_is_no_error(kv: KV):
    await kv.publish("nobody listens", b"x")


async def test_a_subscriber_that_raises_hinders_nobody(kv: KV):
    heard: list[bytes] = []

    def broken(payload: bytes) -> None:
        raise RuntimeError("broken subscriber")

    await kv.subscribe("news", broken)
    await kv.subscribe("news", heard.append)
    await kv.publish("news", b"1")
    await kv.publish("news", b"2")
    await eventually(lambda: heard == [b"1", b"2"])


@pytest.mark.parametrize("key", ["", " ", "\r\nFLUSHALL\r\n", "ключ", "*", "a" * 10_000, "{x}y\x00"])
async def test_a_key_is_data(kv: KV, key: str):
    await kv.set(key, b"v", 60)
    assert await kv.get(key) == b"v"
    assert (await kv.hit(key, 1, 60)).allowed
    assert not (await kv.hit(key, 1, 60)).allowed


async def test_close_can_be_repeated(kv: KV):
    await kv.ping()
    await kv.subscribe("news", print)
    await kv.close()
    await kv.close()
