"""Revocation marks: what this process knows to be over, before it asks PostgreSQL."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterable
from typing import TypeVar
from uuid import UUID

import structlog

from identry.core.clock import Clock
from identry.core.kv.protocol import KV, KVUnavailable

log = structlog.get_logger(__name__)

CHANNEL = "revoked"
"""Messages: `s <session id> …` and `u <user id> <token version>`, ASCII."""


class RevocationMarks:
    """Sessions and token versions that have ended, told by this worker and, through `kv`, by all others.

    Only a hint that saves a query: a mark may be missing (evicted, published while Redis was away, made before this
    process started), so a session without a mark is still looked up in PostgreSQL. A mark is never wrong about an
    ended session: ids are not reused and token versions only grow.

    `ttl` is how long a mark is kept, in seconds: as long as an access token can live. `max_entries` bounds sessions
    and users separately; the oldest mark makes room.
    """

    def __init__(self, kv: KV, clock: Clock, *, ttl: float, max_entries: int = 100_000) -> None:
        self._kv = kv
        self._now = clock.timestamp
        self._ttl = ttl
        self._max_entries = max_entries
        self._sessions: OrderedDict[UUID, float] = OrderedDict()  # id → expiry
        self._users: OrderedDict[UUID, tuple[int, float]] = OrderedDict()  # id → lowest live version, expiry

    async def start(self) -> None:
        """Begin to listen to the other workers; does not need the engine to be up."""
        await self._kv.subscribe(CHANNEL, self._receive)

    async def mark(self, *session_ids: UUID) -> None:
        """Note that the sessions have ended, here at once and in every worker that can be reached.

        Call it when the transaction that ended them has been committed. Never raises.
        """
        if session_ids:
            self._note_sessions(session_ids)
            await self._tell(f"s {' '.join(map(str, session_ids))}")

    async def mark_user(self, user_id: UUID, token_version: int) -> None:
        """Note that the user's tokens below `token_version` have ended; otherwise as `mark`."""
        self._note_user(user_id, token_version)
        await self._tell(f"u {user_id} {token_version}")

    def is_marked(self, session_id: UUID) -> bool:
        """True when the session is known to have ended. One dictionary look-up."""
        expires_at = self._sessions.get(session_id)
        return expires_at is not None and expires_at > self._now()

    def is_superseded(self, user_id: UUID, token_version: int) -> bool:
        """True when the user's token version is known to be above `token_version`. One dictionary look-up."""
        known = self._users.get(user_id)
        return known is not None and token_version < known[0] and known[1] > self._now()

    @property
    def counts(self) -> tuple[int, int]:
        """How many sessions and users are remembered, expired ones included."""
        return len(self._sessions), len(self._users)

    def _note_sessions(self, session_ids: Iterable[UUID]) -> None:
        for session_id in session_ids:
            _put(self._sessions, session_id, self._now() + self._ttl, self._max_entries)

    def _note_user(self, user_id: UUID, token_version: int) -> None:
        known, _ = self._users.get(user_id, (0, 0.0))
        _put(self._users, user_id, (max(known, token_version), self._now() + self._ttl), self._max_entries)

    async def _tell(self, message: str) -> None:
        try:
            await self._kv.publish(CHANNEL, message.encode())
        except KVUnavailable:
            # The others ask PostgreSQL; the engine has logged its own outage.
            log.debug("marks.not_published")

    def _receive(self, payload: bytes) -> None:
        try:
            kind, *words = payload.decode("ascii").split(" ")
            if kind == "s":
                self._note_sessions([UUID(word) for word in words])
            elif kind == "u":
                raw_id, version = words
                self._note_user(UUID(raw_id), int(version))
        except ValueError:
            # A newer or older release may speak otherwise; a hint that is not understood is no hint.
            log.debug("marks.not_understood")


_Key = TypeVar("_Key", bound=Hashable)
_Entry = TypeVar("_Entry")


def _put(entries: OrderedDict[_Key, _Entry], key: _Key, entry: _Entry, max_entries: int) -> None:
    entries[key] = entry
    entries.move_to_end(key)
    if len(entries) > max_entries:
        entries.popitem(last=False)
