"""Sessions with what belongs to them, as the database has them now; those that are asked for in one moment together.

Source: decision 0079. Nothing is remembered: whoever asks joins a statement that has not left yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from identry.core.clock import Clock
from identry.core.db import Executor
from identry.core.together import Together


class SessionReader:
    """Reads sessions by their ids.

    Args:
        statement: tells of the sessions $1 (`sessions.OF_USERS`) at $2: a row for each, its id first.
    """

    def __init__(self, db: Executor, clock: Clock, statement: str) -> None:
        self._db = db
        self._clock = clock
        self._statement = statement
        self._found = Together(self._find)

    async def __call__(self, session_id: UUID) -> Sequence[Any] | None:
        """The row of a session, behind its id; None when there is no such session.

        Raises:
            ServiceUnavailable: the database cannot answer.
        """
        return await self._found(session_id)

    async def _find(self, session_ids: list[UUID]) -> dict[UUID, Sequence[Any]]:
        rows = await self._db.fetch(self._statement, session_ids, self._clock.now())
        return {row[0]: row[1:] for row in rows}
