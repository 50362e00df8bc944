"""Rotations that are asked for at the same time go to PostgreSQL together.

A worker that is busy has several to make at any moment. One statement and one commit for eight of them cost a third of
what eight cost, in PostgreSQL and here (decision 0063); a lone one goes at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any
from uuid import UUID

from identry.core.db import Executor
from identry.rotation.statements import Asked, Reading, Statements

_MOST = 64
_FLIGHTS = 2
"""Statements under way at once: one that has to wait for a row holds up no more than those that went with it."""

_Batch = dict[UUID, tuple[Asked, "asyncio.Future[Any]"]]


class Rotations:
    """Makes the rotations of one worker.

    Args:
        reading: what its sessions are.
        mfa_required: whether the deployment demands a second factor (`MFA_REQUIRED`).
    """

    def __init__(self, db: Executor, reading: Reading, *, mfa_required: bool = False) -> None:
        self._db = db
        self.statements = Statements(reading, mfa_required=mfa_required)
        self._waiting: deque[_Batch] = deque()
        self._flights: set[asyncio.Task[None]] = set()

    async def rotate(self, asked: Asked) -> Any | None:
        """Swap the presented token for its successor; the grant columns, or None when it was not the current one.

        Who is cancelled once the statement is under way leaves it to happen: a retry gets the same successor.

        Raises:
            ServiceUnavailable: the database is away.
        """
        loop = asyncio.get_running_loop()
        if not self._waiting and len(self._flights) < _FLIGHTS:
            loop.call_soon(self._depart)  # after the other requests that have arrived
        answer: asyncio.Future[Any] = loop.create_future()
        self._batch_without(asked.session_id)[asked.session_id] = asked, answer
        return await answer

    def _batch_without(self, session_id: UUID) -> _Batch:
        """The next batch with room that does not hold this session: a statement swaps a session's token once."""
        for batch in self._waiting:
            if len(batch) < _MOST and session_id not in batch:
                return batch
        batch = {}
        self._waiting.append(batch)
        return batch

    def _depart(self) -> None:
        while self._waiting and len(self._flights) < _FLIGHTS:
            flight = asyncio.create_task(self._fly(self._waiting.popleft()))
            self._flights.add(flight)
            flight.add_done_callback(self._landed)

    def _landed(self, flight: asyncio.Task[None]) -> None:
        self._flights.discard(flight)
        self._depart()

    async def _fly(self, batch: _Batch) -> None:
        going = {session_id: place for session_id, place in batch.items() if not place[1].done()}
        # In the order of their ids, so that two batches never wait for each other's rows.
        asked = [going[session_id][0] for session_id in sorted(going)]
        try:
            rows = await self._rotated(asked) if asked else []
        except Exception as error:
            for _, answer in going.values():
                if not answer.done():
                    answer.set_exception(error)
            return
        found = {row["session_id"]: row for row in rows}
        for session_id, (_, answer) in going.items():
            if not answer.done():
                answer.set_result(found.get(session_id))

    async def _rotated(self, asked: list[Asked]) -> list[Any]:
        return await self.statements.rotate(self._db, asked)
