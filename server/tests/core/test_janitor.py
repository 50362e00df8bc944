"""One of any number of workers keeps order; a chore that fails keeps the others from nothing."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from datetime import timedelta

from harness import Harness, Servers, running

from identry.core.janitor import Chore, Janitor
from identry.core.secrets import token_hash
from identry.records import one_time_tokens
from identry.records.one_time_tokens import Purpose


async def one_round(janitor: Janitor) -> dict[str, int]:
    """A round; while that of an application of this process is under way it waits."""
    async with asyncio.timeout(20):
        while (done := await janitor.round()) is None:
            await asyncio.sleep(0.02)
    return dict(done)


async def test_of_workers_that_come_at_once_one_does_the_chores(app: Harness) -> None:
    runs, refused = 0, asyncio.Semaphore(0)

    async def slow() -> int:
        nonlocal runs
        runs += 1
        for _ in janitors[1:]:
            await refused.acquire()  # until all others have gone away
        return 1

    async def come(janitor: Janitor) -> Mapping[str, int] | None:
        done = await janitor.round()
        if done is None:
            refused.release()
        return done

    janitors = [Janitor(app.db, [Chore("slow", slow)]) for _ in range(5)]
    async with asyncio.timeout(60):
        while not any(rounds := await asyncio.gather(*map(come, janitors))):  # the application's own is under way
            refused = asyncio.Semaphore(0)
    assert rounds.count({"slow": 1}) == 1
    assert rounds.count(None) == 4
    assert runs == 1
    refused = asyncio.Semaphore(4)
    assert await one_round(janitors[0]) == {"slow": 1}


async def test_a_chore_that_fails_leaves_the_others_to_be_done(app: Harness) -> None:
    async def bad() -> int:
        raise RuntimeError("broken")

    async def good() -> int:
        return 2

    assert await one_round(Janitor(app.db, [Chore("bad", bad), Chore("good", good)])) == {"bad": 0, "good": 2}


async def test_the_task_goes_on_after_a_round_and_stops_when_told(app: Harness) -> None:
    rounds = asyncio.Semaphore(0)

    async def count() -> int:
        rounds.release()
        return 0

    janitor = Janitor(app.db, [Chore("count", count)], first=0.0, interval=0.01)
    janitor.start()
    async with asyncio.timeout(10):
        for _ in range(3):
            await rounds.acquire()
    await janitor.stop()


async def test_the_application_s_own_round_prunes_tokens_and_keeps_open_ones(app: Harness) -> None:
    person = await app.make_user()
    now = app.clock.now()
    old, new = secrets.token_hex(8), secrets.token_hex(8)
    for text, expires_at in ((old, now - timedelta(days=2)), (new, now + timedelta(hours=1))):
        await app.db.execute(
            "INSERT INTO one_time_tokens (token_hash, purpose, user_id, created_at, expires_at)"
            " VALUES ($1, $2, $3, $4, $5)",
            token_hash(text),
            Purpose.PASSWORD_RESET,
            person.id,
            now,
            expires_at,
        )
    await one_round(app.app.janitor)
    assert await one_time_tokens.peek(app.db, Purpose.PASSWORD_RESET, token_hash(new), now) is not None
    assert not await app.db.fetchval("SELECT count(*) FROM one_time_tokens WHERE token_hash = $1", token_hash(old))


async def test_more_tokens_than_one_statement_takes_are_all_removed(app: Harness) -> None:
    person = await app.make_user()
    await app.db.execute(
        "INSERT INTO one_time_tokens (token_hash, purpose, user_id, created_at, expires_at)"
        " SELECT sha256(($1::uuid)::text::bytea || i::text::bytea), 'x', $1, $2, $2 FROM generate_series(1, 2500) i",
        person.id,
        app.clock.now() - timedelta(days=3),
    )
    assert await one_time_tokens.prune(app.db, app.clock.now() - timedelta(days=1)) >= 2500


async def test_audit_is_kept_for_ever_unless_told_otherwise(servers: Servers, app: Harness) -> None:
    assert "audit_months_dropped" not in await one_round(app.app.janitor)
    async with running(servers, AUDIT_RETENTION="876000h") as other:
        done = await one_round(other.app.janitor)
        assert done["audit_months_dropped"] == 0
