"""Redis killed, stopped, cut off, emptied: an operation fails soon, then costs nothing, and all comes back by itself.

Bounds of time appear only where they are the promise itself (SECURITY §5, F5), with room for a busy machine. Where they
are not, an engine has `PATIENT` seconds: a machine that stands still for a moment is no fault.
"""

from __future__ import annotations

import asyncio
import select
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import uvloop
from faults.proxy import FaultProxy, Mode
from services.certificates import self_signed
from services.pauses import Pauses
from services.ports import free_port
from services.redis import RedisServer, executables
from structlog.testing import capture_logs

from identry.core.kv import KVUnavailable
from identry.core.kv.breaker import Breaker
from identry.core.kv.redis import RedisKV

pytestmark = pytest.mark.alone

PATIENT = 20.0


@asynccontextmanager
async def engine(port: int, **options) -> AsyncIterator[RedisKV]:
    kv = RedisKV(f"redis://127.0.0.1:{port}/0", **options)
    try:
        yield kv
    finally:
        await kv.close()


async def until_open(kv: RedisKV) -> int:
    """Operations, one after another, until the breaker is open; how many it took."""
    for attempt in range(1, 20):
        with pytest.raises(KVUnavailable) as failure:
            await kv.get("k")
        if "circuit open" in str(failure.value):
            return attempt
    raise AssertionError("the breaker stays closed")


async def until_answered(ask: Callable[[], Awaitable[Any]], within: float = 30) -> Any:
    """The first answer, asked for again and again."""
    async with asyncio.timeout(within):
        while True:
            try:
                return await ask()
            except KVUnavailable:
                await asyncio.sleep(0.02)


async def answered_at_once(kv: RedisKV, ask: Callable[[], Awaitable[Any]]) -> Any:
    """An answer that no breaker stood in the way of; only a pause of the machine has it asked for again."""
    while True:
        assert kv.available
        with Pauses() as pauses:
            try:
                return await ask()
            except KVUnavailable:
                if pauses.seconds < 0.05:
                    raise


FAULTS: dict[str, tuple[Callable[[RedisServer, FaultProxy], object], Callable[[RedisServer, FaultProxy], object]]] = {
    "killed": (lambda server, _: server.kill(), lambda server, _: server.start()),
    "stopped": (lambda server, _: server.pause(), lambda server, _: server.resume()),
    "black hole": (lambda _, proxy: proxy.set(Mode.BLACK_HOLE), lambda _, proxy: proxy.set(Mode.PASS)),
    "accepted and left hanging": (lambda _, proxy: proxy.set(Mode.HANG), lambda _, proxy: proxy.set(Mode.PASS)),
    "reset": (lambda _, proxy: proxy.set(Mode.CUT), lambda _, proxy: proxy.set(Mode.PASS)),
    "half closed": (lambda _, proxy: proxy.set(Mode.HALF_CLOSE), lambda _, proxy: proxy.set(Mode.PASS)),
    "too slow": (lambda _, proxy: proxy.set(Mode.DELAY, delay=1), lambda _, proxy: proxy.set(Mode.PASS)),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_fails_soon_then_at_once_then_heals_without_restart(
    fragile_redis: RedisServer, proxy: FaultProxy, fault: str
):
    break_it, heal_it = FAULTS[fault]
    async with engine(proxy.port) as kv:
        await until_answered(lambda: kv.set("k", b"v", 60))
        with capture_logs() as logs:
            with Pauses() as pauses:
                break_it(fragile_redis, proxy)
                began = time.monotonic()
                with pytest.raises(KVUnavailable):
                    await kv.get("k")
                assert time.monotonic() - began < 0.5 + pauses.seconds, "one operation takes at most its time-out"
                assert await until_open(kv) <= 4
                assert time.monotonic() - began < 2 + pauses.seconds, "the breaker opens within two seconds"
            with Pauses() as pauses:
                began = time.monotonic()
                for _ in range(1000):
                    with pytest.raises(KVUnavailable):
                        await kv.hit("k", 1, 60)
                assert time.monotonic() - began < 0.5 + pauses.seconds, "while it is open nobody waits"
            await asyncio.sleep(1.5)  # at least one probe finds it still broken
            with pytest.raises(KVUnavailable, match="circuit open"):
                await kv.ping()
            heal_it(fragile_redis, proxy)
            with Pauses() as pauses:
                began = time.monotonic()
                await until_answered(kv.ping)
                assert time.monotonic() - began < 5 + pauses.seconds
            assert (await until_answered(lambda: kv.hit("k", 1, 60))).allowed
        events = [entry["event"] for entry in logs if entry["event"].startswith("kv.")]
        assert events == ["kv.unavailable", "kv.recovered"], "each is said once"


async def test_many_callers_hit_by_one_fault_count_as_one(fragile_redis: RedisServer, proxy: FaultProxy):
    async with engine(proxy.port) as kv:
        await until_answered(kv.ping)
        proxy.set(Mode.BLACK_HOLE)
        failed = await asyncio.gather(*(kv.get("k") for _ in range(300)), return_exceptions=True)
        assert all(isinstance(error, KVUnavailable) for error in failed)
        proxy.set(Mode.PASS)
        await answered_at_once(kv, kv.ping)


async def test_a_restart_between_two_operations_goes_unnoticed(fragile_redis: RedisServer):
    async with engine(fragile_redis.port, timeout=PATIENT) as kv:
        await kv.hit("k", 5, 60)
        fragile_redis.kill()
        fragile_redis.start()
        assert (await kv.hit("k", 5, 60)).remaining == 4


async def test_a_reset_under_load_fails_nobody_when_redis_is_there(fragile_redis: RedisServer, proxy: FaultProxy):
    async with engine(proxy.port, timeout=PATIENT) as kv:
        await kv.ping()

        async def ask() -> list[bytes | None]:
            return [await kv.get("k") for _ in range(50)]

        load = asyncio.gather(*(ask() for _ in range(20)))
        await asyncio.sleep(0.05)
        proxy.set(Mode.CUT)
        proxy.set(Mode.PASS)
        assert await load == [[None] * 50] * 20


async def test_flushing_empties_windows_values_and_scripts_and_breaks_nothing(fragile_redis: RedisServer):
    async with engine(fragile_redis.port, timeout=PATIENT) as kv:
        await kv.set("k", b"v", 60)
        assert not (await kv.hit("k", 1, 60)).remaining
        fragile_redis.flush()
        fragile_redis._ask(b"SCRIPT FLUSH\r\n")
        assert await kv.get("k") is None
        assert (await kv.hit("k", 1, 60)).allowed


async def test_a_subscription_survives_a_restart(fragile_redis: RedisServer):
    heard: list[bytes] = []
    async with engine(fragile_redis.port, timeout=PATIENT) as kv:
        await kv.subscribe("news", heard.append)
        await _publish_until_heard(kv, heard, b"before")
        fragile_redis.kill()
        fragile_redis.start()
        await _publish_until_heard(kv, heard, b"after")
    assert heard[0] == b"before"


async def test_a_subscription_notices_that_its_connection_has_gone_silent(
    fragile_redis: RedisServer, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("identry.core.kv.subscriber.IDLE", 0.2)
    heard: list[bytes] = []
    async with engine(proxy.port) as kv, engine(fragile_redis.port) as other:
        await kv.subscribe("news", heard.append)
        proxy.set(Mode.BLACK_HOLE)
        await asyncio.sleep(1)
        proxy.set(Mode.PASS)
        await _publish_until_heard(other, heard, b"after")


async def test_a_subscription_starts_when_redis_does():
    heard: list[bytes] = []
    server = RedisServer()
    async with engine(server.port) as kv:
        await kv.subscribe("news", heard.append)
        await kv.subscribe("more news", heard.append)
        server.start()
        try:
            await until_answered(kv.ping)
            await _publish_until_heard(kv, heard, b"after")
        finally:
            server.stop()


async def _publish_until_heard(kv: RedisKV, heard: list[bytes], payload: bytes) -> None:
    async with asyncio.timeout(30):
        while payload not in heard:
            with suppress(KVUnavailable):
                await kv.publish("news", payload)
            await asyncio.sleep(0.05)


async def test_a_cancelled_caller_does_not_disturb_the_others(fragile_redis: RedisServer, proxy: FaultProxy):
    async with engine(proxy.port, timeout=PATIENT) as kv:
        await kv.set("a", b"a", 60)
        await kv.set("b", b"b", 60)
        proxy.set(Mode.DELAY, delay=0.05)
        cancelled = asyncio.create_task(kv.get("a"))
        other = asyncio.create_task(kv.get("b"))
        await asyncio.sleep(0.01)
        cancelled.cancel()
        assert await other == b"b"
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        proxy.set(Mode.PASS)
        assert await kv.get("a") == b"a"


async def test_commands_in_flight_are_bounded_and_the_surplus_does_not_open_the_breaker(
    fragile_redis: RedisServer, proxy: FaultProxy
):
    async with engine(proxy.port, max_pending=10, timeout=PATIENT) as kv:
        await kv.ping()
        proxy.set(Mode.DELAY, delay=0.05)
        answers = await asyncio.gather(*(kv.get("k") for _ in range(50)), return_exceptions=True)
        assert sum(answer is None for answer in answers) == 10
        assert sum(isinstance(answer, KVUnavailable) for answer in answers) == 40
        proxy.set(Mode.PASS)
        await kv.ping()


async def test_a_hit_that_is_sent_again_because_its_answer_was_lost_counts_once(
    fragile_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
):
    async with engine(fragile_redis.port, timeout=PATIENT) as kv:
        with monkeypatch.context() as same:
            same.setattr("identry.core.kv.redis.secrets", SimpleNamespace(token_bytes=lambda size: b"a" * size))
            hits = [await kv.hit("k", 2, 60) for _ in range(3)]
        assert all(hit.allowed for hit in hits)
        assert [(await kv.hit("k", 2, 60)).allowed for _ in range(2)] == [True, False]


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
async def test_a_loop_that_stood_still_is_not_taken_for_a_hung_redis(fragile_redis: RedisServer, loop):
    """The two loops differ in what they look at first after a stall: the timers or the sockets."""

    async def stall() -> bytes | None:
        async with engine(fragile_redis.port, timeout=1) as kv:
            await until_answered(lambda: kv.set("k", b"v", 60))
            line = kv._link._connection._writer.get_extra_info("socket").fileno()
            answer = asyncio.create_task(kv.get("k"))
            for _ in range(10):
                await asyncio.sleep(0)
                if select.select([line], [], [], 0.05)[0]:  # Redis has answered, and this loop not yet read it
                    break
            time.sleep(1.1)
            return await answer

    def elsewhere() -> bytes | None:
        with asyncio.Runner(loop_factory=loop) as runner:
            return runner.run(stall())

    assert await asyncio.to_thread(elsewhere) == b"v"


async def test_only_failures_in_a_row_open_the_breaker():
    async def probe() -> None:
        raise AssertionError("still closed, nothing to probe")

    breaker = Breaker(probe, threshold=3, interval=60)
    for _ in range(5):
        breaker.failed(TimeoutError())
        breaker.failed(TimeoutError())
        breaker.succeeded()
    assert not breaker.is_open
    for _ in range(3):
        breaker.failed(TimeoutError())
    assert breaker.is_open
    await breaker.close()


async def test_a_server_that_refuses_writes_opens_the_breaker_until_it_takes_them(fragile_redis: RedisServer):
    async with engine(fragile_redis.port, probe_interval=0.1, timeout=PATIENT) as kv:
        await until_answered(kv.ping)
        fragile_redis._ask(b"CONFIG SET maxmemory 1\r\n")
        for _ in range(5):
            with pytest.raises(KVUnavailable):
                await kv.set("k", b"v", 60)
            await kv.get("k")  # what still works is served: these were no failures in a row
        for _ in range(3):
            with pytest.raises(KVUnavailable):
                await kv.set("k", b"v", 60)
        with pytest.raises(KVUnavailable, match="circuit open"):
            await kv.ping()
        await asyncio.sleep(0.3)
        with pytest.raises(KVUnavailable, match="circuit open"):
            await kv.ping()
        fragile_redis._ask(b"CONFIG SET maxmemory 0\r\n")
        await until_answered(kv.ping)


async def test_a_primary_that_became_a_replica_is_left_for_a_new_connection(
    fragile_redis: RedisServer, proxy: FaultProxy
):
    async with engine(proxy.port, timeout=PATIENT) as kv:
        await kv.ping()
        connections = proxy.accepted
        fragile_redis._ask(f"REPLICAOF 127.0.0.1 {free_port()}\r\n".encode())
        with pytest.raises(KVUnavailable):
            await kv.set("k", b"v", 60)
        fragile_redis._ask(b"REPLICAOF NO ONE\r\n")
        await kv.set("k", b"v", 60)
        assert proxy.accepted == connections + 1


PASSWORD = "s3cret-canary"


async def test_a_password_is_used_and_never_told():
    server = RedisServer(password=PASSWORD).start()
    try:
        kv = RedisKV(server.url + "?client_name=identry", timeout=PATIENT)
        await kv.set("k", b"v", 60)
        assert await kv.get("k") == b"v"
        await kv.close()
        with capture_logs() as logs:
            wrong = RedisKV(f"redis://:{PASSWORD}-wrong@127.0.0.1:{server.port}/0")
            await wrong.subscribe("news", print)
            for _ in range(4):
                with pytest.raises(KVUnavailable) as failure:
                    await wrong.get("k")
                assert PASSWORD not in repr(failure.value)
                assert failure.value.__cause__ is None
            await wrong.close()
        assert {entry["event"] for entry in logs} >= {"kv.unavailable", "kv.subscription_lost"}
        assert PASSWORD not in repr(logs)
    finally:
        server.stop()


async def test_tls_is_spoken_and_the_certificate_is_checked(fragile_redis: RedisServer, tmp_path: Path):
    context, authority = self_signed(tmp_path)
    heard: list[bytes] = []
    async with FaultProxy("127.0.0.1", fragile_redis.port, tls=context) as proxy:
        kv = RedisKV(f"rediss://127.0.0.1:{proxy.port}/0?ssl_ca_certs={authority}", timeout=PATIENT)
        await kv.subscribe("news", heard.append)
        await kv.set("k", b"v" * 100_000, 60)
        assert await kv.get("k") == b"v" * 100_000
        proxy.set(Mode.CUT)
        proxy.set(Mode.PASS)
        await _publish_until_heard(kv, heard, b"after")
        await kv.close()
        stranger = RedisKV(f"rediss://127.0.0.1:{proxy.port}/0", timeout=PATIENT)
        with pytest.raises(KVUnavailable):
            await stranger.get("k")
        await stranger.close()


async def test_database_numbers_are_apart(fragile_redis: RedisServer):
    async with engine(fragile_redis.port, timeout=PATIENT) as zero:
        three = RedisKV(f"redis://127.0.0.1:{fragile_redis.port}/3", timeout=PATIENT)
        await zero.set("k", b"zero", 60)
        assert await three.get("k") is None
        await three.close()


@pytest.mark.parametrize(
    "url",
    [
        f"http://:{PASSWORD}@127.0.0.1/0",
        f"redis://:{PASSWORD}@127.0.0.1:port/0",
        f"redis://:{PASSWORD}@127.0.0.1:6379/0?no_such_option={PASSWORD}",
        f"redis://:{PASSWORD}@127.0.0.1:6379/0?socket_timeout={PASSWORD}",
        f"{PASSWORD}",
        "",
    ],
)
def test_an_unusable_url_is_refused_without_being_shown(url: str):
    with pytest.raises(ValueError, match="not a usable Redis URL") as failure:
        RedisKV(url)
    assert PASSWORD not in str(failure.value)
    assert failure.value.__suppress_context__


@pytest.mark.parametrize("name", executables())
async def test_every_server_at_hand_supports_what_we_use(redis_servers: dict[str, RedisServer], name: str):
    kv = RedisKV(redis_servers[name].url, prefix="identry:test:", timeout=PATIENT)
    assert (await kv.hit("k", 1, 60)).allowed
    assert not (await kv.hit("k", 1, 60)).allowed
    assert (await kv.hit("short", 1, 0.05)).allowed
    await asyncio.sleep(0.1)
    assert (await kv.hit("short", 1, 0.05)).allowed, "timed by the server's clock"
    await kv.close()
