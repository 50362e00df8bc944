"""Rotations asked for at once go to PostgreSQL together: each gets its own answer, whatever befalls another."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest
from harness import Harness

from identry.core.db import Unavailable
from identry.core.ids import uuid7
from identry.core.origin import Origin
from identry.core.secrets import random_bytes
from identry.rotation import PLATFORM, Asked, Rotations


class Counting:
    """The database, with every statement counted; told so, it waits before the next one, or is away."""

    def __init__(self, app: Harness) -> None:
        self._db = app.db
        self.statements = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.away = False

    async def fetch(self, sql: str, *args: Any) -> list[Any]:
        self.statements += 1
        await self.gate.wait()
        if self.away:
            raise Unavailable("away")
        return await self._db.fetch(sql, *args)


class Sessions:
    """Sessions, and what asks for their next token."""

    def __init__(self, app: Harness) -> None:
        self._app = app

    async def asked(self) -> Asked:
        person = await self._app.signed_in()
        row = await self._app.db.fetchrow("SELECT refresh_token_hash FROM sessions WHERE id = $1", person.session_id)
        return self.after(UUID(str(person.session_id)), row["refresh_token_hash"])

    def after(self, session_id: Any, current: bytes) -> Asked:
        event = self._app.app.engines.audit.row(
            "auth.refresh.rotated", Origin("192.0.2.1", "test", "r-1"), actor="user", session_id=session_id
        )
        return Asked(session_id, current, random_bytes(32), random_bytes(60), event)


@pytest.fixture
def db(app: Harness) -> Any:
    return Counting(app)


@pytest.fixture
def sessions(app: Harness) -> Sessions:
    return Sessions(app)


async def test_what_is_asked_for_in_one_turn_is_one_statement(app: Harness, db: Any, sessions: Sessions) -> None:
    asked = [await sessions.asked() for _ in range(10)]
    rotations = Rotations(db, PLATFORM, mfa_required=False)
    rows = await asyncio.gather(*(rotations.rotate(one) for one in asked))
    assert [row["session_id"] for row in rows] == [one.session_id for one in asked]
    assert db.statements == 1
    for one in asked:
        stored = await app.db.fetchrow("SELECT * FROM sessions WHERE id = $1", one.session_id)
        assert (stored["refresh_token_hash"], stored["predecessor_hash"]) == (one.successor_hash, one.presented_hash)
        assert stored["successor_sealed"] == one.successor_sealed
        [event] = await app.audit("auth.refresh.rotated", session_id=one.session_id)
        assert (event["id"], event["occurred_at"]) == (one.event[0], one.event[1])
        assert (event["actor_user_id"], event["ip"], event["request_id"]) == (stored["user_id"], "192.0.2.1", "r-1")


async def test_a_token_that_is_not_the_current_one_spoils_nothing_for_the_others(
    app: Harness, db: Any, sessions: Sessions
) -> None:
    good, other = await sessions.asked(), await sessions.asked()
    stale = other._replace(presented_hash=random_bytes(32))
    unknown = good._replace(session_id=uuid7(app.clock))
    rotations = Rotations(db, PLATFORM, mfa_required=False)
    rows = await asyncio.gather(*(rotations.rotate(one) for one in (stale, good, unknown)))
    assert [row and row["session_id"] for row in rows] == [None, good.session_id, None]


async def test_of_one_session_two_are_never_in_one_statement(db: Any, sessions: Sessions) -> None:
    first = await sessions.asked()
    second = sessions.after(first.session_id, first.presented_hash)
    third = sessions.after(first.session_id, first.successor_hash)
    rotations = Rotations(db, PLATFORM, mfa_required=False)
    rows = await asyncio.gather(*(rotations.rotate(one) for one in (first, second, third)))
    assert [row is not None for row in rows[:2]].count(True) == 1  # two statements may run beside each other
    assert (rows[2] is not None) <= (rows[0] is not None)  # its predecessor is the first one's successor
    assert db.statements == 3


async def test_a_crowd_larger_than_a_statement_takes_several(db: Any, sessions: Sessions) -> None:
    asked = [await sessions.asked() for _ in range(70)]
    rotations = Rotations(db, PLATFORM, mfa_required=False)
    rows = await asyncio.gather(*(rotations.rotate(one) for one in asked))
    assert all(rows)
    assert db.statements == 2


async def test_an_outage_is_told_to_everybody_and_over_with_the_next(db: Any, sessions: Sessions) -> None:
    asked = [await sessions.asked() for _ in range(3)]
    rotations = Rotations(db, PLATFORM, mfa_required=False)
    db.away = True
    refused = await asyncio.gather(*(rotations.rotate(one) for one in asked), return_exceptions=True)
    assert [type(error) for error in refused] == [Unavailable] * 3
    db.away = False
    assert all(await asyncio.gather(*(rotations.rotate(one) for one in asked)))


async def test_who_leaves_before_the_statement_is_not_in_it(app: Harness, db: Any, sessions: Sessions) -> None:
    waiting, stays, leaves = [await sessions.asked() for _ in range(2)], await sessions.asked(), await sessions.asked()
    rotations = Rotations(db, PLATFORM, mfa_required=False)
    db.gate.clear()
    under_way = []
    for one in waiting:  # both statements that may be under way at once
        under_way.append(asyncio.create_task(rotations.rotate(one)))
        while db.statements < len(under_way):
            await asyncio.sleep(0)
    later = [asyncio.create_task(rotations.rotate(one)) for one in (stays, leaves)]
    await asyncio.sleep(0)
    later[1].cancel()
    db.gate.set()
    assert all(await asyncio.gather(*under_way, later[0]))
    assert later[1].cancelled()
    stored = await app.db.fetchval("SELECT refresh_token_hash FROM sessions WHERE id = $1", leaves.session_id)
    assert stored == leaves.presented_hash


async def test_who_leaves_under_way_leaves_the_others_their_answers(db: Any, sessions: Sessions) -> None:
    asked = [await sessions.asked() for _ in range(3)]
    rotations = Rotations(db, PLATFORM, mfa_required=False)
    db.gate.clear()
    tasks = [asyncio.create_task(rotations.rotate(one)) for one in asked]
    while not db.statements:
        await asyncio.sleep(0)
    tasks[0].cancel()
    db.gate.set()
    rows = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(rows[0], asyncio.CancelledError)
    assert all(rows[1:])
