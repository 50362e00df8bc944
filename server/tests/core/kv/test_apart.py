"""What goes on beside the requests belongs to none of them: its lines in the log name nobody."""

from __future__ import annotations

import asyncio
from uuid import uuid4

from services.redis import RedisServer

from identry.core.kv.breaker import Breaker
from identry.core.kv.redis import RedisKV
from identry.core.pool import Pool
from identry.core.tasks import apart
from identry_kit import context

SOMEBODY = context.Caller(user_id=uuid4(), tenant_id=uuid4())


async def test_what_a_request_sets_going_for_everybody_is_not_its_own(redis_servers: dict[str, RedisServer]) -> None:
    seen: dict[str, context.Request | None] = {}
    done = {name: asyncio.Event() for name in ("task", "probe", "lost", "connection")}

    def look(name: str) -> None:
        seen[name] = context.current()
        done[name].set()

    async def task() -> None:
        look("task")

    async def probe() -> None:
        look("probe")

    async def connect() -> None:
        look("connection")
        raise ConnectionError

    breaker = Breaker(probe, threshold=1, interval=0)
    pool = Pool(connect, min_size=0, max_size=1)
    kv = RedisKV(next(iter(redis_servers.values())).url, timeout=20)
    with context.use(SOMEBODY, request_id="r1"):
        running = apart(task(), "task")
        breaker.failed(ConnectionError())
        pool._grow()
        await kv.ping()
        link = kv._link
        assert link is not None
        link._on_lost = lambda _error: look("lost")
    link._connection._writer.transport.abort()
    async with asyncio.timeout(60):
        await asyncio.gather(running, *(event.wait() for event in done.values()))
    assert seen == dict.fromkeys(done)
    await breaker.close()
    await pool.close()
    await kv.close()
