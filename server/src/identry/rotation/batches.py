"""Rotations that are asked for at the same time go to PostgreSQL together (decision 0063)."""

from __future__ import annotations

from typing import Any

from identry.core.batches import Batches
from identry.core.db import Executor
from identry.rotation.statements import Asked, Reading, Statements


class Rotations:
    """Makes the rotations of one worker.

    Args:
        reading: what its sessions are.
        mfa_required: whether the deployment demands a second factor (`MFA_REQUIRED`).
    """

    def __init__(self, db: Executor, reading: Reading, *, mfa_required: bool = False) -> None:
        self._db = db
        self.statements = Statements(reading, mfa_required=mfa_required)
        self._batches: Batches[Asked, Any] = Batches(self._rotated)

    async def rotate(self, asked: Asked) -> Any | None:
        """Swap the presented token for its successor; the grant columns, or None when it was not the current one.

        Who is cancelled once the statement is under way leaves it to happen: a retry gets the same successor.

        Raises:
            ServiceUnavailable: the database is away.
        """
        return await self._batches(asked.session_id.bytes, asked)

    async def _rotated(self, asked: list[Asked]) -> dict[bytes, Any]:
        return {row["session_id"].bytes: row for row in await self.statements.rotate(self._db, asked)}
